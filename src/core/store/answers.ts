import type { Clock } from "../../kernel/clock.ts";
import { HeliosError } from "../errors/error.ts";

/** Time for which a repeated `request_id` gets the first answer again. Afterwards the request runs again. @limit ms */
export const REPLAYED_MS = 600_000;
/**
 * Size of the answers that are kept on disk for retries. Beyond it the oldest are dropped early, and a repeated request
 * is refused with `ANSWER_NOT_KEPT`. @limit bytes
 */
export const MAX_ANSWER_BYTES_ON_DISK = 128 * 1024 * 1024;
/**
 * Size of the answers that a store in memory keeps for retries. Beyond it the oldest are dropped early. @limit bytes
 */
export const MAX_ANSWER_BYTES_IN_MEMORY = 64 * 1024 * 1024;
/**
 * Size of one answer that is kept for retries. Of a larger one, only the fact is remembered: a repeated request is
 * refused with `ANSWER_NOT_KEPT`. @limit bytes
 */
export const MAX_ANSWER_BYTES = 8 * 1024 * 1024;
/**
 * Requests whose `request_id` is remembered, with or without their answer. Beyond them the oldest are forgotten early.
 * @limit requests
 */
export const MAX_KNOWN_REQUESTS = 200_000;

/**
 * Calls whose `idempotency_key` is remembered on disk, answered or not: a thousand a second for ten minutes. None is
 * forgotten early; beyond them, a call with a new key is refused with `IDEMPOTENCY_KEYS_EXHAUSTED`. @limit calls
 */
export const MAX_KNOWN_CALLS_ON_DISK = 600_000;
/**
 * Calls whose `idempotency_key` a store in memory remembers; beyond them, a call with a new key is refused with
 * `IDEMPOTENCY_KEYS_EXHAUSTED`. @limit calls
 */
export const MAX_KNOWN_CALLS_IN_MEMORY = 200_000;

/** What is known of a request, or of a call with a key. */
export interface StoredAnswer {
  /** Tells the request from others of the same id. */
  readonly digest: string;
  /** Undefined: there is none yet, it was dropped, or it was too long to keep. */
  readonly answer: Uint8Array | undefined;
  /**
   * What is known of a call beside its answer. Whatever has a note is kept for all of its time, without its answer where
   * there is too much; undefined: a request that was answered, which may be forgotten early.
   */
  readonly note: string | undefined;
}

/** What is to be known. */
export interface NewAnswer {
  readonly digest: string;
  readonly answer?: Uint8Array | undefined;
  readonly note?: string | undefined;
}

/**
 * Answers to requests, by an id, each until a time of its own. They are no part of the state: a write of one raises no
 * revision, and no watcher is told. What they take is bounded, whatever comes.
 */
export interface Answers {
  /** Undefined where none is known, or its time is over. */
  find(id: string): StoredAnswer | undefined;
  /**
   * Takes the place of what is known of that id. Resolves when it is as durable as a write. `expires` is wall time in ms.
   * With a note: IDEMPOTENCY_KEYS_EXHAUSTED where as many are known as may be, and this id is not.
   */
  put(id: string, answer: NewAnswer, expires: number): Promise<void>;
  /** From now on nothing is known of that id; durably, too. */
  forget(id: string): Promise<void>;
}

/** The refusal of a call whose key is one too many. */
export function keysExhausted(limit: number): HeliosError {
  const metadata = { limit, retry_after: `${KEYS_RETRY_AFTER_MS / 1000} s` };
  return HeliosError.of("IDEMPOTENCY_KEYS_EXHAUSTED", metadata, { retryAfterMs: KEYS_RETRY_AFTER_MS });
}

/** Time after which a call that was refused with `IDEMPOTENCY_KEYS_EXHAUSTED` should be retried. @limit ms */
const KEYS_RETRY_AFTER_MS = 60_000;

/** How much is kept of answers. */
export interface AnswerLimits {
  /** Of all answers; absent: by where they are kept. */
  readonly answerBytes?: number | undefined;
  readonly knownRequests: number;
  /** Calls with a key; absent: by where they are kept. */
  readonly knownCalls?: number | undefined;
}

/** Answers that live and die with the process. */
export class MemoryAnswers implements Answers {
  readonly #clock: Clock;
  readonly #limits: { readonly answerBytes: number; readonly knownRequests: number; readonly knownCalls: number };
  /** The order of a Map is that of insertion: the oldest stand first. */
  readonly #known = new Map<string, StoredAnswer & { readonly expires: number }>();
  /** Those that still have their answer. */
  readonly #held = new Set<string>();
  /** Those without a note. */
  readonly #requests = new Set<string>();
  #bytes = 0;

  constructor(clock: Clock, limits: AnswerLimits) {
    this.#clock = clock;
    const { answerBytes = MAX_ANSWER_BYTES_IN_MEMORY, knownRequests } = limits;
    this.#limits = { answerBytes, knownRequests, knownCalls: limits.knownCalls ?? MAX_KNOWN_CALLS_IN_MEMORY };
  }

  /** Bytes of answers that are kept. */
  get bytes(): number {
    return this.#bytes;
  }

  get size(): number {
    return this.#known.size;
  }

  find(id: string): StoredAnswer | undefined {
    const found = this.#known.get(id);
    if (found === undefined || found.expires < this.#clock.now()) return undefined;
    return { digest: found.digest, answer: found.answer, note: found.note };
  }

  async put(id: string, { digest, answer, note }: NewAnswer, expires: number): Promise<void> {
    const { knownCalls, knownRequests, answerBytes } = this.#limits;
    const isNew = !this.#known.has(id);
    if (note !== undefined && isNew && this.#known.size - this.#requests.size >= knownCalls)
      throw keysExhausted(knownCalls);
    this.#forget(id);
    const kept = answer === undefined || answer.length > MAX_ANSWER_BYTES ? undefined : answer.slice();
    this.#known.set(id, { digest, answer: kept, note, expires });
    if (kept !== undefined) this.#held.add(id);
    if (note === undefined) this.#requests.add(id);
    this.#bytes += kept?.length ?? 0;
    for (const oldest of this.#held) {
      if (this.#bytes <= answerBytes) break;
      this.#drop(oldest);
    }
    for (const oldest of this.#requests) {
      if (this.#requests.size <= knownRequests) break;
      this.#forget(oldest);
    }
  }

  async forget(id: string): Promise<void> {
    this.#forget(id);
  }

  /** Forgets those whose time is over. */
  sweep(): void {
    const now = this.#clock.now();
    for (const [id, { expires }] of this.#known) if (expires < now) this.#forget(id);
  }

  #drop(id: string): void {
    const known = this.#known.get(id);
    this.#held.delete(id);
    if (known?.answer === undefined) return;
    this.#bytes -= known.answer.length;
    this.#known.set(id, { ...known, answer: undefined });
  }

  #forget(id: string): void {
    this.#drop(id);
    this.#known.delete(id);
    this.#requests.delete(id);
  }
}
