import type { Clock } from "../clock.ts";

/**
 * Time for which a repeated `request_id` gets the first answer again. Afterwards the request is done anew. @limit ms
 */
export const REPLAYED_MS = 600_000;
/**
 * Size of the answers that are kept on disk to be given again. Beyond it the oldest are dropped before their time: a
 * repeated request is refused with `ANSWER_NOT_KEPT`. @limit bytes
 */
export const MAX_ANSWER_BYTES_ON_DISK = 128 * 1024 * 1024;
/**
 * Size of the answers that a store in memory keeps to be given again. Beyond it the oldest are dropped before their
 * time. @limit bytes
 */
export const MAX_ANSWER_BYTES_IN_MEMORY = 64 * 1024 * 1024;
/**
 * Size of one answer that is kept to be given again. Of a larger one it is known that it was given: a repeated request
 * is refused with `ANSWER_NOT_KEPT`. @limit bytes
 */
export const MAX_ANSWER_BYTES = 8 * 1024 * 1024;
/**
 * Requests whose `request_id` is known, with or without their answer. Beyond them the oldest are forgotten before their
 * time. @limit requests
 */
export const MAX_KNOWN_REQUESTS = 200_000;

/** What is known of a request that was answered. */
export interface StoredAnswer {
  /** Tells the request from others of the same id. */
  readonly digest: string;
  /** Undefined: it was dropped, or too long to keep. That the request was answered is known nevertheless. */
  readonly answer: Uint8Array | undefined;
}

/**
 * Answers to requests, by an id, each until a time of its own. They are no part of the state: a write of one raises no
 * revision, and no watcher is told. What they take is bounded, whatever comes.
 */
export interface Answers {
  /** Undefined where none is known, or its time is over. */
  find(id: string): StoredAnswer | undefined;
  /** Resolves when it is as durable as a write. `expires` is wall time in ms. */
  put(id: string, answer: { readonly digest: string; readonly answer: Uint8Array }, expires: number): Promise<void>;
}

/** How much is kept of answers. */
export interface AnswerLimits {
  /** Of all answers; absent: by where they are kept. */
  readonly answerBytes?: number | undefined;
  readonly knownRequests: number;
}

/** Answers that live and die with the process. */
export class MemoryAnswers implements Answers {
  readonly #clock: Clock;
  readonly #limits: { readonly answerBytes: number; readonly knownRequests: number };
  /** The order of a Map is that of insertion: the oldest stand first. */
  readonly #known = new Map<string, StoredAnswer & { readonly expires: number }>();
  /** Those that still have their answer. */
  readonly #held = new Set<string>();
  #bytes = 0;

  constructor(clock: Clock, { answerBytes = MAX_ANSWER_BYTES_IN_MEMORY, knownRequests }: AnswerLimits) {
    this.#clock = clock;
    this.#limits = { answerBytes, knownRequests };
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
    return { digest: found.digest, answer: found.answer };
  }

  async put(
    id: string,
    { digest, answer }: { readonly digest: string; readonly answer: Uint8Array },
    expires: number,
  ): Promise<void> {
    this.#forget(id);
    const kept = answer.length > MAX_ANSWER_BYTES ? undefined : answer.slice();
    this.#known.set(id, { digest, answer: kept, expires });
    if (kept !== undefined) this.#held.add(id);
    this.#bytes += kept?.length ?? 0;
    for (const oldest of this.#held) {
      if (this.#bytes <= this.#limits.answerBytes) break;
      this.#drop(oldest);
    }
    for (const oldest of this.#known.keys()) {
      if (this.#known.size <= this.#limits.knownRequests) break;
      this.#forget(oldest);
    }
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
  }
}
