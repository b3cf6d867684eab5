import type { Clock, Timer } from "../../../../kernel/clock.ts";
import { seconds } from "../../../async/deadline.ts";
import { isReason, messageOf } from "../../../errors/error.ts";
import { cut } from "../../../text/cut.ts";
import type { Instance } from "../../host/types/host.ts";

/** UNKNOWN: the module has no `health` method, or has not answered yet. */
export type HealthState = "UNKNOWN" | "HEALTHY" | "UNHEALTHY";

/** The last result of a module's `health` method. */
export interface Health {
  readonly state: HealthState;
  /** Why it is UNHEALTHY. Empty in the other states. */
  readonly message: string;
  /** Wall time in ms at which this state began. */
  readonly since: number;
  /** Wall time in ms of the last answer or timeout. */
  readonly checkTime: number;
  /** Number of consecutive answers and timeouts that were UNHEALTHY. */
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
const MIN_PUBLISH_MS = 1000;

export interface HealthWatchOptions {
  readonly clock: Clock;
  /** Milliseconds from an answer to the next check. 0: the module is asked only once, by `check`. */
  readonly intervalMs: number;
  /**
   * Called when the module becomes unhealthy, and when it is healthy again. If it rejects, the change was not stored, and it
   * is called again after the next answer.
   */
  readonly onChange: (health: Health) => Promise<void>;
}

/**
 * Checks the health of an instance, from the first check that succeeds until the instance ends. Starts a check only after
 * the previous answer has arrived. An instance that does not answer in time is unhealthy until it answers.
 */
export class HealthWatch {
  readonly #instance: Pick<Instance, "shape" | "checkHealth" | "ended">;
  readonly #clock: Clock;
  readonly #intervalMs: number;
  readonly #onChange: HealthWatchOptions["onChange"];
  #health: Health = { state: "UNKNOWN", message: "", since: 0, checkTime: 0, failures: 0 };
  /** The state that was published last. Undefined: the next answer is published in any case. */
  #published: HealthState | undefined = "HEALTHY";
  #publishedAt = Number.NEGATIVE_INFINITY;
  #timer: Timer | undefined;
  #ended = false;
  /** Called after each answer and each timeout. */
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

  /** Why a version fails its bake, canary or shadow. Undefined: it does not fail because of its health. */
  get verdict(): string | undefined {
    const { failures, message } = this.#health;
    return failures >= UNHEALTHY_IN_A_ROW ? `it is unhealthy: ${message}` : undefined;
  }

  /**
   * Makes the next answer be published in any case. Called when the instance serves again, because the health of another
   * version may have been published meanwhile.
   */
  publishNext(): void {
    this.#published = undefined;
  }

  /** Checks the health once, and then regularly. Rejects if the module is unhealthy or does not answer in time. */
  async check(timeoutMs: number): Promise<void> {
    await this.#instance.checkHealth(timeoutMs);
    if (!this.#instance.shape.hasHealth) return;
    this.#update("");
    if (this.#intervalMs > 0) this.#arm(this.#intervalMs, () => this.#ask());
  }

  #ask(): void {
    const answerMs = Math.min(MAX_ANSWER_MS, Math.max(MIN_ANSWER_MS, this.#intervalMs));
    let isWaiting = true;
    const late = (): void => {
      // If the service itself was blocked, an answer may have arrived. It is read before this callback runs.
      setImmediate(() => {
        if (this.#ended || !isWaiting) return;
        this.#update(`health() did not answer within ${seconds(answerMs)}`);
        this.#arm(Math.max(answerMs, this.#intervalMs), late);
      });
    };
    const answered = (message: string): void => {
      isWaiting = false;
      if (this.#ended) return;
      this.#update(message);
      this.#arm(this.#intervalMs, () => this.#ask());
    };
    this.#arm(answerMs, late);
    // The check itself has no timeout, because a late answer shows that the module is healthy again.
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

  /** `message`: why the module is unhealthy. Empty: it is healthy. */
  #update(message: string): void {
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
    this.#publish();
    this.listener?.();
  }

  #publish(): void {
    const { state } = this.#health;
    const now = this.#clock.monotonic();
    // A state that changes often is published only after a later answer, if it still differs then.
    if (state === this.#published || now - this.#publishedAt < MIN_PUBLISH_MS) return;
    const before = this.#published;
    this.#published = state;
    this.#publishedAt = now;
    this.#onChange(this.#health).catch(() => {
      this.#published = before;
    });
  }
}

/** The message of the module's own error, if there is one. */
function problemOf(error: unknown): string {
  const own = isReason(error, "MODULE_METHOD_FAILED") ? error.metadata.error : undefined;
  return own || messageOf(error) || "health() failed";
}
