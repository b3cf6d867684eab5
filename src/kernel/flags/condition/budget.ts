import type { SharedBudget } from "./shared.ts";

/** Which limit an evaluation exceeded; `VALUE`: none, it came upon a value that it cannot go on with. */
export type FailureKind = "VALUE" | "STEPS" | "MEMORY";

/** What an expression comes to where it cannot be evaluated. Absorbed by `&&` and `||` as CEL says. */
export class Failure {
  readonly #message: string | (() => string);
  /** The node that failed; -1: not known yet. */
  node = -1;
  /** Most failures are absorbed: what takes time to say is said when it is asked for. */
  constructor(message: string | (() => string)) {
    this.#message = message;
  }

  get message(): string {
    return typeof this.#message === "string" ? this.#message : this.#message();
  }
}

/** A limit is exceeded. Thrown, not answered: nothing absorbs it. */
export class OverBudget {
  readonly kind: "STEPS" | "MEMORY";
  readonly message: string;
  constructor(kind: "STEPS" | "MEMORY", message: string) {
    this.kind = kind;
    this.message = message;
  }
}

/** Characters (UTF-16 code units), bytes or other small things that one step goes through. */
export const UNITS_PER_STEP = 32;

/** One evaluation: what it has used, with what was used before it, and the values of its locals. */
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

  /** Counts the steps of going through so many characters or bytes once. */
  pass(units: number): void {
    if (units >= UNITS_PER_STEP) this.step(Math.floor(units / UNITS_PER_STEP));
  }

  /** Counts the memory of a text, a list, a map or bytes that are made. Throws OverBudget. */
  make(bytes: number): void {
    this.bytes += bytes;
    if (this.bytes > this.maxBytes) throw new OverBudget("MEMORY", `it takes more than ${this.maxBytes} bytes`);
  }
}
