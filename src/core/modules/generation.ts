import type { Ending, Instance } from "./host/host.ts";
import type { Running } from "./lifecycle.ts";

/** One start of a module's code, as long as it lives: its instance, and the calls under way in it. */
export class Generation {
  readonly running: Running;
  readonly instance: Instance;
  #inFlight = 0;
  #ending: Ending | undefined;
  readonly #whenIdle: (() => void)[] = [];

  constructor(running: Running, instance: Instance) {
    this.running = running;
    this.instance = instance;
    void instance.ended.then((ending) => {
      this.#ending = ending;
    });
  }

  get number(): number {
    return this.running.generation;
  }

  get inFlight(): number {
    return this.#inFlight;
  }

  /** How it ended; undefined while it lives. */
  get ending(): Ending | undefined {
    return this.#ending;
  }

  enter(): void {
    this.#inFlight += 1;
  }

  leave(): void {
    this.#inFlight -= 1;
    if (this.#inFlight === 0) for (const resolve of this.#whenIdle.splice(0)) resolve();
  }

  /** Resolves when no call is under way. */
  idle(): Promise<void> {
    if (this.#inFlight === 0) return Promise.resolve();
    return new Promise((resolve) => this.#whenIdle.push(resolve));
  }
}
