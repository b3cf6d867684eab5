import { readdirSync, readFileSync, readlinkSync } from "node:fs";

/** A process, as /proc shows it. */
export interface ProcessInfo {
  readonly pid: number;
  readonly parent: number;
  readonly group: number;
  readonly session: number;
  /** The process has ended, but its parent has not read its exit status. */
  readonly zombie: boolean;
  /** Start time, in ticks since the machine was started. Together with the pid, it identifies the process. */
  readonly start: string;
}

/** Reads a process from /proc. Returns undefined if the process or /proc does not exist. */
export function readProcess(pid: number): ProcessInfo | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    // The name, in parentheses, may contain any characters.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    const [state, parent, group, session] = fields;
    return {
      pid,
      parent: Number(parent),
      group: Number(group),
      session: Number(session),
      zombie: state === "Z" || state === "X",
      start: fields[19] ?? "",
    };
  } catch {
    return undefined;
  }
}

export type ProcessTable = ReadonlyMap<number, ProcessInfo>;

/** Reads all processes. Empty if there is no /proc. */
export function readProcesses(): ProcessTable {
  const table = new Map<number, ProcessInfo>();
  for (const name of namesIn("/proc")) {
    const found = /^\d+$/.test(name) ? readProcess(Number(name)) : undefined;
    if (found !== undefined) table.set(found.pid, found);
  }
  return table;
}

/** Returns the running processes that a thread has started. */
export function childrenOfThread(pid: number, tid: number): number[] {
  try {
    const children = readFileSync(`/proc/${pid}/task/${tid}/children`, "latin1");
    return children.split(" ").filter(Boolean).map(Number);
  } catch {
    return [];
  }
}

/** Returns the kernel's id of the thread of this process that has this name. */
export function findThread(name: string): number | undefined {
  const isNamed = (tid: string): boolean => {
    try {
      return readFileSync(`/proc/self/task/${tid}/comm`, "latin1").trim() === name;
    } catch {
      return false;
    }
  };
  const tid = namesIn("/proc/self/task").find(isNamed);
  return tid === undefined ? undefined : Number(tid);
}

/** Returns an identifier of the file that a process has open at a descriptor, or undefined if it has none. */
export function readDescriptor(pid: number, fd: number): string | undefined {
  try {
    return readlinkSync(`/proc/${pid}/fd/${fd}`);
  } catch {
    return undefined;
  }
}

function namesIn(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch {
    return [];
  }
}
