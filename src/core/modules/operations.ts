import { HeliosError } from "../errors.ts";

interface Running {
  readonly operation: string;
  readonly ended: Promise<void>;
  /** Those that it lets in; undefined: it lets nobody in. */
  guests: Set<Promise<unknown>> | undefined;
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

  /** Runs `work` alone on the module. MODULE_BUSY names the operation that runs; SERVER_DRAINING after `close`. */
  async alone<T>(name: string, operation: string, work: () => Promise<T>): Promise<T> {
    if (this.#closed) throw HeliosError.of("SERVER_DRAINING", {});
    const other = this.#running.get(name);
    if (other !== undefined) throw HeliosError.of("MODULE_BUSY", { name, operation: other.operation });
    const { promise: ended, resolve } = Promise.withResolvers<void>();
    this.#running.set(name, { operation, ended, guests: undefined });
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
  async inTurn<T>(name: string, operation: string, work: () => Promise<T>): Promise<T> {
    // Whoever is woken first takes the module at once, in the same step; the others find it taken, and wait again.
    for (let other = this.#running.get(name); other !== undefined; other = this.#running.get(name)) await other.ended;
    return this.alone(name, operation, work);
  }

  /** The same, but beside an operation that lets it in. */
  asGuest<T>(name: string, operation: string, work: () => Promise<T>): Promise<T> {
    const guests = this.#running.get(name)?.guests;
    if (guests === undefined) return this.inTurn(name, operation, work);
    const working = work();
    guests.add(working);
    return working.finally(() => guests.delete(working));
  }

  /**
   * Lets guests in: for an operation that does nothing to the modules themselves for now. What is returned lets nobody in
   * any more, and resolves when all have left.
   */
  letGuestsIn(names: readonly string[]): () => Promise<void> {
    const hosts = names.flatMap((name) => this.#running.get(name) ?? []);
    for (const host of hosts) host.guests = new Set();
    return async () => {
      const inside = hosts.flatMap(({ guests }) => [...(guests ?? [])]);
      for (const host of hosts) host.guests = undefined;
      await Promise.allSettled(inside);
    };
  }

  /** Begins no more; resolves when nothing is being done to any module. */
  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all([...this.#running.values()].map(({ ended }) => ended));
  }
}
