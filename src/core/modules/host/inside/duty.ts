/** A listener of the module that is called when the instance begins, or ceases, to serve. */
type DutyListener = () => unknown;

/** Whether the instance serves, and the module's listeners. */
export interface Duty {
  /** Adds a listener, and calls it soon if the instance serves now. The returned function removes it. */
  onServe(listener: DutyListener): () => void;
  /**
   * Adds a listener, and calls it soon if the instance has served and does not any more. The returned function removes it.
   */
  onRetire(listener: DutyListener): () => void;
  /** The instance serves from now on. */
  serve(): void;
  /** The instance does not serve any more. Does nothing if it did not serve. */
  retire(): void;
}

interface DutyFailures {
  /** Called if a listener of `onServe` fails. */
  readonly ofServe: (thrown: unknown) => void;
  /** Called if a listener of `onRetire` fails. */
  readonly ofRetire: (thrown: unknown) => void;
}

export function createDuty(failures: DutyFailures): Duty {
  const onServe = createListeners(failures.ofServe);
  const onRetire = createListeners(failures.ofRetire);
  let duty: "not yet" | "serves" | "retired" = "not yet";
  return {
    onServe: (listener) => onServe.add(listener, () => duty === "serves"),
    onRetire: (listener) => onRetire.add(listener, () => duty === "retired"),
    serve() {
      if (duty === "serves") return;
      duty = "serves";
      onServe.call();
    },
    retire() {
      if (duty !== "serves") return;
      duty = "retired";
      onRetire.call();
    },
  };
}

/** Keeps listeners, which are called in the order of registration. A listener that fails does not affect the others. */
function createListeners(failed: (thrown: unknown) => void) {
  const listeners = new Set<{ readonly call: DutyListener }>();
  const call = async (listener: DutyListener): Promise<void> => {
    try {
      await listener();
    } catch (thrown) {
      failed(thrown);
    }
  };
  return {
    add(listener: DutyListener, isDue: () => boolean): () => void {
      if (typeof listener !== "function") throw new TypeError("the listener must be a function");
      const one = { call: listener };
      listeners.add(one);
      // The listener is called after the code that registers it, because it may need the returned function.
      if (isDue()) queueMicrotask(() => listeners.has(one) && isDue() && void call(listener));
      return () => void listeners.delete(one);
    },
    call(): void {
      for (const { call: listener } of [...listeners]) void call(listener);
    },
  };
}
