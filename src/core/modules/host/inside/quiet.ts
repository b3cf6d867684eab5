import type { Pressure } from "../wire/protocol.ts";

/** Taken before the module's code runs, which can put another function in its place. */
const inTurn = setImmediate;

/** What the module does now. */
interface Activity {
  /** Methods that run, whether or not somebody still waits for them. */
  methods(): number;
  /** Its own calls of others that have not been answered, by number. */
  calls(): ReadonlySet<number>;
  /** From now on its own calls of others wait, but for those that a method makes which runs. */
  hold(): void;
}

/** Waits for the moment in which nothing that a module has begun is under way, and does something in just that moment. */
export interface Quiet {
  /**
   * `work` runs in a turn of its own in which no method runs, none of the module's own calls is under way, and all that
   * follows from the answers of the last ones has run. From that turn on its own calls are held, those of `work` too.
   *
   * A module that calls others now and then, on a timer, has such turns by itself. One that always has a call under way has
   * none before its further calls are held, for which the service presses.
   */
  take(id: number, work: () => unknown): Promise<unknown>;
  /** The service has waited for that turn long enough for this. */
  press(id: number, how: Pressure): void;
  /** A method has ended, or a call was answered. */
  changed(): void;
  /** Nobody waits for it any more; false where it has begun or was not asked for. Without an id: for none of them. */
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
      // What follows from an answer runs before that.
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
        reject(new Error("it was given up"));
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
