import type { Pressure } from "../wire/protocol.ts";

/** Taken before the module's code runs, which can replace it. */
const inTurn = setImmediate;

/** The activity of the module. */
interface Activity {
  /** Number of methods that run, including those whose callers have left. */
  methods(): number;
  /** Ids of the module's calls that have not been answered. */
  calls(): ReadonlySet<number>;
  /** From now on, delays the module's own calls, but not those of a method that runs. */
  hold(): void;
}

/** Waits for a quiet moment, in which no activity of the module is in progress, and runs some work exactly then. */
export interface Quiet {
  /**
   * Runs `work` in a turn of the event loop in which no method runs, none of the module's calls is unanswered, and all code
   * that follows from the last answers has run. From that turn on, the module's own calls are delayed, including those of
   * `work`.
   *
   * A module that makes calls now and then, on a timer, has such turns by itself. A module that always has a call in
   * progress has such a turn only once its further calls are delayed. The service asks for that by `press`.
   */
  take(id: number, work: () => unknown): Promise<unknown>;
  /** The service has waited so long that the measure `how` is due. */
  press(id: number, how: Pressure): void;
  /** Must be called when a method has ended or a call was answered. */
  changed(): void;
  /**
   * Cancels the work with this id, or all work without an id. Returns false if there is no such work that has not begun.
   */
  cancel(id?: number): boolean;
}

interface Waiting {
  look(): void;
  press(how: Pressure): void;
  cancel(): void;
}

export function createQuiet(activity: Activity): Quiet {
  const waiting = new Map<number, Waiting>();

  const wait = (id: number, work: () => unknown): Promise<unknown> => {
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    const first = [...activity.calls()];
    let isPatient = true;
    let isLooking = false;
    const take = (): void => {
      waiting.delete(id);
      activity.hold();
      resolve(Promise.try(work));
    };
    const see = (): void => {
      isLooking = false;
      if (!waiting.has(id)) return;
      const calls = activity.calls();
      if (calls.size === 0 && activity.methods() === 0) take();
      else if (!isPatient && !first.some((call) => calls.has(call))) activity.hold();
    };
    const look = (): void => {
      if (isLooking) return;
      isLooking = true;
      // Code that follows from an answer runs before this.
      inTurn(see);
    };
    waiting.set(id, {
      look,
      press(how) {
        if (how === "take") take();
        else if (how === "hold") activity.hold();
        else isPatient = false;
        look();
      },
      cancel() {
        waiting.delete(id);
        reject(new Error("the wait was cancelled"));
      },
    });
    look();
    return promise;
  };

  return {
    take: wait,
    press: (id, how) => waiting.get(id)?.press(how),
    changed() {
      if (waiting.size > 0) for (const { look } of waiting.values()) look();
    },
    cancel(id) {
      const which = id === undefined ? [...waiting.values()] : [waiting.get(id)];
      for (const one of which) one?.cancel();
      return which.some((one) => one !== undefined);
    },
  };
}
