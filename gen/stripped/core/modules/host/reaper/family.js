import { MARK_FD,           } from "./orders.js";
import { childrenOfThread,                                      readDescriptor, readProcesses } from "./processes.js";

/** A root that may have started processes, and those of them that were seen. */
export class Family {
           #root      ;
  /** When each started, by its pid, which alone may be another's by now; undefined: before anybody could look. */
           #seen = new Map                            ();

  constructor(root      ) {
    this.#root = root;
    if (root.type === "process") this.#seen.set(root.pid, root.start);
  }

  /** Whether it has to be looked at while it lives. */
  get grows()          {
    return this.#root.type === "thread" || this.#root.mark !== undefined;
  }

  add(pid        , start                    )       {
    this.#seen.set(pid, start);
  }

  /** Takes note of those who belong to it now, and gives them: later their parents may be gone. */
  remember(table              )                {
    const members = this.#members(table);
    const led = new Set([...table.values()].flatMap(({ group, session }) => [group, session]));
    for (const [pid, start] of this.#seen) if (!this.#isLed(table, pid, start, led)) this.#seen.delete(pid);
    for (const { pid, start } of members) this.#seen.set(pid, start);
    return members;
  }

  /** Ends all of them, those too that are started meanwhile: what is stopped starts nothing. */
  sweep()       {
    const root = this.#root;
    if (root.type === "process" && root.start === undefined) {
      signal(-root.pid, "SIGKILL");
      return;
    }
    const stopped = new Set        ();
    // One that starts another and ends, while the table is read, may leave neither of them in it.
    for (let nobody = 0; nobody < 2; nobody += 1) {
      for (const { pid, zombie } of this.remember(readProcesses())) {
        if (zombie || stopped.has(pid)) continue;
        stopped.add(pid);
        nobody = -1;
        signal(pid, "SIGSTOP");
      }
    }
    for (const pid of stopped) signal(pid, "SIGKILL");
  }

  #members(table              )                {
    const root = this.#root;
    const seen = this.#seen;
    const children = new Set(root.type === "thread" ? childrenOfThread(root.pid, root.tid) : []);
    const mark = root.type === "process" ? root.mark : undefined;
    // The number of a group or session is given to nobody else while one of it lives.
    const isLeader = (pid        )          =>
      seen.has(pid) && (table.get(pid)?.start ?? seen.get(pid)) === seen.get(pid);
    const belongs = ({ pid, group, session, start }             )          =>
      seen.get(pid) === start ||
      isLeader(group) ||
      isLeader(session) ||
      children.has(pid) ||
      (mark !== undefined && readDescriptor(pid, MARK_FD) === mark);
    const members = new Set([...table.values()].filter(belongs));
    const byParent = Map.groupBy(table.values(), ({ parent }) => parent);
    // A set takes what is added while it is walked.
    for (const { pid } of members) for (const child of byParent.get(pid) ?? []) members.add(child);
    return [...members];
  }

  /** Whether somebody is left whose group or session it led, while its number is nobody's. */
  #isLed(table              , pid        , start                    , led                     )          {
    return led.has(pid) && (table.get(pid)?.start ?? start) === start;
  }
}

function signal(pid        , name                       )       {
  try {
    process.kill(pid, name);
  } catch {
    // It has ended by itself.
  }
}
