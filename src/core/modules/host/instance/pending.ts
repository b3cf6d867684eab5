import type { Clock, Timer } from "../../../../kernel/clock.ts";

/** The kind of message that answers a request. */
export type AnswerKind = "output" | "state" | "result";

/** A request that has not been answered. */
export interface Pending {
  readonly method: string;
  readonly origin: unknown;
  readonly timeoutMs: number;
  /** Monotonic time in ms. */
  readonly deadline: number;
  /** Removes the listener from the caller's signal. */
  readonly stopListening: (() => void) | undefined;
  /** `output`: the request is a call. */
  readonly answer: AnswerKind;
  resolve(value: unknown): void;
  reject(error: unknown): void;
}

/** The requests to an instance that have not been answered, by their ids. */
export class PendingRequests {
  readonly #clock: Clock;
  readonly #late: (id: number, request: Pending) => void;
  readonly #byId = new Map<number, Pending>();
  #calls = 0;
  #timer: Timer | undefined;
  /** Monotonic ms at which deadlines are checked next. */
  #nextCheck = Number.POSITIVE_INFINITY;

  /**
   * @param late called with each request whose deadline has passed. It must remove the request with `take`.
   */
  constructor(clock: Clock, late: (id: number, request: Pending) => void) {
    this.#clock = clock;
    this.#late = late;
  }

  /** Number of requests that are calls. */
  get calls(): number {
    return this.#calls;
  }

  get ids(): readonly number[] {
    return [...this.#byId.keys()];
  }

  get(id: number): Pending | undefined {
    return this.#byId.get(id);
  }

  add(id: number, request: Pending): void {
    if (request.answer === "output") this.#calls += 1;
    this.#byId.set(id, request);
    if (request.deadline < this.#nextCheck) this.#scheduleCheck(request.deadline, request.timeoutMs);
  }

  /** Removes a request and returns it, so that the caller settles it. Returns undefined if it is not pending any more. */
  take(id: number): Pending | undefined {
    const request = this.#byId.get(id);
    if (request === undefined) return undefined;
    this.#byId.delete(id);
    if (request.answer === "output") this.#calls -= 1;
    request.stopListening?.();
    return request;
  }

  /** Stops checking deadlines. */
  close(): void {
    this.#timer?.cancel();
  }

  /**
   * There is one timer for all requests, set to the earliest deadline. A timer for each would cost more than the rest of a
   * call.
   */
  #scheduleCheck(deadline: number, delayMs: number): void {
    this.#timer?.cancel();
    this.#nextCheck = deadline;
    this.#timer = this.#clock.setTimer(delayMs, () => this.#checkDeadlines());
  }

  #checkDeadlines(): void {
    // The deadline has passed because the timer says so, even if the clock is a fraction behind.
    const now = Math.max(this.#clock.monotonic(), this.#nextCheck);
    this.#nextCheck = Number.POSITIVE_INFINITY;
    let earliest = Number.POSITIVE_INFINITY;
    for (const [id, request] of this.#byId) {
      if (request.deadline <= now) this.#late(id, request);
      else earliest = Math.min(earliest, request.deadline);
    }
    if (earliest < this.#nextCheck) this.#scheduleCheck(earliest, earliest - now);
  }
}
