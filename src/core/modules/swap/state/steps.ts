import type { Clock } from "../../../../kernel/clock.ts";
import { seconds, unlessAborted, within } from "../../../async/deadline.ts";
import { HeliosError, messageOf } from "../../../errors/error.ts";
import { cut } from "../../../text/cut.ts";
import type { StepName, SwapReport, SwapStep } from "../../record/report.ts";
import type { StepEvent } from "./events.ts";

export interface TakeOptions<T> {
  /** Past it the step has failed. Absent: it takes as long as it takes. */
  readonly deadlineMs?: number;
  /** Whether the work keeps the deadline itself, with an error that says more. */
  readonly keepsDeadline?: boolean;
  /** Aborting it fails the step with its reason. */
  readonly signal?: AbortSignal;
  /** More about it once it is done. */
  readonly detail?: (result: T) => string;
  /** Called with a result that comes after the step has failed: nobody else has it. */
  readonly late?: (result: T) => void;
}

/** What a swap found out by comparing two versions. */
export type Findings = Pick<SwapReport, "shadow" | "canary">;

/** Length of the detail of a swap's step; the rest is cut. @limit characters */
const MAX_DETAIL = 1024;

/** What is wrong, with the place in a module's file where that is known. */
export function withPlace(problem: string, place: string | undefined): string {
  return place === undefined || problem.includes(place) ? problem : `${problem} (${place})`;
}

/** The steps of one module's swap, timed, as they are taken; and what they found. */
export class Steps {
  readonly #clock: Clock;
  readonly #module: string;
  readonly #publish: (event: StepEvent) => void;
  readonly #placeIn: (stack: string) => string | undefined;
  readonly #steps: SwapStep[] = [];
  #findings: Findings = {};

  /** `placeIn`: the place in a module's file that a stack names. */
  constructor(
    clock: Clock,
    module: string,
    publish: (event: StepEvent) => void,
    placeIn: (stack: string) => string | undefined,
  ) {
    this.#placeIn = placeIn;
    this.#clock = clock;
    this.#module = module;
    this.#publish = publish;
  }

  /** So far, in order. */
  get list(): readonly SwapStep[] {
    return [...this.#steps];
  }

  /** The step that failed. */
  get failed(): SwapStep | undefined {
    return this.#steps.find(({ outcome }) => outcome === "failed");
  }

  get findings(): Findings {
    return this.#findings;
  }

  /** Notes what a step found, for the report. */
  found(findings: Findings): void {
    this.#findings = { ...this.#findings, ...findings };
  }

  /** Takes a step. What it throws is noted and thrown on. */
  async take<T>(name: StepName, options: TakeOptions<T>, work: () => Promise<T>): Promise<T> {
    const { deadlineMs, keepsDeadline = false, signal, detail = () => "", late } = options;
    const deadline = deadlineMs === undefined ? {} : { deadlineMs };
    const start = this.#clock.monotonic();
    const note = (outcome: SwapStep["outcome"], text: string): void => {
      this.#note({ name, durationMs: this.#clock.monotonic() - start, ...deadline, outcome, detail: text });
    };
    this.#publish({ type: "started", module: this.#module, name, ...deadline });
    let working: Promise<T> | undefined;
    try {
      signal?.throwIfAborted();
      working = work();
      const timed =
        deadlineMs === undefined || keepsDeadline
          ? working
          : within(this.#clock, deadlineMs, working, () => new Error(`it took longer than ${seconds(deadlineMs)}`));
      const result = await unlessAborted(signal, timed);
      note("done", detail(result));
      return result;
    } catch (error) {
      if (late !== undefined) void working?.then(late, () => {});
      const stack = error instanceof HeliosError ? error.metadata.stack : undefined;
      note("failed", withPlace(messageOf(error), stack === undefined ? undefined : this.#placeIn(stack)));
      throw error;
    }
  }

  skip(name: StepName, why: string): void {
    this.#note({ name, durationMs: 0, outcome: "skipped", detail: why });
  }

  #note(taken: SwapStep): void {
    const step = { ...taken, detail: cut(taken.detail, MAX_DETAIL) };
    this.#steps.push(step);
    this.#publish({ type: "ended", module: this.#module, step });
  }
}
