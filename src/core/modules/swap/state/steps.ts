import type { Clock } from "../../../../kernel/clock.ts";
import { seconds, unlessAborted, within } from "../../../async/deadline.ts";
import { HeliosError, messageOf } from "../../../errors/error.ts";
import { cut } from "../../../size.ts";
import type { StepName, SwapStep } from "../../record/report.ts";

/** What is told of a swap as it goes on. */
export type StepEvent =
  | { readonly type: "started"; readonly module: string; readonly name: StepName; readonly deadlineMs?: number }
  | { readonly type: "ended"; readonly module: string; readonly step: SwapStep };

export interface TakeOptions<T> {
  /** Past it the step has failed. Absent: it takes as long as it takes. */
  readonly deadlineMs?: number;
  /** Whether the work keeps the deadline itself, and tells more of it. */
  readonly keepsDeadline?: boolean;
  /** Aborting it fails the step with its reason. */
  readonly signal?: AbortSignal;
  /** More about it once it is done. */
  readonly detail?: (result: T) => string;
}

/** Length of the detail of a swap's step; the rest is cut. @limit characters */
const MAX_DETAIL = 1024;

/** What is wrong, with the place in a module's file where that is known. */
export function withPlace(problem: string, place: string | undefined): string {
  return place === undefined || problem.includes(place) ? problem : `${problem} (${place})`;
}

/** The steps of one module's swap, timed, as they are taken. */
export class Steps {
  readonly #clock: Clock;
  readonly #module: string;
  readonly #tell: (event: StepEvent) => void;
  readonly #placeIn: (stack: string) => string | undefined;
  readonly #steps: SwapStep[] = [];

  /** `placeIn`: the place in a module's file that a stack names. */
  constructor(
    clock: Clock,
    module: string,
    tell: (event: StepEvent) => void,
    placeIn: (stack: string) => string | undefined,
  ) {
    this.#placeIn = placeIn;
    this.#clock = clock;
    this.#module = module;
    this.#tell = tell;
  }

  /** So far, in order. */
  get list(): readonly SwapStep[] {
    return [...this.#steps];
  }

  /** The step that failed. */
  get failed(): SwapStep | undefined {
    return this.#steps.find(({ outcome }) => outcome === "failed");
  }

  /** Takes a step. What it throws is noted and thrown on. */
  async take<T>(name: StepName, options: TakeOptions<T>, work: () => Promise<T>): Promise<T> {
    const { deadlineMs, keepsDeadline = false, signal, detail = () => "" } = options;
    const deadline = deadlineMs === undefined ? {} : { deadlineMs };
    const start = this.#clock.monotonic();
    const note = (outcome: SwapStep["outcome"], text: string): void => {
      this.#note({ name, durationMs: this.#clock.monotonic() - start, ...deadline, outcome, detail: text });
    };
    this.#tell({ type: "started", module: this.#module, name, ...deadline });
    try {
      signal?.throwIfAborted();
      const working = work();
      const timed =
        deadlineMs === undefined || keepsDeadline
          ? working
          : within(this.#clock, deadlineMs, working, () => new Error(`it took longer than ${seconds(deadlineMs)}`));
      const result = await (signal === undefined ? timed : unlessAborted(signal, timed));
      note("done", detail(result));
      return result;
    } catch (error) {
      const stack = error instanceof HeliosError ? error.metadata.stack : undefined;
      note("failed", withPlace(messageOf(error), stack === undefined ? undefined : this.#placeIn(stack)));
      throw error;
    }
  }

  skip(name: StepName, why: string): void {
    this.#note({ name, durationMs: 0, outcome: "skipped", detail: why });
  }

  #note(told: SwapStep): void {
    const step = { ...told, detail: cut(told.detail, MAX_DETAIL) };
    this.#steps.push(step);
    this.#tell({ type: "ended", module: this.#module, step });
  }
}
