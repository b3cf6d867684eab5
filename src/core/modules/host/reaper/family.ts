import { MARK_FD, type Root } from "./orders.ts";
import { childrenOfThread, type ProcessInfo, type ProcessTable, readDescriptor, readProcesses } from "./processes.ts";

/** A root, and the processes known to descend from it. */
export class Family {
  readonly #root: Root;
  /** Start times by pid, because a pid may be reused. Undefined: the process ended before its start time could be read. */
  readonly #seen = new Map<number, string | undefined>();

  constructor(root: Root) {
    this.#root = root;
    if (root.type === "process") this.#seen.set(root.pid, root.start);
  }

  /** Whether the root may start processes, so that the family must be checked regularly. */
  get grows(): boolean {
    return this.#root.type === "thread" || this.#root.mark !== undefined;
  }

  add(pid: number, start: string | undefined): void {
    this.#seen.set(pid, start);
  }

  /** Records and returns the processes that belong to the family now. Later their parents may be gone. */
  remember(table: ProcessTable): ProcessInfo[] {
    const members = this.#members(table);
    const led = new Set([...table.values()].flatMap(({ group, session }) => [group, session]));
    for (const [pid, start] of this.#seen) if (!this.#isLed(table, pid, start, led)) this.#seen.delete(pid);
    for (const { pid, start } of members) this.#seen.set(pid, start);
    return members;
  }

  /**
   * Kills the whole family, including processes that are started meanwhile. It stops them first: a stopped process starts
   * no others.
   */
  sweep(): void {
    const root = this.#root;
    if (root.type === "process" && root.start === undefined) {
      signal(-root.pid, "SIGKILL");
      return;
    }
    const stopped = new Set<number>();
    // A process that starts another and ends, while the table is read, may hide both. So the family counts as stopped only
    // after two readings without a new member.
    for (let readingsWithoutNew = 0; readingsWithoutNew < 2; readingsWithoutNew += 1) {
      for (const { pid, zombie } of this.remember(readProcesses())) {
        if (zombie || stopped.has(pid)) continue;
        stopped.add(pid);
        readingsWithoutNew = -1;
        signal(pid, "SIGSTOP");
      }
    }
    for (const pid of stopped) signal(pid, "SIGKILL");
  }

  #members(table: ProcessTable): ProcessInfo[] {
    const root = this.#root;
    const seen = this.#seen;
    const children = new Set(root.type === "thread" ? childrenOfThread(root.pid, root.tid) : []);
    const mark = root.type === "process" ? root.mark : undefined;
    // A group's or session's number is not reused while it has members.
    const isLeader = (pid: number): boolean =>
      seen.has(pid) && (table.get(pid)?.start ?? seen.get(pid)) === seen.get(pid);
    const belongs = ({ pid, group, session, start }: ProcessInfo): boolean =>
      seen.get(pid) === start ||
      isLeader(group) ||
      isLeader(session) ||
      children.has(pid) ||
      (mark !== undefined && readDescriptor(pid, MARK_FD) === mark);
    const members = new Set([...table.values()].filter(belongs));
    const byParent = Map.groupBy(table.values(), ({ parent }) => parent);
    // Members that are added during the loop are visited as well.
    for (const { pid } of members) for (const child of byParent.get(pid) ?? []) members.add(child);
    return [...members];
  }

  /** Whether a group or session that this process led still has members, and its number has not been reused. */
  #isLed(table: ProcessTable, pid: number, start: string | undefined, led: ReadonlySet<number>): boolean {
    return led.has(pid) && (table.get(pid)?.start ?? start) === start;
  }
}

function signal(pid: number, name: "SIGSTOP" | "SIGKILL"): void {
  try {
    process.kill(pid, name);
  } catch {
    // The process has ended.
  }
}
