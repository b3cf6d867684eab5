import type { Clock } from "../clock.ts";
import { messageOf } from "../errors.ts";
import type { StepName, SwapStep } from "./record.ts";

/** The steps of one swap, timed, as they are taken. */
export class Steps {
  readonly #clock: Clock;
  readonly #steps: SwapStep[] = [];

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** So far, in order. */
  get list(): readonly SwapStep[] {
    return [...this.#steps];
  }

  /** The step that failed. */
  get failed(): SwapStep | undefined {
    return this.#steps.find(({ outcome }) => outcome === "failed");
  }

  /** Takes a step; `detail` says more of it once it is done. What it throws is noted and thrown on. */
  async take<T>(name: StepName, work: () => Promise<T>, detail: (result: T) => string = () => ""): Promise<T> {
    const start = this.#clock.monotonic();
    const note = (outcome: SwapStep["outcome"], text: string): void => {
      this.#steps.push({ name, durationMs: this.#clock.monotonic() - start, outcome, detail: text });
    };
    try {
      const result = await work();
      note("done", detail(result));
      return result;
    } catch (error) {
      note("failed", messageOf(error));
      throw error;
    }
  }

  skip(name: StepName, why: string): void {
    this.#steps.push({ name, durationMs: 0, outcome: "skipped", detail: why });
  }
}
