import type { Clock, Timer } from "../../../../kernel/clock.ts";

/** What a request is answered by. */
export type AnswerKind = "output" | "state" | "result";

/** A request that waits for its answer. */
export interface Pending {
  readonly method: string;
  readonly origin: unknown;
  readonly timeoutMs: number;
  /** Monotonic ms. */
  readonly deadline: number;
  /** Takes the listener off the caller's signal. */
  readonly stopListening: (() => void) | undefined;
  /** `output`: the request is a call. */
  readonly answer: AnswerKind;
  resolve(value: unknown): void;
  reject(error: unknown): void;
}

/** The requests to an instance that wait for their answers, by their ids. */
export class PendingRequests {
  readonly #clock: Clock;
  readonly #late: (id: number, request: Pending) => void;
  readonly #byId = new Map<number, Pending>();
  #calls = 0;
  #timer: Timer | undefined;
  /** Monotonic ms at which deadlines are looked at. */
  #nextLook = Number.POSITIVE_INFINITY;

  /** @param late called with each request whose deadline has passed; it takes the request. */
  constructor(clock: Clock, late: (id: number, request: Pending) => void) {
    this.#clock = clock;
    this.#late = late;
  }

  /** How many of them are calls. */
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
    if (request.deadline < this.#nextLook) this.#lookAt(request.deadline, request.timeoutMs);
  }

  /** Removes a request, for it to be settled; undefined where it waits no more. */
  take(id: number): Pending | undefined {
    const request = this.#byId.get(id);
    if (request === undefined) return undefined;
    this.#byId.delete(id);
    if (request.answer === "output") this.#calls -= 1;
    request.stopListening?.();
    return request;
  }

  /** From now on no deadline is looked at. */
  close(): void {
    this.#timer?.cancel();
  }

  /** One timer for all requests, at the earliest deadline: one for each would cost more than the rest of a call. */
  #lookAt(deadline: number, delayMs: number): void {
    this.#timer?.cancel();
    this.#nextLook = deadline;
    this.#timer = this.#clock.setTimer(delayMs, () => this.#look());
  }

  #look(): void {
    // The timer says that this deadline has come, whatever fractions the clock has.
    const now = Math.max(this.#clock.monotonic(), this.#nextLook);
    this.#nextLook = Number.POSITIVE_INFINITY;
    let earliest = Number.POSITIVE_INFINITY;
    for (const [id, request] of this.#byId) {
      if (request.deadline <= now) this.#late(id, request);
      else earliest = Math.min(earliest, request.deadline);
    }
    if (earliest < this.#nextLook) this.#lookAt(earliest, earliest - now);
  }
}
