import { type By, causeOf } from "../change.ts";
import type { Clock, Timer } from "../clock.ts";
import { HeliosError, messageOf } from "../errors.ts";
import type { Log } from "../log.ts";
import type { Collection } from "../store/collection.ts";
import type { Cause } from "../store/store.ts";
import {
  type Event,
  leavesAsIs,
  type Machine,
  nextTick,
  type Outcome,
  type Permit,
  passesAll,
  type Step,
  step,
} from "./breaker.ts";
import type { Breaker, BreakerResource } from "./breakers.ts";
import { type BreakerConfigFields, completeConfig, sameConfig } from "./config.ts";
import { Counters } from "./counts.ts";
import { describe, describeStored } from "./describe.ts";
import { type BreakerRecord, type Moment, type TransitionRecord, toMachine, toRecord } from "./record.ts";

interface LiveDeps {
  readonly clock: Clock;
  readonly newId: () => string;
  readonly log: Log;
}

/** How long after a transition that could not be stored the next try is, where no other transition comes first. */
const RETRY_MS = 1000;

const RESETS: ReadonlySet<string> = new Set(["ResetBreaker", "ResetAllBreakers"]);
const WARNINGS: ReadonlySet<string> = new Set(["Trip", "Reopen", "LeaseExpired", "OpenBreaker"]);

/** One breaker at work: its machine, its counts, its timer, and its writes, one after the other. */
export class LiveBreaker {
  readonly #name: string;
  readonly #collection: Collection<BreakerRecord>;
  readonly #deps: LiveDeps;
  readonly #counters = new Counters();
  #resource: BreakerResource;
  #machine: Machine;
  /** What moved the machine last, stored or not yet. */
  #transition: TransitionRecord;
  /** The permit of every call while all go ahead. */
  #pass: Permit | undefined;
  /** An id for the next probe. */
  #spareId: string | undefined;
  #timer: Timer | undefined;
  #retry: Timer | undefined;
  #writes: Promise<unknown> = Promise.resolve();
  /** Whether the write under way is of what the machine did already. */
  #storing = false;
  #deletedAt: number | undefined;
  #stopped = false;

  constructor(resource: BreakerResource, collection: Collection<BreakerRecord>, deps: LiveDeps) {
    this.#name = resource.name;
    this.#collection = collection;
    this.#deps = deps;
    this.#resource = resource;
    this.#transition = resource.record.transition;
    this.#machine = toMachine(resource.record, this.#moment());
  }

  /** After a restart: what is due happens now. */
  resume(): void {
    this.#apply({ type: "tick" });
    this.#schedule();
  }

  stop(): void {
    this.#stopped = true;
    this.#timer?.cancel();
    this.#retry?.cancel();
  }

  /** Resolves when every transition so far is stored, or could not be. */
  async stored(): Promise<void> {
    await this.#writes;
  }

