import { type By, causeOf } from "../change.ts";
import type { Clock, Timer } from "../clock.ts";
import { HeliosError, messageOf } from "../errors.ts";
import type { Log } from "../log.ts";
import type { Collection } from "../store/collection.ts";
import {
  type Event,
  effectiveState,
  type Machine,
  nextTick,
  type Outcome,
  type Permit,
  step,
  type Transition,
} from "./breaker.ts";
import type { Breaker, BreakerResource } from "./breakers.ts";
import { type BreakerConfigFields, completeConfig } from "./config.ts";
import { Counters } from "./counts.ts";
import { type BreakerRecord, type Moment, toMachine, toRecord } from "./record.ts";

interface LiveDeps {
  readonly clock: Clock;
  readonly log: Log;
}

/** One breaker at work: its machine, its counts, its timer, and the writes of its transitions, one after the other. */
export class LiveBreaker {
  readonly #name: string;
  readonly #collection: Collection<BreakerRecord>;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #counters = new Counters();
  #resource: BreakerResource;
  #machine: Machine;
  #timer: Timer | undefined;
  #writes: Promise<unknown> = Promise.resolve();
  #stopped = false;

  constructor(resource: BreakerResource, collection: Collection<BreakerRecord>, { clock, log }: LiveDeps) {
    this.#name = resource.name;
    this.#collection = collection;
    this.#clock = clock;
    this.#log = log;
    this.#resource = resource;
    this.#machine = toMachine(resource.record, this.#moment());
  }

  /** A breaker that was deleted, as it was stored last. */
  static gone(resource: BreakerResource): Breaker {
    const machine = toMachine(resource.record, { monotonic: 0, wall: resource.updateTime });
    return describe(resource, machine, new Counters(), 0);
  }

  /** After a restart: what is due happens now. */
  resume(): void {
    this.#apply({ type: "tick" });
  }

  stop(): void {
    this.#stopped = true;
    this.#timer?.cancel();
  }

  async stored(): Promise<void> {
    await this.#writes;
  }

  now(): Breaker {
    this.#apply({ type: "tick" });
    return describe(this.#resource, this.#machine, this.#counters, this.#clock.monotonic());
  }

  /** What was stored, with the counts of now. */
  view(resource: BreakerResource): Breaker {
    const present = this.now();
    if (resource.record.epoch === present.epoch) return { ...present, resource };
    const machine = toMachine(resource.record, { monotonic: 0, wall: resource.updateTime });
    const stored = describe(resource, machine, this.#counters, 0);
    // A restart would make it due; as it was stored, it was half-open.
    if (resource.record.state !== "HALF_OPEN") return stored;
    const state = stored.override === undefined ? "HALF_OPEN" : "OPEN";
    return { ...stored, state, automaticState: "HALF_OPEN", retryAfterMs: undefined };
  }

  acquire(newId: () => string, clientId: string): Permit {
    const { automatic } = this.#machine;
    const leaseId = automatic.state === "CLOSED" ? "" : newId();
    const { permit } = this.#apply({ type: "acquire", leaseId, clientId });
    if (permit === undefined) throw new Error("the machine answers every acquire");
    if (!permit.allowed) this.#counters.rejection();
    return permit;
  }

  outcome(epoch: number, leaseId: string | undefined, outcome: Outcome): void {
    const { late = false } = this.#apply({ type: "outcome", epoch, leaseId, outcome });
    this.#counters.outcome(outcome, late);
  }

  /** The feed tells of a change: what the machine did itself it knows, what was asked for it does now. */
  follow(resource: BreakerResource): void {
    const before = this.#resource;
    this.#resource = resource;
    const { override, epoch } = resource.record;
    if (override !== undefined && before.record.override === undefined) this.#asked({ type: "forceOpen" }, epoch);
    else if (RESETS.has(resource.record.transition.action) && epoch > this.#machine.epoch) {
      this.#asked({ type: "reset" }, epoch);
      this.#counters.reset();
    }
  }

  configure(fields: BreakerConfigFields, by: By | undefined): Promise<Breaker> {
    return this.#ask("UpdateBreaker", by, (record) => {
      const config = completeConfig(fields, record.config);
      return JSON.stringify(config) === JSON.stringify(record.config) ? undefined : { ...record, config };
    });
  }

