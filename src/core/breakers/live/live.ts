import { callsUntilTrip, step } from "../../kernel/breakers/breaker.ts";
import type { BreakerConfig } from "../../kernel/breakers/config.ts";
import {
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
  type Step,
  step,
} from "../../../kernel/breakers/breaker.ts";
import type { BreakerConfig } from "../../../kernel/breakers/config.ts";
import { type Hold, withHold, withoutHold } from "../../../kernel/breakers/policy/holds.ts";
import type { Clock, Timer } from "../../../kernel/clock.ts";
import { type By, causeOf } from "../../change.ts";
import { HeliosError } from "../../errors/error.ts";
import type { Log } from "../../log.ts";
import type { Collection } from "../../store/collection.ts";
import type { Cause } from "../../store/store.ts";
import { type IsolatedClient, Isolation } from "../clients/isolation.ts";
import type { OutcomeReport } from "../clients/reports.ts";
import { type BreakerConfigFields, completeConfig, sameConfig } from "../config.ts";
import {
  type BothTimes,
  type BreakerRecord,
  readRecord,
  type TransitionRecord,
  toMachine,
  toRecord,
} from "../record.ts";
import { clientNumber, Recording } from "../simulation/recording.ts";
import { compare, type Simulation } from "../simulation/simulate.ts";
import type { Breaker, BreakerResource, Moved } from "../types.ts";
import { Counters } from "./counts.ts";
import { describe, describeStored } from "./describe.ts";
import { Writes } from "./transitions.ts";

interface LiveDeps {
  readonly clock: Clock;
  readonly newId: () => string;
  readonly random: () => number;
  readonly log: Log;
  /** Told in the step of each transition. */
  readonly onMove: (moved: Moved) => void;
}

/** Holds of one breaker; one more is refused with `ARGUMENT_INVALID`. @limit holds */
const MAX_HOLDS = 100;

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

type OutcomeEvent = Extract<Event, { type: "outcome" }>;
type Asked = Extract<Event, { type: "hold" | "reset" }>;

/** One breaker at work: its machine, its counts and its timer. */
export class LiveBreaker {
  readonly #name: string;
  readonly #writes: Writes;
  readonly #deps: LiveDeps;
  readonly #counters = new Counters();
  readonly #isolation = new Isolation();
  readonly #recording: Recording;
  #resource: BreakerResource;
  #machine: Machine;
  /** What moved the machine last, stored or not yet. */
  #transition: TransitionRecord;
  /** The permit of every call while all go ahead. */
  #pass: Permit | undefined;
  /** An id for the next probe. */
  #spareId: string | undefined;
  #timer: Timer | undefined;
  #stopped = false;

  constructor(resource: BreakerResource, collection: Collection<BreakerRecord>, deps: LiveDeps) {
    this.#name = resource.name;
    this.#writes = new Writes(resource.name, collection, deps);
    this.#deps = deps;
    this.#resource = complete(resource);
    this.#transition = resource.record.transition;
    this.#machine = toMachine(this.#resource.record, this.#times());
    this.#recording = new Recording(deps.clock.monotonic());
    this.#recording.transition(deps.clock.monotonic(), this.#transition.action, effectiveState(this.#machine));
  }

  /** After a restart: what is due happens now. */
  resume(): void {
    this.#apply({ type: "tick" });
    this.#schedule();
  }

  stop(): void {
    this.#stopped = true;
    this.#timer?.cancel();
    this.#writes.stop();
  }

  /** Resolves when every transition so far is stored, or could not be. */
  async stored(): Promise<void> {
    await this.#writes.done();
  }

