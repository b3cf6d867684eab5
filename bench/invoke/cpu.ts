import { readdirSync, readFileSync } from "node:fs";

/** The CPU time of this process with its threads, and of its child processes, in µs. */
export function cpuMicros(): number {
  const { user, system } = process.cpuUsage();
  return user + system + childrenOf(process.pid).reduce((sum, pid) => sum + micros(pid), 0);
}

function childrenOf(parent: number): readonly string[] {
  return readdirSync("/proc").filter((pid) => {
    if (!/^\d+$/.test(pid)) return false;
    const fields = read(`/proc/${pid}/stat`).split(") ").at(-1)?.split(" ");
    return Number(fields?.[1]) === parent;
  });
}

/** The scheduler counts in ns, and the counts in `stat` only in hundredths of a second. */
function micros(pid: string): number {
  const path = `/proc/${pid}/task`;
  return list(path).reduce((sum, task) => sum + Number(read(`${path}/${task}/schedstat`).split(" ")[0]) / 1000, 0);
}

/** A process may end while it is looked at. */
function read(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}

function list(path: string): readonly string[] {
  try {
    return readdirSync(path);
  } catch {
    return [];
  }
}
