import { step } from "../../../kernel/breakers/breaker.ts";
import type { BreakerConfig, BreakerConfigFields } from "../../../kernel/breakers/config.ts";
import {
  type AcquireEvent,
  type AcquireStep,
  type BreakerState,
  type Event,
  effectiveState,
  leavesAsIs,
  type Machine,
  type Moment,
  nextTick,
  type Outcome,
  overrideOf,
  type Permit,
  passesAll,
  rejectionAt,
  type Step,
} from "../../../kernel/breakers/machine.ts";
import { DEFAULT_CONFIG } from "../../../kernel/breakers/policy/defaults.ts";
import type { OverrideKind } from "../../../kernel/breakers/policy/holds.ts";
import { Streak } from "../../../kernel/breakers/streak.ts";
import type { Clock, Timer } from "../../../kernel/clock.ts";
import type { Log } from "../../log.ts";
import type { Collection } from "../../store/collection.ts";
import type { Cause } from "../../store/store.ts";
import { type IsolatedClient, Isolation } from "../clients/isolation.ts";
import { countOutcomes, type OutcomeEvent, type OutcomeTarget } from "../clients/outcomes.ts";
import type { OutcomeReport } from "../clients/reports.ts";
import {
  type BothTimes,
  type BreakerRecord,
  type BreakerResource,
  readRecord,
  type TransitionRecord,
  toMachine,
} from "../record.ts";
import { clientNumber, Recording, secondEnd } from "../simulation/recording.ts";
import { compare, type Simulation } from "../simulation/simulate.ts";
import { completeConfig } from "../validate.ts";
import { Counters } from "./counts.ts";
import { type Breaker, describe, describeStored } from "./describe.ts";
import { TransitionWriter } from "./transitions.ts";

/** The state of a breaker after a transition. */
export interface Moved {
  /** The state that applies to calls. */
  readonly state: BreakerState;
  readonly override: OverrideKind | undefined;
}

export interface LiveDeps {
  readonly clock: Clock;
  readonly newId: () => string;
  readonly random: () => number;
  readonly log: Log;
  /** Called during each transition. */
  readonly onMove: (moved: Moved) => void;
}

const RESETS: ReadonlySet<string> = new Set(["ResetBreaker", "ResetAllBreakers"]);
const HOLD_CHANGES: ReadonlySet<string> = new Set(["OpenBreaker", "SetBreakerOverride", "ReleaseBreakerHold"]);
const WARNINGS: ReadonlySet<string> = new Set([
  "Trip",
  "WouldTrip",
  "Reopen",
  "LeaseExpired",
  "ClientLost",
  "OpenBreaker",
  "SetBreakerOverride",
]);

/**
 * One breaker at work: its machine, its counts and its timer. The machine moves at once and in memory, because a rejection
 * cannot wait for the disk; its transitions are stored afterwards. Changes that callers ask for are stored first, and the
 * machine follows when the feed publishes them.
 */
export class LiveBreaker implements OutcomeTarget {
  readonly isolation = new Isolation();
  readonly #name: string;
  readonly #writer: TransitionWriter;
  readonly #deps: LiveDeps;
  readonly #counters = new Counters();
  readonly #recording: Recording;
  /** Calls that neither the machine nor the counts nor the recording contain yet. */
  readonly #streak = new Streak();
  #resource: BreakerResource;
  /** Without the calls of the streak. */
  #counted: Machine;
  /** The last transition of the machine, stored or not. */
  #transition: TransitionRecord;
  /** The permit of every call while all calls go ahead. */
  #pass: Permit | undefined;
  /** An id for the lease of the next probe. */
  #spareId: string | undefined;
  #timer: Timer | undefined;
  #stopped = false;

  constructor(resource: BreakerResource, collection: Collection<BreakerRecord>, deps: LiveDeps) {
    this.#name = resource.name;
    this.#writer = new TransitionWriter(resource.name, collection, deps);
    this.#deps = deps;
    this.#resource = complete(resource);
    this.#transition = resource.record.transition;
    this.#counted = toMachine(this.#resource.record, this.times());
    this.#recording = new Recording(deps.clock.monotonic());
    this.#recording.transition(deps.clock.monotonic(), this.#transition.action, effectiveState(this.#counted));
  }

