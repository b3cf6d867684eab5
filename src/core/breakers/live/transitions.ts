import type { Machine } from "../../../kernel/breakers/machine.ts";
import type { Clock, Timer } from "../../../kernel/clock.ts";
import { Serial } from "../../async/serial.ts";
import { HeliosError, messageOf } from "../../errors/error.ts";
import type { Log } from "../../log.ts";
import type { Collection } from "../../store/collection.ts";
import type { Cause } from "../../store/store.ts";
import { type BreakerRecord, type BreakerResource, type TransitionRecord, toRecord } from "../record.ts";

interface TransitionWriterDeps {
  readonly clock: Clock;
  readonly log: Log;
}

/**
 * Time until a change of a breaker's state is written again after a failed write, unless another change comes first.
 * @limit ms
 */
const RETRY_MS = 1000;

/** Writes the record of one breaker: its transitions, and the changes that callers ask for, one after the other. */
export class TransitionWriter {
  readonly #name: string;
  readonly #collection: Collection<BreakerRecord>;
  readonly #deps: TransitionWriterDeps;
  readonly #turns = new Serial();
  #retry: Timer | undefined;
  #storing = false;
  #deletedAt: number | undefined;
  #stopped = false;

  constructor(name: string, collection: Collection<BreakerRecord>, deps: TransitionWriterDeps) {
    this.#name = name;
    this.#collection = collection;
    this.#deps = deps;
  }

  /** Whether the write in progress stores a transition of the machine. */
  get isStoring(): boolean {
    return this.#storing;
  }

  /** The revision of the breaker's deletion. */
  get deletedAt(): number | undefined {
    return this.#deletedAt;
  }

  /** Resolves when every write so far has succeeded or failed. */
  async done(): Promise<void> {
    await this.#turns.idle();
  }

  stop(): void {
    this.#stopped = true;
    this.#retry?.cancel();
  }

  deleted(revision: number): void {
    this.stop();
    this.#deletedAt = revision;
  }

  /**
   * Writes what `decide` returns, unless it returns undefined. `decide` runs after all transitions so far are stored.
   * Rejects with BREAKER_NOT_FOUND, ETAG_MISMATCH, STORE_UNAVAILABLE, and what `decide` throws.
   */
  async change(
    cause: Cause,
    decide: (current: BreakerResource) => BreakerRecord | undefined,
    etag: string | undefined,
  ): Promise<void> {
    const write = (): Promise<unknown> =>
      this.#collection.change(
        this.#name,
        cause,
        (current) => {
          if (current !== undefined && this.#deletedAt === undefined) return decide(current);
          throw HeliosError.of("BREAKER_NOT_FOUND", { name: this.#name });
        },
        etag,
      );
    await this.#turns.run(write);
  }

  /** Stores a transition. A failed write is repeated until it succeeds or a later transition is stored. */
  store(machine: Machine, transition: TransitionRecord): void {
    if (this.#stopped) return;
    const now = { monotonic: this.#deps.clock.monotonic(), wall: this.#deps.clock.now() };
    const { time: _, ...cause } = transition;
    const write = async (): Promise<void> => {
      this.#storing = true;
      try {
        await this.#collection.change(this.#name, cause, (current) => {
          if (current === undefined || this.#deletedAt !== undefined) return undefined;
          if (current.record.epoch >= machine.epoch) return undefined;
          const { holds: kept = [], ...record } = toRecord(machine, current.record.config, transition, now);
          // A hold may have been stored after this transition. Only the expiry of a hold changes the stored holds here.
          const holds = transition.action === "HoldExpired" ? kept : (current.record.holds ?? []);
          return holds.length === 0 ? record : { ...record, holds };
        });
      } catch (error) {
        this.#notStored(machine, transition, error);
      } finally {
        this.#storing = false;
      }
    };
    void this.#turns.run(write);
  }

  #notStored(machine: Machine, transition: TransitionRecord, error: unknown): void {
    const { action } = transition;
    const problem = messageOf(error);
    this.#deps.log("breakers", "error", "transition not stored", { name: this.#name, action, error: problem });
    if (this.#stopped) return;
    this.#retry?.cancel();
    this.#retry = this.#deps.clock.setTimer(RETRY_MS, () => this.store(machine, transition));
  }
}
