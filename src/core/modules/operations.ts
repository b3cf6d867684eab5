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

  /** The same, but waits for its turn. */
  async inTurn<T>(name: string, operation: string, work: () => Promise<T>): Promise<T> {
    await this.idle(name);
    return this.alone(name, operation, work);
  }

  /** Resolves when nothing is being done to the module; what follows at once finds it so. */
  async idle(name: string): Promise<void> {
    for (let running = this.#running.get(name); running !== undefined; running = this.#running.get(name)) {
      await running.ended;
    }
  }

  /** Begins no more; resolves when nothing is being done to any module. */
  async close(): Promise<void> {
    this.#closed = true;
    for (const name of [...this.#running.keys()]) await this.idle(name);
  }
}
