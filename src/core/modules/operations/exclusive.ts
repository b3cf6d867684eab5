import { HeliosError } from "../../errors/error.ts";

interface Running {
  readonly operation: string;
  readonly ended: Promise<void>;
  /** Guests: operations that run beside this one, each with its controller. Undefined if it lets no guests in. */
  guests: Map<Promise<unknown>, AbortController> | undefined;
  /** Aborted when another operation asks for the module. Absent: the other operation is refused. */
  readonly givesWay?: AbortController;
}

/** Runs one operation at a time on each module. */
export class Operations {
  #closed = false;
  readonly #running = new Map<string, Running>();

  /** Returns the operation that runs on the module. */
  running(name: string): string | undefined {
    return this.#running.get(name)?.operation;
  }

  /** Resolves when no operation runs on the module. */
  async idle(name: string): Promise<void> {
    for (let one = this.#running.get(name); one !== undefined; one = this.#running.get(name)) await one.ended;
  }

  /**
   * Runs `work` alone on the module. If the operation that runs on it gives way, waits until that has ended. Otherwise rejects
   * with MODULE_BUSY, which names the operation. Rejects with SERVER_DRAINING after `close`.
   */
  async alone<T>(name: string, operation: string, work: () => Promise<T>, givesWay?: AbortController): Promise<T> {
    for (let other = this.#running.get(name); other !== undefined; other = this.#running.get(name)) {
      if (other.givesWay === undefined) throw HeliosError.of("MODULE_BUSY", { name, operation: other.operation });
      other.givesWay.abort();
      await other.ended;
    }
    if (this.#closed) throw HeliosError.of("SERVER_DRAINING", {});
    const { promise: ended, resolve } = Promise.withResolvers<void>();
    this.#running.set(name, { operation, ended, guests: undefined, ...(givesWay && { givesWay }) });
    try {
      return await work();
    } finally {
      this.#running.delete(name);
      resolve();
    }
  }

  /** Runs `work` alone on several modules. It gets all of them, or is refused. */
  together<T>(names: readonly string[], operation: string, work: () => Promise<T>): Promise<T> {
    const [first, ...rest] = names;
    if (first === undefined) return work();
    return this.alone(first, operation, () => this.together(rest, operation, work));
  }

  /** Runs `work` alone on the module, after all operations that asked before. */
  async inTurn<T>(name: string, operation: string, work: () => Promise<T>, givesWay?: AbortController): Promise<T> {
    // The first waiter takes the module in the same tick. The others find it taken, and wait again.
    for (let other = this.#running.get(name); other !== undefined; other = this.#running.get(name)) await other.ended;
    return this.alone(name, operation, work, givesWay);
  }

  /**
   * Runs `work` as a guest of an operation that lets guests in. Otherwise runs it after the earlier operations. Aborts the
   * signal when another operation asks for the module.
   */
  asGuest<T>(name: string, operation: string, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const givesWay = new AbortController();
    const guests = this.#running.get(name)?.guests;
    if (guests === undefined) return this.inTurn(name, operation, () => work(givesWay.signal), givesWay);
    const working = work(givesWay.signal);
    guests.set(working, givesWay);
    return working.finally(() => guests.delete(working));
  }

  /**
   * Lets guests in. Call it while the running operation does not change the modules themselves. The returned function lets no
   * more guests in, aborts those that run, and resolves when all of them have ended.
   */
  letGuestsIn(names: readonly string[]): () => Promise<void> {
    const entered = names.flatMap((name) => this.#running.get(name) ?? []);
    for (const operation of entered) operation.guests = new Map();
    return async () => {
      const inside = entered.flatMap(({ guests }) => [...(guests ?? [])]);
      for (const operation of entered) operation.guests = undefined;
      for (const [, givesWay] of inside) givesWay.abort();
      await Promise.allSettled(inside.map(([working]) => working));
    };
  }

  /** Refuses further operations. Resolves when the running ones have ended. */
  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all([...this.#running.values()].map(({ ended }) => ended));
  }
}