  now(): Breaker {
    this.#apply({ type: "tick" });
    return describe(this.#resource, {
      machine: this.#machine,
      transition: this.#transition,
      counts: this.#counters.counts,
      isolatedClients: this.#isolation.isEmpty ? [] : this.#isolation.list(this.#config, this.#moment()),
      now: this.#times(),
    });
  }

  /** What was stored, with the counts of now. */
  view(resource: BreakerResource): Breaker {
    const present = this.now();
    const { epoch, config } = resource.record;
    return epoch === present.epoch ? { ...present, resource, config } : describeStored(resource, this.#counters.counts);
  }

  /** What it would have done in the last `spanMs` with `fields` set, and what it did. */
  simulate(fields: BreakerConfigFields | undefined, spanMs: number): Simulation {
    const to = this.#deps.clock.monotonic();
    const from = Math.max(to - spanMs, this.#recording.since(to));
    const config = completeConfig(fields, this.#config);
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
    this.#spareId ??= this.#deps.newId();
    const { permit } = this.#apply({ type: "acquire", leaseId: this.#spareId, clientId });
    if (permit === undefined) throw new Error("the machine answers every acquire");
    if (!permit.allowed) this.#rejected(clientId);
    else if (permit.leaseId !== undefined) this.#spareId = undefined;
    return permit;
  }

  /** How a call of this process went, and how long it took. */
  settle(epoch: number, leaseId: string | undefined, outcome: Outcome, durationMs: number): void {
    const slow = durationMs > this.#config.slowCallDurationMs;
    this.#count({ type: "outcome", epoch, leaseId, outcome, slow, clientId: "", times: 1 }, 0);
  }

  /** How calls of a client went. */
  report({ epoch, leaseId, runs }: OutcomeReport, clientId: string): void {
    const client = clientNumber(clientId);
    for (const { outcome, slow = false, count: times } of runs) {
      this.#count({ type: "outcome", epoch, leaseId, outcome, slow, clientId, times }, client);
    }
  }

  /** For how long the client will be rejected though others are not; undefined: it is not isolated. */
  isolationOf(clientId: string): IsolatedClient | undefined {
    if (this.#isolation.isEmpty || overrideOf(this.#machine) !== undefined) return undefined;
    return this.#isolation.find(clientId, this.#config, this.#moment());
  }

  release(epoch: number, leaseId: string | undefined): void {
    this.#apply({ type: "release", epoch, leaseId });
  }

  /** The client is gone: its probes count as failures. */
  lose(clientId: string): void {
    this.#apply({ type: "lost", clientId });
    const lost = this.#isolation.lose(clientId);
    if (lost > 0) this.#counters.outcome("FAILURE", false, lost, 0);
  }

  /** The feed tells of a change: what the machine did itself it knows, what was asked for it does now. */
  follow(resource: BreakerResource, { action }: Cause): void {
    this.#resource = complete(resource);
    if (this.#config.minReporters === 1) this.#isolation.clear();
    if (this.#writes.isStoring) return;
    if (HOLD_CHANGES.has(action))
      this.#obey({ type: "hold", holds: toMachine(this.#resource.record, this.#times()).holds });
    if (!RESETS.has(action)) return;
    this.#obey({ type: "reset" });
    this.#counters.reset();
    this.#isolation.clear();
  }

  async configure(fields: BreakerConfigFields, by: By | undefined): Promise<Breaker> {
    const decide = ({ record }: BreakerResource): BreakerRecord | undefined => {
      const config = completeConfig(fields, this.#config);
      return sameConfig(config, this.#config) ? undefined : { ...record, config };
    };
    await this.#writes.change(causeOf("UpdateBreaker", by), decide, by?.etag);
    return this.now();
  }

  /** Sets a hold, from now for `ttlMs` if it is given. */
  hold({ ttlMs, ...hold }: Pick<Hold, "id" | "kind" | "ttlMs">, by: By | undefined, action: string): Promise<Breaker> {
    const who = causeOf(action, by);
    const decide = (machine: Machine, { monotonic, wall }: BothTimes): Asked => {
      const expiry = ttlMs === undefined ? {} : { ttlMs, until: monotonic + ttlMs };
      const holds = withHold(machine.holds, { ...hold, ...who, time: wall, ...expiry });
      if (holds.length > MAX_HOLDS) {
        const problem = `${hold.id} would be one more than the ${MAX_HOLDS} holds that a breaker may have`;
        throw HeliosError.of("ARGUMENT_INVALID", { field: "hold_id", problem });
      }
      return { type: "hold", holds };
    };
    return this.#ask(decide, action, by);
  }

  releaseHold(id: string, by: By | undefined): Promise<Breaker> {
    const decide = ({ holds }: Machine): Asked => ({ type: "hold", holds: withoutHold(holds, id) });
    return this.#ask(decide, "ReleaseBreakerHold", by);
  }

  reset(by: By | undefined, action: "ResetBreaker" | "ResetAllBreakers" = "ResetBreaker"): Promise<Breaker> {
    return this.#ask(() => ({ type: "reset" }), action, by);
  }

  /** The feed tells that it was deleted. */
  delete(revision: number): void {
    this.stop();
    this.#writes.deleted(revision);
  }

  /** The revision of its deletion. */
  get deletedAt(): number | undefined {
    return this.#writes.deletedAt;
  }

  get epoch(): number {
    return this.#machine.epoch;
  }

  get #config(): BreakerConfig {
    return this.#resource.record.config;
  }

  /** The answer to a client that is isolated; undefined: what holds for all holds for it. */
  #acquireAlone(clientId: string): Permit | undefined {
    if (this.#isolation.isEmpty || overrideOf(this.#machine) !== undefined) return undefined;
    this.#spareId ??= this.#deps.newId();
    const permit = this.#isolation.acquire(clientId, this.#spareId, this.#config, this.#moment());
    if (permit === undefined) return undefined;
    if (permit.allowed) this.#spareId = undefined;
    else this.#rejected(clientId);
    return { ...permit, epoch: this.#machine.epoch };
  }

  #rejected(clientId: string): void {
    this.#counters.rejection();
    this.#recording.add(this.#deps.clock.monotonic(), "REJECTED", false, clientNumber(clientId), 1);
  }

  #count(event: OutcomeEvent, client: number): void {
    const now = this.#deps.clock.monotonic();
    const { epoch, outcome, slow, times } = event;
    const machine = this.#machine;
    if (machine.holds.length > 0 && overrideOf(machine) === "DISABLED") return;
    this.#recording.add(now, outcome, slow, client, times);
    const known = leavesAsIs(machine, epoch, outcome, this.#config) && this.#config.minReporters === 1;
    this.#counters.outcome(outcome, slow, times, known ? 0 : this.#late(event, now));
  }

  /**
   * Lets the outcomes have their effect, as if each had come alone; how many of them are late. Where that may isolate a
   * client, up to the call that does so or opens the breaker: from there on the rest is late.
   */
  #late(event: OutcomeEvent, now: number): number {
    let late = 0;
    for (let left = event.times; left > 0; ) {
      const times = this.#callsTogether({ ...event, times: left }, now);
      late += this.#lateTogether({ ...event, times }, now);
      left -= times;
    }
    return late;
  }

  /** Whether the outcomes of each client are kept apart. */
  get #mayIsolate(): boolean {
    return this.#config.minReporters > 1 && overrideOf(this.#machine) === undefined;
  }

  /** How many of the outcomes have one effect together. */
  #callsTogether(event: OutcomeEvent, now: number): number {
    const { times, clientId, epoch } = event;
    const config = this.#config;
    if (times === 1 || !this.#mayIsolate || epoch !== this.#machine.epoch) return times;
    const moment = { now, random: this.#deps.random };
    if (this.#isolation.find(clientId, config, moment) !== undefined) return times;
    const shared = callsUntilTrip(this.#machine, event, config, now) ?? times;
    const alone = this.#isolation.callsUntil(event, this.#machine.warmUntil, config, moment) ?? times;
    return Math.min(shared, alone);
  }

  #lateTogether(event: OutcomeEvent, now: number): number {
    const config = this.#config;
    const moment = { now, random: this.#deps.random };
    const mayIsolate = this.#mayIsolate;
    if (mayIsolate && event.epoch === this.#machine.epoch) {
      const alone = this.#isolation.outcome(event, config, moment);
      if (alone !== undefined) return alone;
    }
    const { transitions, late = 0 } = this.#apply(event, now);
    const counts = transitions.length === 0 && late === 0 && this.#machine.automatic.state === "CLOSED";
    if (!mayIsolate || !counts) return late;
    const verdict = this.#isolation.observe(event, this.#machine.warmUntil, config, moment);
    if (verdict === undefined) return 0;
    this.#deps.log("breakers", "warn", "client isolated", { name: this.#name, client_id: event.clientId });
    this.#apply(verdict, now);
    return 0;
  }

  /** Stores what a human asked for; the machine follows when the feed tells of it. */
  async #ask(ask: (machine: Machine, now: BothTimes) => Asked, action: string, by: By | undefined): Promise<Breaker> {
    const cause = causeOf(action, by);
    const decide = (): BreakerRecord | undefined => {
      const now = this.#times();
      const event = ask(this.#machine, now);
      if (event.type === "hold" && event.holds === this.#machine.holds) return undefined;
      const { machine } = step(this.#machine, event, this.#config, this.#moment());
      return toRecord(machine, this.#config, { ...cause, time: now.wall }, now);
    };
    await this.#writes.change(cause, decide, by?.etag);
    return this.now();
  }

  #obey(event: Asked): void {
    const { epoch, transition } = this.#resource.record;
    const { machine } = step(this.#machine, event, this.#config, this.#moment());
    const obeyed = { ...machine, epoch: Math.max(machine.epoch, epoch) };
    this.#move(obeyed, transition);
    this.#schedule();
    // The machine moved on while this was being written: the epoch stored is not the one that holds.
    if (obeyed.epoch > epoch) this.#writes.store(obeyed, transition);
  }

  #apply(event: Event, now = this.#deps.clock.monotonic()): Step {
    const before = this.#machine;
    const result = step(before, event, this.#config, { now, random: this.#deps.random });
    if (result.machine === before) return result;
    for (const { action, machine } of result.transitions) {
      const transition = { action, ...this.#whoseExpiry(machine), time: this.#deps.clock.now() };
      this.#move(machine, transition);
      this.#writes.store(machine, transition);
    }
    this.#machine = result.machine;
    if (result.expired !== undefined) this.#counters.outcome("FAILURE", false, result.expired, 0);
    if (result.machine.automatic.state === "CLOSED" && before.automatic.state === "CLOSED") return result;
    if (nextTick(before) !== nextTick(result.machine)) this.#schedule();
    return result;
  }

  /** Who set the expiry by which a hold ends. */
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
    // Whoever was isolated is now among those that the shared machine judges.
    if (state !== "CLOSED") this.#isolation.clear();
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
      this.#apply({ type: "tick" });
      // A timer may come a little early.
      this.#schedule();
    });
  }

  #moment(): Moment {
    return { now: this.#deps.clock.monotonic(), random: this.#deps.random };
  }

  #times(): BothTimes {
    return { monotonic: this.#deps.clock.monotonic(), wall: this.#deps.clock.now() };
  }
}

/** A resource whose record has what later versions added. */
function complete(resource: BreakerResource): BreakerResource {
  return { ...resource, record: readRecord(resource.name, resource.record) };
}
