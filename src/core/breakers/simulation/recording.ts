import type { BreakerState, Outcome } from "../../../kernel/breakers/machine.ts";

/** How far back a breaker's recording goes. `SimulateBreaker` uses it; older calls are forgotten. @limit ms */
export const RECORDED_MS = 3_600_000;
/**
 * Runs of equal calls in a breaker's recording, with 16 bytes each. Beyond them the oldest are forgotten, so that the
 * recording covers less time. @limit runs
 */
const MAX_RUNS = 16_384;
/**
 * Runs that a breaker's recording distinguishes within one second. Beyond them, equal calls are counted together,
 * whatever came between them. @limit runs a second
 */
const RUNS_PER_SECOND = 32;
/**
 * Changes of state in a breaker's recording. Beyond them the oldest are forgotten, so that the recording covers less
 * time. @limit transitions
 */
const MAX_TRANSITIONS = 1000;

/** The outcome of a call, or that it was rejected. */
export type RecordedOutcome = Outcome | "REJECTED";

const OUTCOMES: readonly RecordedOutcome[] = ["SUCCESS", "FAILURE", "IGNORED", "REJECTED"];
const SLOW = 4;
const KIND_BITS = 3;
/** Larger than the error of a quotient of floating-point numbers. */
const ROUNDING = 1e-12;

/** Equal outcomes of one client within one second. */
export interface RecordedRun {
  /** The second's begin, in monotonic ms. */
  readonly at: number;
  readonly outcome: RecordedOutcome;
  readonly slow: boolean;
  /** Identifies the client; equal for equal clients. Empty: the service itself. */
  readonly client: string;
  readonly count: number;
}

export interface RecordedTransition {
  /** Monotonic ms. */
  readonly at: number;
  readonly action: string;
  readonly state: BreakerState;
}

/** A time shortly before the end of the second that contains `now`. A recording treats equal calls up to then as one run. */
export const secondEnd = (now: number): number => (Math.floor(now / 1000) + 1) * 1000 * (1 - ROUNDING);

/** The number of a client in a recording: a hash of 29 bits (FNV-1a). 0 is the service itself. */
export function clientNumber(clientId: string): number {
  if (clientId === "") return 0;
  let hash = 0x811c9dc5;
  for (let index = 0; index < clientId.length; index += 1)
    hash = Math.imul(hash ^ clientId.charCodeAt(index), 0x01000193);
  return hash >>> KIND_BITS || 1;
}

/** The outcomes of a breaker's calls in the last hour, second by second. Its size is bounded. */
export class Recording {
  #seconds = new Uint32Array(64);
  /** Client and kind of a run. */
  #keys = new Uint32Array(64);
  #counts = new Float64Array(64);
  /** Index of the oldest run. */
  #head = 0;
  #size = 0;
  /** Monotonic ms from which the recording is complete. */
  #since: number;
  #inSecond = 0;
  #transitions: RecordedTransition[] = [];

  constructor(now: number) {
    this.#since = now;
  }

  add(now: number, outcome: RecordedOutcome, slow: boolean, client: number, times: number): void {
    const second = Math.floor(now / 1000);
    const key = ((client << KIND_BITS) | OUTCOMES.indexOf(outcome) | (slow ? SLOW : 0)) >>> 0;
    const last = this.#at(this.#size - 1);
    if (this.#size > 0 && this.#seconds[last] === second) {
      if (this.#keys[last] === key) {
        this.#grow(last, times);
        return;
      }
      if (this.#inSecond >= RUNS_PER_SECOND) {
        const like = this.#likest(key);
        if (like !== undefined) {
          this.#grow(like, times);
          return;
        }
      }
    } else {
      this.#inSecond = 0;
      this.#dropBefore(second - RECORDED_MS / 1000);
    }
    this.#push(second, key, times);
  }

  transition(at: number, action: string, state: BreakerState): void {
    this.#transitions.push({ at, action, state });
    if (this.#transitions.length <= MAX_TRANSITIONS) return;
    const [dropped] = this.#transitions;
    this.#transitions = this.#transitions.slice(1);
    if (dropped !== undefined) this.#since = Math.max(this.#since, dropped.at);
  }

  /** Monotonic ms from which the recording is complete. */
  since(now: number): number {
    return Math.max(this.#since, now - RECORDED_MS);
  }

  /** The runs since `since`, in order. */
  *runs(since: number): Generator<RecordedRun> {
    const from = Math.floor(since / 1000);
    for (let index = 0; index < this.#size; index += 1) {
      const at = this.#at(index);
      const second = this.#seconds[at] ?? 0;
      if (second < from) continue;
      const key = this.#keys[at] ?? 0;
      const client = key >>> KIND_BITS;
      yield {
        at: second * 1000,
        outcome: OUTCOMES[key & 3] ?? "IGNORED",
        slow: (key & SLOW) !== 0,
        client: client === 0 ? "" : client.toString(36),
        count: this.#counts[at] ?? 0,
      };
    }
  }

  transitions(): readonly RecordedTransition[] {
    return this.#transitions;
  }

  #at(index: number): number {
    return (this.#head + index) & (this.#seconds.length - 1);
  }

  #grow(at: number, times: number): void {
    this.#counts[at] = (this.#counts[at] ?? 0) + times;
  }

  /** A run of the present second with the same kind, and with the same client if there is one. */
  #likest(key: number): number | undefined {
    let like: number | undefined;
    const kind = (1 << KIND_BITS) - 1;
    for (let back = 1; back <= this.#inSecond; back += 1) {
      const at = this.#at(this.#size - back);
      const other = this.#keys[at] ?? 0;
      if (other === key) return at;
      if ((other & kind) === (key & kind)) like ??= at;
    }
    return like;
  }

  #push(second: number, key: number, times: number): void {
    if (this.#size === this.#seconds.length) this.#makeRoom();
    const at = this.#at(this.#size);
    this.#seconds[at] = second;
    this.#keys[at] = key;
    this.#counts[at] = times;
    this.#size += 1;
    this.#inSecond += 1;
  }

  #makeRoom(): void {
    if (this.#size === MAX_RUNS) {
      this.#dropBefore((this.#seconds[this.#head] ?? 0) + 1);
      return;
    }
    const order = Array.from({ length: this.#size }, (_, index) => this.#at(index));
    const [seconds, keys, counts] = [this.#seconds, this.#keys, this.#counts];
    const length = this.#size * 2;
    this.#seconds = Uint32Array.from({ length }, (_, index) => seconds[order[index] ?? 0] ?? 0);
    this.#keys = Uint32Array.from({ length }, (_, index) => keys[order[index] ?? 0] ?? 0);
    this.#counts = Float64Array.from({ length }, (_, index) => counts[order[index] ?? 0] ?? 0);
    this.#head = 0;
  }

  /** Drops whole seconds only, so that the rest has no gaps. */
  #dropBefore(second: number): void {
    while (this.#size > 0 && (this.#seconds[this.#head] ?? 0) < second) {
      this.#since = Math.max(this.#since, ((this.#seconds[this.#head] ?? 0) + 1) * 1000);
      this.#head = this.#at(1);
      this.#size -= 1;
    }
  }
}
