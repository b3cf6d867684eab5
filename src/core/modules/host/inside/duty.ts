/** Told that the instance begins to serve, or that it serves no more. */
type DutyListener = () => unknown;

/** Whether the instance serves, and whom in the module that is told. */
export interface Duty {
  /** What is returned takes the listener off again. One that comes while the instance serves is called at once. */
  onServe(listener: DutyListener): () => void;
  /** The same; one that comes when the instance has served, and does not any more, is called at once. */
  onRetire(listener: DutyListener): () => void;
  /** It serves from now on. */
  serve(): void;
  /** It serves no more; nothing happens where it never has. */
  retire(): void;
}

interface DutyFailures {
  /** A listener could not begin the work. */
  readonly ofServe: (thrown: unknown) => void;
  /** A listener could not end the work. */
  readonly ofRetire: (thrown: unknown) => void;
}

export function createDuty(failures: DutyFailures): Duty {
  const onServe = createListeners(failures.ofServe);
  const onRetire = createListeners(failures.ofRetire);
  let duty: "none yet" | "serves" | "retired" = "none yet";
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

/** Calls each listener in order of registration; what one throws, or rejects with, keeps none of the others from it. */
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
      if (typeof listener !== "function") throw new TypeError("a listener is a function");
      const one = { call: listener };
      listeners.add(one);
      // After what registers it has gone on: it may need what it gets here.
      if (isDue()) queueMicrotask(() => listeners.has(one) && isDue() && void call(listener));
      return () => void listeners.delete(one);
    },
    call(): void {
      for (const { call: listener } of [...listeners]) void call(listener);
    },
  };
}
