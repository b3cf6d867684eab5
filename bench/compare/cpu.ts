import { readdirSync, readFileSync } from "node:fs";

/** Nanoseconds of each thread, by process and thread. Those of threads that have ended are kept. */
const seen = new Map<number, Map<string, number>>();

/**
 * CPU time of all threads of a process so far, in s, except what a thread used between the last call and its end. Only on
 * Linux; elsewhere, and for a process that has ended, NaN.
 */
export function cpuSeconds(pid: number): number {
  const threads = seen.get(pid) ?? new Map<string, number>();
  seen.set(pid, threads);
  for (const thread of threadsOf(pid)) {
    const ns = nanosecondsOf(pid, thread);
    if (ns !== undefined) threads.set(thread, ns);
  }
  if (nanosecondsOf(pid, String(pid)) === undefined) return Number.NaN;
  return [...threads.values()].reduce((sum, one) => sum + one, 0) / 1e9;
}

function threadsOf(pid: number): readonly string[] {
  try {
    return readdirSync(`/proc/${pid}/task`);
  } catch {
    return [];
  }
}

/** Undefined if the thread has ended. */
function nanosecondsOf(pid: number, thread: string): number | undefined {
  try {
    return Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, "utf8").split(" ")[0]);
  } catch {
    return undefined;
  }
}
