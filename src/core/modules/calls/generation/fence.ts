import { Waiters } from "../../../async/waiters.ts";
import { HeliosError } from "../../../errors/error.ts";

/**
 * Stands before what a generation does of its own accord, outside of the calls that it answers: a timer that sends
 * orders must not do so in two versions at once.
 */
export class Fence {
  readonly #name: string;
  readonly #generation: number;
  #state: "open" | "frozen" | "shut" = "open";
  /** Why it is shut. */
  #why = "";
  readonly #waiting = new Waiters();

  constructor(name: string, generation: number) {
    this.#name = name;
    this.#generation = generation;
  }

  /** Resolves once it may act. MODULE_FENCED where it serves no more. */
  async pass(): Promise<void> {
    for (let wait = this.#pass(); wait !== undefined; wait = this.#pass()) await wait;
  }

  /** From now on who comes waits for what is decided. */
  freeze(): void {
    if (this.#state === "open") this.#state = "frozen";
  }

  open(): void {
    this.#state = "open";
    this.#waiting.wake();
  }

  /** It serves no more, or never will: `why` is told to what it still calls. */
  shut(why: string): void {
    this.#state = "shut";
    this.#why = why;
    this.#waiting.fail(this.#fenced());
  }

  /** Undefined: go on. A promise: wait; it rejects, as it throws, with MODULE_FENCED. */
  #pass(): Promise<void> | undefined {
    if (this.#state === "open") return undefined;
    if (this.#state === "shut") throw this.#fenced();
    return this.#waiting.wait();
  }

  #fenced(): HeliosError {
    return HeliosError.of("MODULE_FENCED", { name: this.#name, generation: this.#generation, problem: this.#why });
  }
}
