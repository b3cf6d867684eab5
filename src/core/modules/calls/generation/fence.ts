import { Waiters } from "../../../async/waiters.ts";
import { HeliosError } from "../../../errors/error.ts";

/**
 * Delays or refuses the calls that a generation makes of its own accord, rather than to answer a call. For example, a timer
 * that sends orders must not run in two versions at the same time.
 */
export class Fence {
  readonly #name: string;
  readonly #generation: number;
  #state: "open" | "frozen" | "shut" = "open";
  /** Why it is shut. Empty in the other states. */
  #why = "";
  readonly #waiting = new Waiters();

  constructor(name: string, generation: number) {
    this.#name = name;
    this.#generation = generation;
  }

  /** Resolves when the generation may act. Rejects with MODULE_FENCED if the fence is shut, now or while it waits. */
  async pass(): Promise<void> {
    for (let wait = this.#pass(); wait !== undefined; wait = this.#pass()) await wait;
  }

  /** Makes later calls of `pass` wait until the fence is opened or shut. A fence that is shut stays shut. */
  freeze(): void {
    if (this.#state === "open") this.#state = "frozen";
  }

  /** Lets all calls pass, including those that wait. */
  open(): void {
    this.#state = "open";
    this.#waiting.wake();
  }

  /** Refuses all calls, including those that wait, with MODULE_FENCED. `why` becomes the `problem` of the error. */
  shut(why: string): void {
    this.#state = "shut";
    this.#why = why;
    this.#waiting.fail(this.#fenced());
  }

  /** Returns undefined if the call may pass, or a promise to wait for. Throws, or the promise rejects with, MODULE_FENCED. */
  #pass(): Promise<void> | undefined {
    if (this.#state === "open") return undefined;
    if (this.#state === "shut") throw this.#fenced();
    return this.#waiting.wait();
  }

  #fenced(): HeliosError {
    return HeliosError.of("MODULE_FENCED", { name: this.#name, generation: this.#generation, problem: this.#why });
  }
}
