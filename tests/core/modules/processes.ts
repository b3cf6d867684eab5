import { readdirSync, readFileSync } from "node:fs";
import { until } from "../../support/until.ts";

/** A number below 1 that no other test uses. As an argument it identifies a process. */
export function newMarker(): string {
  return `0.${process.pid}${Math.floor(Math.random() * 1e9)}1`;
}

/** The running processes with the marker among their arguments. */
export function marked(marker: string): number[] {
  const pids = readdirSync("/proc").filter((name) => /^\d+$/.test(name));
  return pids.filter((pid) => readText(`/proc/${pid}/cmdline`).includes(marker)).map(Number);
}

export async function allGone(marker: string): Promise<void> {
  await until(() => marked(marker).length === 0);
}

/** The running children of a process. */
export function childrenOf(parent: number): number[] {
  const pids = readdirSync("/proc").filter((name) => /^\d+$/.test(name));
  const isChild = (pid: string): boolean => {
    const stat = readText(`/proc/${pid}/stat`);
    const [state, ppid] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return state !== "Z" && Number(ppid) === parent;
  };
  return pids.filter(isChild).map(Number);
}

function readText(path: string): string {
  try {
    return readFileSync(path, "latin1");
  } catch {
    return "";
  }
}
