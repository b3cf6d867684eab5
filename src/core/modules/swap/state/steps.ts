import type { Clock } from "../../../../kernel/clock.ts";
import { seconds, unlessAborted, within } from "../../../async/deadline.ts";
import { HeliosError, messageOf } from "../../../errors/error.ts";
import { cut } from "../../../text/cut.ts";
import type { StepName, SwapReport, SwapStep } from "../../record/report.ts";
import type { StepEvent } from "./events.ts";

export interface TakeOptions<T> {
  /** Time after which the step fails. Absent: no deadline. */
  readonly deadlineMs?: number;
  /** Whether the work enforces the deadline itself, with a more specific error. */
  readonly keepsDeadline?: boolean;
  /** If it is aborted, the step fails with its reason. */
  readonly signal?: AbortSignal;
  /** Returns the detail for the report when the step is done. */
  readonly detail?: (result: T) => string;
  /** Called with a result that arrives after the step has failed. Nobody else handles that result. */
  readonly late?: (result: T) => void;
}

/** What a swap found by comparing two versions. */
export type Findings = Pick<SwapReport, "shadow" | "canary">;

/** Length of the detail of a swap's step; the rest is cut. @limit characters */
const MAX_DETAIL = 1024;

/** Returns the problem, with the place in the module's file if it is known. */
export function withPlace(problem: string, place: string | undefined): string {
  return place === undefined || problem.includes(place) ? problem : `${problem} (${place})`;
}

/** Runs the steps of one module's swap, and records how long they take and what they find. */
export class Steps {
  readonly #clock: Clock;
  readonly #module: string;
  readonly #publish: (event: StepEvent) => void;
  readonly #placeIn: (stack: string) => string | undefined;
  readonly #steps: SwapStep[] = [];
  #findings: Findings = {};

  /** `placeIn` returns the place in a module's file that a stack mentions. */
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

  /** The steps so far, in order. */
  get list(): readonly SwapStep[] {
    return [...this.#steps];
  }

  /** The step that failed. Undefined if none has failed. */
  get failed(): SwapStep | undefined {
    return this.#steps.find(({ outcome }) => outcome === "failed");
  }

  get findings(): Findings {
    return this.#findings;
  }

  /** Adds findings to the report. */
  found(findings: Findings): void {
    this.#findings = { ...this.#findings, ...findings };
  }

  /** Runs a step, and records its result. If it fails, throws its error again. */
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
