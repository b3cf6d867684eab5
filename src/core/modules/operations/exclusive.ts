import { HeliosError } from "../../errors/error.ts";

interface Running {
  readonly operation: string;
  readonly ended: Promise<void>;
  /** Those that it lets in, each with what gives it up; undefined: it lets nobody in. */
  guests: Map<Promise<unknown>, AbortController> | undefined;
  /** Aborted when somebody asks for the module; absent: who asks is refused. */
  readonly givesWay?: AbortController;
}

/** One operation at a time on each module. */
export class Operations {
  #closed = false;
  readonly #running = new Map<string, Running>();

  /** What is being done to the module now. */
  running(name: string): string | undefined {
    return this.#running.get(name)?.operation;
  }

  /** Resolves when nothing is being done to the module. */
  async idle(name: string): Promise<void> {
    for (let one = this.#running.get(name); one !== undefined; one = this.#running.get(name)) await one.ended;
  }

  /**
   * Runs `work` alone on the module, once what gives way has ended. MODULE_BUSY names another operation that runs;
   * SERVER_DRAINING after `close`.
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

  /** The same for several modules, all of them or none. */
  together<T>(names: readonly string[], operation: string, work: () => Promise<T>): Promise<T> {
    const [first, ...rest] = names;
    if (first === undefined) return work();
    return this.alone(first, operation, () => this.together(rest, operation, work));
  }

  /** The same, but waits for its turn. */
  async inTurn<T>(name: string, operation: string, work: () => Promise<T>, givesWay?: AbortController): Promise<T> {
    // Whoever is woken first takes the module at once, in the same step; the others find it taken, and wait again.
    for (let other = this.#running.get(name); other !== undefined; other = this.#running.get(name)) await other.ended;
    return this.alone(name, operation, work, givesWay);
  }

  /** The same, but beside an operation that lets it in; it gives way to any other: the signal is aborted then. */
  asGuest<T>(name: string, operation: string, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const givesWay = new AbortController();
    const guests = this.#running.get(name)?.guests;
    if (guests === undefined) return this.inTurn(name, operation, () => work(givesWay.signal), givesWay);
    const working = work(givesWay.signal);
    guests.set(working, givesWay);
    return working.finally(() => guests.delete(working));
  }

  /**
   * Lets guests in: for an operation that does nothing to the modules themselves for now. What is returned lets nobody in
   * any more, has those that are in give way, and resolves when all have left.
   */
  letGuestsIn(names: readonly string[]): () => Promise<void> {
    const hosts = names.flatMap((name) => this.#running.get(name) ?? []);
    for (const host of hosts) host.guests = new Map();
    return async () => {
      const inside = hosts.flatMap(({ guests }) => [...(guests ?? [])]);
      for (const host of hosts) host.guests = undefined;
      for (const [, givesWay] of inside) givesWay.abort();
      await Promise.allSettled(inside.map(([working]) => working));
    };
  }

  /** Begins no more; resolves when nothing is being done to any module. */
  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all([...this.#running.values()].map(({ ended }) => ended));
  }
}
