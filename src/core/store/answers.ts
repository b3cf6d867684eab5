import type { Clock } from "../../kernel/clock.ts";
import { seconds } from "../async/deadline.ts";
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
const MAX_ANSWER_BYTES_IN_MEMORY = 64 * 1024 * 1024;
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
const MAX_KNOWN_CALLS_IN_MEMORY = 200_000;

/** What is stored about a request, or about a call with an idempotency key. */
export interface StoredAnswer {
  /** Hash of the request. It distinguishes the request from others with the same id. */
  readonly digest: string;
  /** Undefined if there is no answer yet, if it was deleted early, or if it was too long to store. */
  readonly answer: Uint8Array | undefined;
  /**
   * State of a call with an idempotency key. A record with a note is never forgotten early, though its answer may be
   * deleted when there are too many. Undefined for other requests, which may be forgotten early.
   */
  readonly note: string | undefined;
}

/** A record to store. */
export interface NewAnswer {
  readonly digest: string;
  readonly answer?: Uint8Array | undefined;
  readonly note?: string | undefined;
}

/**
 * Answers to requests, by id. Each is stored until its own expiry time. They are not part of the watched state: storing one
 * does not raise the revision, and watchers do not see it. Their number and size are limited.
 */
export interface Answers {
  /** Returns undefined if no answer is stored, or if it has expired. */
  find(id: string): StoredAnswer | undefined;
  /**
   * Replaces the record of that id. Resolves when the record is as durable as a write. `expires` is wall time in ms.
   * Rejects a new record that has a note with IDEMPOTENCY_KEYS_EXHAUSTED if the limit is reached.
   */
  put(id: string, answer: NewAnswer, expires: number): Promise<void>;
  /** Deletes the record of that id, durably. */
  forget(id: string): Promise<void>;
}

/** The error for a call with one idempotency key too many. */
export function keysExhausted(limit: number): HeliosError {
  const metadata = { limit, retry_after: seconds(KEYS_RETRY_AFTER_MS) };
  return HeliosError.of("IDEMPOTENCY_KEYS_EXHAUSTED", metadata, { retryAfterMs: KEYS_RETRY_AFTER_MS });
}

/** Time after which a call that was refused with `IDEMPOTENCY_KEYS_EXHAUSTED` should be retried. @limit ms */
const KEYS_RETRY_AFTER_MS = 60_000;

/** Limits of the stored answers. */
export interface AnswerLimits {
  /** Bytes of all answers. Absent: the default for the disk or for memory. */
  readonly answerBytes?: number | undefined;
  readonly knownRequests: number;
  /** Number of calls with a key. Absent: the default for the disk or for memory. */
  readonly knownCalls?: number | undefined;
}

/** Answers in memory. They are lost when the process ends. */
export class MemoryAnswers implements Answers {
  readonly #clock: Clock;
  readonly #limits: { readonly answerBytes: number; readonly knownRequests: number; readonly knownCalls: number };
  /** A Map keeps the order of insertion, so the oldest records come first. */
  readonly #known = new Map<string, StoredAnswer & { readonly expires: number }>();
  /** Ids of the records that still have their answer. */
  readonly #held = new Set<string>();
  /** Ids of the records without a note. */
  readonly #requests = new Set<string>();
  #bytes = 0;

  constructor(clock: Clock, limits: AnswerLimits) {
    this.#clock = clock;
    const { answerBytes = MAX_ANSWER_BYTES_IN_MEMORY, knownRequests } = limits;
    this.#limits = { answerBytes, knownRequests, knownCalls: limits.knownCalls ?? MAX_KNOWN_CALLS_IN_MEMORY };
  }

  /** Bytes of all stored answers. */
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

  /** Deletes expired records. */
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
