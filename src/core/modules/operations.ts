import { HeliosError } from "../errors.ts";

/** One operation at a time on each module. */
export class Operations {
  #closed = false;
  readonly #running = new Map<string, { readonly operation: string; readonly ended: Promise<void> }>();

  /** What is being done to the module now. */
  running(name: string): string | undefined {
    return this.#running.get(name)?.operation;
  }

  /** Runs `work` alone on the module. MODULE_BUSY names the operation that runs; SERVER_DRAINING after `close`. */
  async alone<T>(name: string, operation: string, work: () => Promise<T>): Promise<T> {
    if (this.#closed) throw HeliosError.of("SERVER_DRAINING", {});
    const other = this.#running.get(name);
    if (other !== undefined) throw HeliosError.of("MODULE_BUSY", { name, operation: other.operation });
    const { promise: ended, resolve } = Promise.withResolvers<void>();
    this.#running.set(name, { operation, ended });
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
    // Whoever is woken first takes the module at once; the others find it taken, and wait again.
    for (let other = this.#running.get(name); other !== undefined; other = this.#running.get(name)) await other.ended;
    return this.alone(name, operation, work);
  }

  /** Begins no more; resolves when nothing is being done to any module. */
  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all([...this.#running.values()].map(({ ended }) => ended));
  }
}