  get machine(): Machine {
    return this.#machine;
  }

  get config(): BreakerConfig {
    return this.#resource.record.config;
  }

  /** The revision of its deletion; undefined while it exists. */
  get deletedAt(): number | undefined {
    return this.#writer.deletedAt;
  }

  /** Starts its timer; after a restart, transitions that are due happen now. */
  resume(): void {
    this.apply({ type: "tick" });
    this.#schedule();
  }

  stop(): void {
    this.#stopped = true;
    this.#timer?.cancel();
    this.#writer.stop();
  }

  /** Resolves when the write of every transition so far has succeeded or failed. */
  async stored(): Promise<void> {
    await this.#writer.done();
  }

  now(): Breaker {
    this.apply({ type: "tick" });
    return describe(this.#resource, {
      machine: this.#machine,
      transition: this.#transition,
      counts: this.#counters.counts,
      isolatedClients: this.isolation.isEmpty ? [] : this.isolation.list(this.config, this.moment()),
      now: this.times(),
    });
  }

  /** The breaker as stored in `resource`, with its present counts. */
  view(resource: BreakerResource): Breaker {
    const present = this.now();
    const { epoch, config } = resource.record;
    return epoch === present.epoch ? { ...present, resource, config } : describeStored(resource, this.#counters.counts);
  }

  /** Compares what it did in the last `spanMs` with what it would have done with `fields` set. */
  simulate(fields: BreakerConfigFields | undefined, spanMs: number): Simulation {
    this.#endStreak();
    const to = this.#deps.clock.monotonic();
    const from = Math.max(to - spanMs, this.#recording.since(to));
    const config = completeConfig(fields, this.config);
    return compare(this.#recording, config, { from, to }, this.#deps.clock.now() - to);
  }

  acquire(clientId: string): Permit {
    const alone = this.#acquireAlone(clientId);
    if (alone !== undefined) return alone;
    if (this.#pass !== undefined) return this.#pass;
    if (passesAll(this.#machine)) {
      const { epoch } = this.#machine;
      const override = overrideOf(this.#machine);
      this.#pass = Object.freeze({ allowed: true, epoch, ...(override === undefined ? {} : { override }) });
      return this.#pass;
    }
    const now = this.#deps.clock.monotonic();
    const rejection = rejectionAt(this.#machine, now);
    if (rejection !== undefined) {
      this.#rejected(clientId, now);
      return rejection;
    }
    this.#spareId ??= this.#deps.newId();
    const { permit } = this.apply({ type: "acquire", leaseId: this.#spareId, clientId }, now);
    if (!permit.allowed) this.#rejected(clientId, now);
    else if (permit.leaseId !== undefined) this.#spareId = undefined;
    return permit;
  }

  /** Whether it matters how long calls take: slow calls can open it, or its configuration says which calls are slow. */
  get isTimed(): boolean {
    const { slowCallRate, slowCallDurationMs } = this.config;
    return slowCallRate !== null || slowCallDurationMs !== DEFAULT_CONFIG.slowCallDurationMs;
  }

  /** Counts a call of this process, which ends now. `start`: when it began. Undefined: it is not slow. */
  settleSince(epoch: number, leaseId: string | undefined, outcome: Outcome, start: number | undefined): void {
    const now = this.#deps.clock.monotonic();
    this.settle(now, epoch, leaseId, outcome, start === undefined ? 0 : now - start);
  }

  /** Counts a call of this process, which ends now and took `durationMs`. */
  settle(now: number, epoch: number, leaseId: string | undefined, outcome: Outcome, durationMs: number): void {
    const slow = durationMs > this.config.slowCallDurationMs;
    const isPlain = outcome === "SUCCESS" && !slow && leaseId === undefined;
    if (isPlain && this.#streak.add(epoch, now)) return;
    this.#count({ type: "outcome", epoch, leaseId, outcome, slow, clientId: "", times: 1 }, 0, now);
    if (isPlain && epoch === this.#counted.epoch) this.#streak.begin(this.#counted, this.config, now, secondEnd(now));
  }

  /** Counts calls of a client. */
  report({ epoch, leaseId, runs }: OutcomeReport, clientId: string): void {
    const client = clientNumber(clientId);
    for (const { outcome, slow = false, count: times } of runs) {
      const event = { type: "outcome", epoch, leaseId, outcome, slow, clientId, times } as const;
      this.#count(event, client, this.#deps.clock.monotonic());
    }
  }

  /** Undefined if the client is not isolated. */
  isolationOf(clientId: string): IsolatedClient | undefined {
    if (this.isolation.isEmpty || overrideOf(this.#machine) !== undefined) return undefined;
    return this.isolation.find(clientId, this.config, this.moment());
  }

  release(epoch: number, leaseId: string | undefined): void {
    this.apply({ type: "release", epoch, leaseId });
  }

  /** Notes that a client is gone. Its probes count as failures. */
  lose(clientId: string): void {
    this.apply({ type: "lost", clientId });
    const lost = this.isolation.lose(clientId);
    if (lost > 0) this.#counters.outcome("FAILURE", false, lost, 0);
  }

  /** Applies a stored change. The machine has made its own transitions already, and makes those of callers now. */
  follow(resource: BreakerResource, { action }: Cause): void {
    this.#endStreak();
    this.#resource = complete(resource);
    if (this.config.minReporters === 1) this.isolation.clear();
    if (this.#writer.isStoring) return;
    if (HOLD_CHANGES.has(action))
      this.#obey({ type: "hold", holds: toMachine(this.#resource.record, this.times()).holds });
    if (!RESETS.has(action)) return;
    this.#obey({ type: "reset" });
    this.#counters.reset();
    this.isolation.clear();
  }

  /** Applies its deletion. */
  deleted(revision: number): void {
    this.stop();
    this.#writer.deleted(revision);
  }

  /**
   * Stores what `decide` returns, unless it returns undefined. `decide` runs after all transitions so far are stored.
   * Rejects with BREAKER_NOT_FOUND, ETAG_MISMATCH, STORE_UNAVAILABLE, and what `decide` throws.
   */
  change(
    cause: Cause,
    decide: (current: BreakerResource) => BreakerRecord | undefined,
    etag: string | undefined,
  ): Promise<void> {
    return this.#writer.change(cause, decide, etag);
  }

  apply(event: AcquireEvent, now?: number): AcquireStep;
  apply(event: Event, now?: number): Step;
  apply(event: Event, now = this.#deps.clock.monotonic()): Step {
    const before = this.#machine;
    const result = step(before, event, this.config, { now, random: this.#deps.random });
    if (result.machine === before) return result;
    for (const { action, machine } of result.transitions) {
      const transition = { action, ...this.#whoseExpiry(machine), time: this.#deps.clock.now() };
      this.#move(machine, transition);
      this.#writer.store(machine, transition);
    }
    this.#machine = result.machine;
    if (result.expired !== undefined) this.#counters.outcome("FAILURE", false, result.expired, 0);
    if (result.machine.automatic.state === "CLOSED" && before.automatic.state === "CLOSED") return result;
    if (nextTick(before) !== nextTick(result.machine)) this.#schedule();
    return result;
  }

  onIsolated(clientId: string): void {
    this.#deps.log("breakers", "warn", "client isolated", { name: this.#name, client_id: clientId });
  }

  moment(): Moment {
    return { now: this.#deps.clock.monotonic(), random: this.#deps.random };
  }

  times(): BothTimes {
    return { monotonic: this.#deps.clock.monotonic(), wall: this.#deps.clock.now() };
  }

  /** The permit of an isolated client; undefined if the client is not isolated. */
  #acquireAlone(clientId: string): Permit | undefined {
    if (this.isolation.isEmpty || overrideOf(this.#machine) !== undefined) return undefined;
    this.#spareId ??= this.#deps.newId();
    const permit = this.isolation.acquire(clientId, this.#spareId, this.config, this.moment());
    if (permit === undefined) return undefined;
    if (permit.allowed) this.#spareId = undefined;
    else this.#rejected(clientId, this.#deps.clock.monotonic());
    return { ...permit, epoch: this.#machine.epoch };
  }

  #rejected(clientId: string, now: number): void {
    this.#counters.rejection();
    this.#recording.add(now, "REJECTED", false, clientNumber(clientId), 1);
  }

  /** With the calls of the streak. */
  get #machine(): Machine {
    if (this.#streak.calls > 0) this.#endStreak();
    return this.#counted;
  }

  set #machine(machine: Machine) {
    this.#streak.end();
    this.#counted = machine;
  }

  /** Counts the calls of the streak. */
  #endStreak(): void {
    const { calls: times, since } = this.#streak;
    this.#streak.end();
    if (times === 0) return;
    const { epoch } = this.#counted;
    this.#count({ type: "outcome", epoch, outcome: "SUCCESS", slow: false, clientId: "", times }, 0, since);
  }

  #count(event: OutcomeEvent, client: number, now: number): void {
    const { epoch, outcome, slow, times } = event;
    const machine = this.#machine;
    if (machine.holds.length > 0 && overrideOf(machine) === "DISABLED") return;
    this.#recording.add(now, outcome, slow, client, times);
    const changesNothing = leavesAsIs(machine, epoch, outcome, this.config) && this.config.minReporters === 1;
    const late = changesNothing ? 0 : countOutcomes(this, event, { now, random: this.#deps.random });
    this.#counters.outcome(outcome, slow, times, late);
  }

  /** Makes the transition that a caller asked for, and that is stored. */
  #obey(event: Extract<Event, { type: "hold" | "reset" }>): void {
    const { epoch, transition } = this.#resource.record;
    const { machine } = step(this.#machine, event, this.config, this.moment());
    const obeyed = { ...machine, epoch: Math.max(machine.epoch, epoch) };
    this.#move(obeyed, transition);
    this.#schedule();
    // The machine may have made a transition during the write. Its epoch is then above the stored one, and is stored next.
    if (obeyed.epoch > epoch) this.#writer.store(obeyed, transition);
  }

  /** The actor and reason of the hold that has expired. */
  #whoseExpiry({ holds }: Machine): { actor?: string; reason?: string } {
    const gone = this.#machine.holds.find(({ id }) => !holds.some((hold) => hold.id === id));
    const { actor, reason } = gone ?? {};
    return { ...(actor === undefined ? {} : { actor }), ...(reason === undefined ? {} : { reason }) };
  }

  #move(machine: Machine, transition: TransitionRecord): void {
    this.#machine = machine;
    this.#transition = transition;
    this.#pass = undefined;
    const { state } = machine.automatic;
    // While the shared machine is not closed, it decides for every client.
    if (state !== "CLOSED") this.isolation.clear();
    this.#recording.transition(this.#deps.clock.monotonic(), transition.action, effectiveState(machine));
    const { time: _, ...cause } = transition;
    const level = WARNINGS.has(transition.action) ? "warn" : "info";
    this.#deps.log("breakers", level, "breaker changed", { name: this.#name, ...cause, state, epoch: machine.epoch });
    this.#deps.onMove({ state: effectiveState(machine), override: overrideOf(machine) });
  }

  #schedule(): void {
    this.#timer?.cancel();
    const due = nextTick(this.#machine);
    if (due === undefined || this.#stopped) return;
    this.#timer = this.#deps.clock.setTimer(due - this.#deps.clock.monotonic(), () => {
      this.apply({ type: "tick" });
      // A timer may fire a little early.
      this.#schedule();
    });
  }
}

/** The resource with the members that later versions added to its record. */
function complete(resource: BreakerResource): BreakerResource {
  return { ...resource, record: readRecord(resource.name, resource.record) };
}
