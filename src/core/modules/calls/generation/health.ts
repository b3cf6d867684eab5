import type { Clock, Timer } from "../../../../kernel/clock.ts";
import { seconds } from "../../../async/deadline.ts";
import { isReason, messageOf } from "../../../errors/error.ts";
import { cut } from "../../../size.ts";
import type { Instance } from "../../host/types/host.ts";

/** UNKNOWN: the module has no `health` method, or was not asked yet. */
export type HealthState = "UNKNOWN" | "HEALTHY" | "UNHEALTHY";

/** What a module's `health` method said last. */
export interface Health {
  readonly state: HealthState;
  /** Why it is UNHEALTHY; else empty. */
  readonly message: string;
  /** Wall time in ms since which it is in this state. */
  readonly since: number;
  /** Wall time in ms of the last answer, or of the last time that none had come. */
  readonly checkTime: number;
  /** Answers in a row that were UNHEALTHY. */
  readonly failures: number;
}

/**
 * Consecutive unhealthy answers by which a version in a bake, a canary or a shadow is given up. A single one may come
 * from a short fault of a dependency. @limit answers
 */
const UNHEALTHY_IN_A_ROW = 2;
/**
 * Least time that `health()` has to answer; otherwise it has `health_interval`. Beyond it, the module is unhealthy.
 * @limit ms
 */
const MIN_ANSWER_MS = 1000;
/** Most time that `health()` has to answer. Beyond it, the module is unhealthy. @limit ms */
const MAX_ANSWER_MS = 5000;
/** Length of an unhealthy module's explanation; the rest is cut. @limit characters */
const MAX_MESSAGE = 1024;
/** Least time between two changes of a module's health that are stored and published. @limit ms */
const MIN_TOLD_MS = 1000;

export interface HealthWatchOptions {
  readonly clock: Clock;
  /** Between an answer and the next question; 0: it is asked once, by `check`. */
  readonly intervalMs: number;
  /**
   * Told when it becomes unhealthy, and when it is well again. Rejects where that was not stored: the next answer tells it
   * again.
   */
  readonly onChange: (health: Health) => Promise<void>;
}

/**
 * Asks an instance for its health, from the first check that passes until it ends. It is never asked twice at once: one
 * that has not answered is unhealthy until it does.
 */
export class HealthWatch {
  readonly #instance: Pick<Instance, "shape" | "checkHealth" | "ended">;
  readonly #clock: Clock;
  readonly #intervalMs: number;
  readonly #onChange: HealthWatchOptions["onChange"];
  #health: Health = { state: "UNKNOWN", message: "", since: 0, checkTime: 0, failures: 0 };
  /** Undefined: the next answer is told, whatever it is. */
  #told: HealthState | undefined = "HEALTHY";
  #toldAt = Number.NEGATIVE_INFINITY;
  #timer: Timer | undefined;
  #ended = false;
  /** Told of each answer. */
  listener: (() => void) | undefined;

  constructor(
    instance: Pick<Instance, "shape" | "checkHealth" | "ended">,
    { clock, intervalMs, onChange }: HealthWatchOptions,
  ) {
    this.#instance = instance;
    this.#clock = clock;
    this.#intervalMs = intervalMs;
    this.#onChange = onChange;
    void instance.ended.then(() => {
      this.#ended = true;
      this.#timer?.cancel();
    });
  }

  get health(): Health {
    return this.#health;
  }

  /** Why a version is given up that is being tried; undefined: it is not. */
  get verdict(): string | undefined {
    const { failures, message } = this.#health;
    return failures >= UNHEALTHY_IN_A_ROW ? `it is unhealthy: ${message}` : undefined;
  }

  /** It serves again: what was told of it before may have been put aside for what was told of another. */
  tellAnew(): void {
    this.#told = undefined;
  }

  /** Asks once, and from then on again and again. Rejects where the module is unhealthy, or does not answer in time. */
  async check(timeoutMs: number): Promise<void> {
    await this.#instance.checkHealth(timeoutMs);
    if (!this.#instance.shape.hasHealth) return;
    this.#learn("");
    if (this.#intervalMs > 0) this.#arm(this.#intervalMs, () => this.#ask());
  }

  #ask(): void {
    const answerMs = Math.min(MAX_ANSWER_MS, Math.max(MIN_ANSWER_MS, this.#intervalMs));
    let isWaiting = true;
    const late = (): void => {
      // After what has arrived by now was taken: a service that stood still suspects nobody for it.
      setImmediate(() => {
        if (this.#ended || !isWaiting) return;
        this.#learn(`health() did not answer within ${seconds(answerMs)}`);
        this.#arm(Math.max(answerMs, this.#intervalMs), late);
      });
    };
    const answered = (message: string): void => {
      isWaiting = false;
      if (this.#ended) return;
      this.#learn(message);
      this.#arm(this.#intervalMs, () => this.#ask());
    };
    this.#arm(answerMs, late);
    // Whatever time it takes: what comes late tells that it is well again.
    this.#instance.checkHealth(Number.POSITIVE_INFINITY).then(
      () => answered(""),
      (error: unknown) => {
        if (!isReason(error, "MODULE_CRASHED")) answered(problemOf(error));
      },
    );
  }

  #arm(delayMs: number, run: () => void): void {
    this.#timer?.cancel();
    if (!this.#ended) this.#timer = this.#clock.setTimer(delayMs, run);
  }

  /** Empty: it is well. */
  #learn(message: string): void {
    const now = this.#clock.now();
    const state = message === "" ? "HEALTHY" : "UNHEALTHY";
    const { state: before, since, failures } = this.#health;
    this.#health = {
      state,
      message: cut(message, MAX_MESSAGE),
      since: state === before ? since : now,
      checkTime: now,
      failures: state === "HEALTHY" ? 0 : failures + 1,
    };
    this.#tell();
    this.listener?.();
  }

  #tell(): void {
    const { state } = this.#health;
    const now = this.#clock.monotonic();
    // What goes to and fro is told with a later answer, if it still is so.
    if (state === this.#told || now - this.#toldAt < MIN_TOLD_MS) return;
    const before = this.#told;
    this.#told = state;
    this.#toldAt = now;
    this.#onChange(this.#health).catch(() => {
      this.#told = before;
    });
  }
}

/** In the module's own words, where it has some. */
function problemOf(error: unknown): string {
  const own = isReason(error, "MODULE_METHOD_FAILED") ? error.metadata.error : undefined;
  return own || messageOf(error) || "health() failed";
}