  forceOpen(by: By | undefined): Promise<Breaker> {
    return this.#ask("OpenBreaker", by, (record, transition) => {
      if (record.override !== undefined) return undefined;
      const { action: _, ...override } = transition;
      const { machine } = step(this.#machine, { type: "forceOpen" }, record.config, this.#clock.monotonic());
      return toRecord(machine, record.config, transition, { kind: "FORCED_OPEN", ...override }, this.#moment());
    });
  }

  reset(by: By | undefined, action: "ResetBreaker" | "ResetAllBreakers" = "ResetBreaker"): Promise<Breaker> {
    return this.#ask(action, by, (record, transition) => {
      const { machine } = step(this.#machine, { type: "reset" }, record.config, this.#clock.monotonic());
      return toRecord(machine, record.config, transition, undefined, this.#moment());
    });
  }

  /** Stores what a human asked for, after the transitions before it; the machine follows when the feed tells of it. */
  async #ask(
    action: string,
    by: By | undefined,
    decide: (record: BreakerRecord, transition: BreakerRecord["transition"]) => BreakerRecord | undefined,
  ): Promise<Breaker> {
    const cause = causeOf(action, by);
    const asked = this.#writes.then(() =>
      this.#collection.change(
        this.#name,
        cause,
        (current) => {
          if (current === undefined) throw HeliosError.of("BREAKER_NOT_FOUND", { name: this.#name });
          return decide(current.record, { ...cause, time: this.#clock.now() });
        },
        by?.etag,
      ),
    );
    this.#writes = asked.catch(() => {});
    await asked;
    return this.now();
  }

  #asked(event: Event, epoch: number): void {
    const { machine } = step(this.#machine, event, this.#resource.record.config, this.#clock.monotonic());
    this.#machine = { ...machine, epoch: Math.max(machine.epoch, epoch) };
    this.#schedule();
  }

  #apply(event: Event): ReturnType<typeof step> {
    const before = this.#machine;
    const result = step(before, event, this.#resource.record.config, this.#clock.monotonic());
    if (result.machine === before) return result;
    this.#machine = result.machine;
    for (const { action, machine } of result.transitions) this.#store(action, machine);
    if (nextTick(before) !== nextTick(result.machine)) this.#schedule();
    return result;
  }

  #schedule(): void {
    this.#timer?.cancel();
    const due = nextTick(this.#machine);
    if (due === undefined || this.#stopped) return;
    this.#timer = this.#clock.setTimer(due - this.#clock.monotonic(), () => {
      this.#apply({ type: "tick" });
      // A timer may come a little early.
      this.#schedule();
    });
  }

  #store(action: Transition, machine: Machine): void {
    const now = this.#moment();
    const transition = { action, time: now.wall };
    this.#log("breakers", action === "Close" ? "info" : "warn", "breaker changed", {
      name: this.#name,
      action,
      state: machine.automatic.state,
      epoch: machine.epoch,
    });
    this.#writes = this.#writes
      .then(() =>
        this.#collection.change(this.#name, { action }, (current) =>
          current === undefined || current.record.epoch >= machine.epoch
            ? undefined
            : toRecord(machine, current.record.config, transition, current.record.override, now),
        ),
      )
      .catch((error: unknown) => {
        // The machine holds all the same; the next transition that can be stored brings the store up to date.
        this.#log("breakers", "error", "transition not stored", { name: this.#name, action, error: messageOf(error) });
      });
  }

  #moment(): Moment {
    return { monotonic: this.#clock.monotonic(), wall: this.#clock.now() };
  }
}

const RESETS: ReadonlySet<string> = new Set(["ResetBreaker", "ResetAllBreakers"]);

function describe(resource: BreakerResource, machine: Machine, counters: Counters, monotonic: number): Breaker {
  const { automatic, epoch, forcedOpen } = machine;
  const { config, override } = resource.record;
  const waits = automatic.state === "OPEN" && !forcedOpen;
  return {
    resource,
    name: resource.name,
    config,
    state: effectiveState(machine),
    automaticState: automatic.state,
    override,
    epoch,
    counts: {
      ...counters.counts,
      consecutiveFailures: automatic.state === "CLOSED" ? automatic.failures : 0,
      consecutiveSuccesses: automatic.state === "HALF_OPEN" ? automatic.successes : 0,
    },
    retryAfterMs: waits ? Math.max(0, automatic.until - monotonic) : undefined,
    probes: automatic.state === "HALF_OPEN" ? automatic.leases.length : 0,
  };
}