  now(): Breaker {
    this.#apply({ type: "tick" });
    return describe(this.#resource, {
      machine: this.#machine,
      transition: this.#transition,
      counts: this.#counters.counts,
      monotonic: this.#deps.clock.monotonic(),
    });
  }

  /** What was stored, with the counts of now. */
  view(resource: BreakerResource): Breaker {
    const present = this.now();
    const { epoch, config } = resource.record;
    return epoch === present.epoch ? { ...present, resource, config } : describeStored(resource, this.#counters.counts);
  }

  acquire(clientId: string): Permit {
    if (this.#pass !== undefined) return this.#pass;
    if (passesAll(this.#machine)) {
      this.#pass = Object.freeze({ allowed: true, epoch: this.#machine.epoch });
      return this.#pass;
    }
    this.#spareId ??= this.#deps.newId();
    const { permit } = this.#apply({ type: "acquire", leaseId: this.#spareId, clientId });
    if (permit === undefined) throw new Error("the machine answers every acquire");
    if (!permit.allowed) this.#counters.rejection();
    else this.#spareId = undefined;
    return permit;
  }

  outcome(epoch: number, leaseId: string | undefined, outcome: Outcome, times = 1): void {
    const known = leavesAsIs(this.#machine, epoch, outcome);
    const late = known ? 0 : (this.#apply({ type: "outcome", epoch, leaseId, outcome, times }).late ?? 0);
    this.#counters.outcome(outcome, times, late);
  }

  release(epoch: number, leaseId: string | undefined): void {
    this.#apply({ type: "release", epoch, leaseId });
  }

  /** The feed tells of a change: what the machine did itself it knows, what was asked for it does now. */
  follow(resource: BreakerResource, { action }: Cause): void {
    this.#resource = resource;
    if (this.#storing) return;
    if (action === "OpenBreaker") this.#obey({ type: "forceOpen" });
    if (!RESETS.has(action)) return;
    this.#obey({ type: "reset" });
    this.#counters.reset();
  }

  configure(fields: BreakerConfigFields, by: By | undefined): Promise<Breaker> {
    const cause = causeOf("UpdateBreaker", by);
    return this.#afterWrites(() =>
      this.#collection.change(
        this.#name,
        cause,
        (current) => {
          const { record } = this.#present(current);
          const config = completeConfig(fields, record.config);
          return sameConfig(config, record.config) ? undefined : { ...record, config };
        },
        by?.etag,
      ),
    );
  }

  forceOpen(by: By | undefined): Promise<Breaker> {
    return this.#afterWrites(() => this.#ask("forceOpen", "OpenBreaker", by));
  }

  reset(by: By | undefined, action: "ResetBreaker" | "ResetAllBreakers" = "ResetBreaker"): Promise<Breaker> {
    return this.#afterWrites(() => this.#ask("reset", action, by));
  }

  /** The feed tells that it was deleted. */
  delete(revision: number): void {
    this.stop();
    this.#deletedAt = revision;
  }

  /** The revision of its deletion. */
  get deletedAt(): number | undefined {
    return this.#deletedAt;
  }

  /** Stores what a human asked for; the machine follows when the feed tells of it. */
  #ask(type: "forceOpen" | "reset", action: string, by: By | undefined): Promise<unknown> {
    const cause = causeOf(action, by);
    const decide = (current: BreakerResource | undefined): BreakerRecord | undefined => {
      const { record } = this.#present(current);
      if (type === "forceOpen" && record.override !== undefined) return undefined;
      const now = this.#moment();
      const { machine } = step(this.#machine, { type }, record.config, now.monotonic);
      const { action: _, ...who } = cause;
      const override = { kind: "FORCED_OPEN", ...who, time: now.wall } as const;
      const transition = { ...cause, time: now.wall };
      return toRecord(machine, record.config, transition, type === "reset" ? undefined : override, now);
    };
    return this.#collection.change(this.#name, cause, decide, by?.etag);
  }

  /** After the transitions so far, so that what is asked for is decided over them. */
  async #afterWrites(write: () => Promise<unknown>): Promise<Breaker> {
    const written = this.#writes.then(write);
    this.#writes = written.catch(() => {});
    await written;
    return this.now();
  }

  #present(current: BreakerResource | undefined): BreakerResource {
    if (current !== undefined && this.#deletedAt === undefined) return current;
    throw HeliosError.of("BREAKER_NOT_FOUND", { name: this.#name });
  }

  #obey(event: Extract<Event, { type: "forceOpen" | "reset" }>): void {
    const { config, epoch, transition } = this.#resource.record;
    const { machine } = step(this.#machine, event, config, this.#deps.clock.monotonic());
    const obeyed = { ...machine, epoch: Math.max(machine.epoch, epoch) };
    this.#move(obeyed, transition);
    this.#schedule();
    // The machine moved on while this was being written: the epoch stored is not the one that holds.
    if (obeyed.epoch > epoch) this.#store(obeyed, transition);
  }

  #apply(event: Event): Step {
    const before = this.#machine;
    const result = step(before, event, this.#resource.record.config, this.#deps.clock.monotonic());
    if (result.machine === before) return result;
    for (const { action, machine } of result.transitions) {
      const transition = { action, time: this.#deps.clock.now() };
      this.#move(machine, transition);
      this.#store(machine, transition);
    }
    this.#machine = result.machine;
    if (result.expired !== undefined) this.#counters.outcome("FAILURE", result.expired, 0);
    if (nextTick(before) !== nextTick(result.machine)) this.#schedule();
    return result;
  }

  #move(machine: Machine, transition: TransitionRecord): void {
    this.#machine = machine;
    this.#transition = transition;
    this.#pass = undefined;
    const { time: _, ...cause } = transition;
    const level = WARNINGS.has(transition.action) ? "warn" : "info";
    const { state } = machine.automatic;
    this.#deps.log("breakers", level, "breaker changed", { name: this.#name, ...cause, state, epoch: machine.epoch });
  }

  #schedule(): void {
    this.#timer?.cancel();
    const due = nextTick(this.#machine);
    if (due === undefined || this.#stopped) return;
    this.#timer = this.#deps.clock.setTimer(due - this.#deps.clock.monotonic(), () => {
      this.#apply({ type: "tick" });
      // A timer may come a little early.
      this.#schedule();
    });
  }

  /** Never rejects. What could not be stored is tried again, or made good by the next transition that can be. */
  #store(machine: Machine, transition: TransitionRecord): void {
    if (this.#stopped) return;
    const now = this.#moment();
    const { time: _, ...cause } = transition;
    const write = async (): Promise<void> => {
      this.#storing = true;
      try {
        await this.#collection.change(this.#name, cause, (current) =>
          current === undefined || this.#deletedAt !== undefined || current.record.epoch >= machine.epoch
            ? undefined
            : toRecord(machine, current.record.config, transition, current.record.override, now),
        );
      } catch (error) {
        this.#notStored(machine, transition, error);
      } finally {
        this.#storing = false;
      }
    };
    this.#writes = this.#writes.then(write);
  }

  #notStored(machine: Machine, transition: TransitionRecord, error: unknown): void {
    const { action } = transition;
    const problem = messageOf(error);
    this.#deps.log("breakers", "error", "transition not stored", { name: this.#name, action, error: problem });
    if (this.#stopped) return;
    this.#retry?.cancel();
    this.#retry = this.#deps.clock.setTimer(RETRY_MS, () => this.#store(machine, transition));
  }

  #moment(): Moment {
    return { monotonic: this.#deps.clock.monotonic(), wall: this.#deps.clock.now() };
  }
}
