import type { SharedBudget } from "./shared.ts";

/** Why an evaluation failed: it exceeded a limit, or (`VALUE`) found a value that an operation does not accept. */
export type FailureKind = "VALUE" | "STEPS" | "MEMORY";

/** The result of an expression that cannot be evaluated. `&&` and `||` absorb it as CEL says. */
export class Failure {
  readonly #message: string | (() => string);
  /** The node that failed. -1: not known yet. */
  node = -1;
  /** The message, or a function that makes it. Most failures are absorbed, so that most messages are never made. */
  constructor(message: string | (() => string)) {
    this.#message = message;
  }

  get message(): string {
    return typeof this.#message === "string" ? this.#message : this.#message();
  }
}

/** An exceeded limit. It is thrown rather than returned, so that no operator absorbs it. */
export class OverBudget {
  readonly kind: "STEPS" | "MEMORY";
  readonly message: string;
  constructor(kind: "STEPS" | "MEMORY", message: string) {
    this.kind = kind;
    this.message = message;
  }
}

/** How many characters (UTF-16 code units), bytes or other small things one step goes through. */
export const UNITS_PER_STEP = 32;

/** One evaluation: what it has used, including what was used before it, and the values of its locals. */
export class Run {
  steps: number;
  bytes: number;
  readonly slots: unknown[] = [];
  readonly maxSteps: number;
  readonly maxBytes: number;
  constructor(maxSteps: number, maxBytes: number, used?: SharedBudget) {
    this.maxSteps = maxSteps;
    this.maxBytes = maxBytes;
    this.steps = used?.steps ?? 0;
    this.bytes = used?.bytes ?? 0;
  }

  /** Counts steps. Throws OverBudget. */
  step(count: number): void {
    this.steps += count;
    if (this.steps > this.maxSteps) throw new OverBudget("STEPS", `it takes more than ${this.maxSteps} steps`);
  }

  /** Counts the steps for reading a number of characters or bytes. */
  pass(units: number): void {
    if (units >= UNITS_PER_STEP) this.step(Math.floor(units / UNITS_PER_STEP));
  }

  /** Counts the memory of a text, list, map or bytes that the expression creates. Throws OverBudget. */
  make(bytes: number): void {
    this.bytes += bytes;
    if (this.bytes > this.maxBytes) throw new OverBudget("MEMORY", `it takes more than ${this.maxBytes} bytes`);
  }
}
