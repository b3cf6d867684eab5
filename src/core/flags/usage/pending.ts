import { type AnswerCount, AnswerSums } from "../counts/answers.ts";
import { ClientDays } from "./clients.ts";

/**
 * Different answers of all flags that wait to be written; further ones are counted as variant `(other)` of their flag until
 * the next write. @limit answers
 */
const MAX_PENDING_ANSWERS = 200_000;
/**
 * Clients of all flags that wait to be written, each counted for each flag; further ones are noted with a later report.
 * @limit clients
 */
const MAX_PENDING_CLIENTS = 500_000;

/** The usage of one flag that is not stored yet. */
export interface PendingFlag {
  /** Wall time in ms of a deletion of the flag: what is stored counts no longer. Undefined: it counts. */
  readonly deletedAt: number | undefined;
  /** By UTC day. */
  readonly days: ReadonlyMap<number, AnswerSums>;
  readonly clients: ClientDays;
}

interface Growing extends PendingFlag {
  readonly days: Map<number, AnswerSums>;
}

/** Limits that tests set lower. */
export interface PendingLimits {
  readonly answers: number;
  readonly clients: number;
}

/** The usage that is not stored yet. Its size is limited, and no count gets lost. */
export class PendingUsage {
  readonly #limits: PendingLimits;
  readonly #flags = new Map<string, Growing>();
  #answers = 0;
  #clients = 0;

  constructor(limits: PendingLimits = { answers: MAX_PENDING_ANSWERS, clients: MAX_PENDING_CLIENTS }) {
    this.#limits = limits;
  }

  get size(): number {
    return this.#flags.size;
  }

  get(name: string): PendingFlag | undefined {
    return this.#flags.get(name);
  }

  names(): Iterable<string> {
    return this.#flags.keys();
  }

  count(name: string, day: number, answer: AnswerCount): void {
    const { days } = this.#grow(name);
    const sums = days.get(day) ?? new AnswerSums();
    days.set(day, sums);
    const before = sums.size;
    sums.add(answer, this.#answers < this.#limits.answers);
    this.#answers += sums.size - before;
  }

  /** Notes that a client reported the flag on a day. */
  note(name: string, client: number, day: number): void {
    if (this.#clients >= this.#limits.clients) return;
    const { clients } = this.#grow(name);
    const before = clients.size;
    clients.note(client, day);
    this.#clients += clients.size - before;
  }

  /** Forgets what waits, and what is stored, of a flag that was deleted at that wall time in ms. */
  forget(name: string, deletedAt: number): void {
    this.take(name);
    this.#flags.set(name, { deletedAt, days: new Map(), clients: new ClientDays() });
  }

  /** Removes what waits of a flag. */
  take(name: string): void {
    const flag = this.#flags.get(name);
    if (flag === undefined) return;
    this.#flags.delete(name);
    for (const { size } of flag.days.values()) this.#answers -= size;
    this.#clients -= flag.clients.size;
  }

  #grow(name: string): Growing {
    const known = this.#flags.get(name);
    if (known !== undefined) return known;
    const fresh = { deletedAt: undefined, days: new Map(), clients: new ClientDays() };
    this.#flags.set(name, fresh);
    return fresh;
  }
}
