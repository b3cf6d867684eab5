import { step } from "../../../../src/kernel/breakers/breaker.ts";
import type { BreakerConfig } from "../../../../src/kernel/breakers/config.ts";
import {
  type Event,
  leavesAsIs,
  type Machine,
  nextTick,
  type Outcome,
  type Step,
} from "../../../../src/kernel/breakers/machine.ts";
import type { OverrideKind } from "../../../../src/kernel/breakers/policy/holds.ts";
import { Streak } from "../../../../src/kernel/breakers/streak.ts";
import type { Timer } from "../../../../src/kernel/clock.ts";
import type { BreakerClock } from "./clock.ts";
import { afterCut, afterFrame, type Connection, disconnected, heardAtOf, isConnected, UNHEARD } from "./connection.ts";
import { afterNotice, ended, type Isolation, TOGETHER } from "./isolation.ts";
import { advanced, assumed, type CircuitMachine, described, diverged, following, isClosed } from "./machine.ts";
import { Pending } from "./pending.ts";
import { Probes } from "./probes.ts";
import { type IsolationNotice, type ServiceBreaker, type Source, supersedes } from "./service-breaker.ts";
import { type Rule, ruleOf, type Standing, type View, viewOf } from "./standing.ts";
import type { BreakerStatus, OnDisconnect } from "./status.ts";

export interface CircuitOptions {
  readonly config: BreakerConfig;
  readonly onDisconnect: OnDisconnect;
  readonly maxStalenessMs: number;
}

/** What a circuit needs from its surroundings. */
export interface CircuitDeps {
  readonly clock: BreakerClock;
  readonly random: () => number;
  /** Called when outcomes are to be reported. If `urgent`, they are sent at once, else together with later ones. */
  readonly report: (urgent: boolean) => void;
  /** Asks the service for the breaker's state after all outcomes of this client have been reported. */
  readonly requestDecision: (circuit: Circuit) => void;
  /** Asks the service to create this breaker, because it does not have it. */
  readonly create: (circuit: Circuit) => void;
}

/**
 * One breaker as a client sees it. Its connection to the service, its machine and its isolation are each a union of states.
 *
 * While it is connected, the state that the service sent applies. The only exception is a trip of the client's own machine: it
 * applies until the service has answered to it. While it is not connected, `onDisconnect` decides.
 */
export class Circuit {
  readonly name: string;
  readonly pending = new Pending();
  readonly probes = new Probes();
  readonly #options: CircuitOptions;
  readonly #deps: CircuitDeps;
  readonly #waiting = new Set<() => void>();
  #connection: Connection = UNHEARD;
  /** Without the calls of the streak. */
  #counted: CircuitMachine;
  /** Calls that the machine does not contain yet. */
  readonly #streak = new Streak();
  #isolation: Isolation = TOGETHER;
  #rule: Rule;
  #era = 0;
  #ticking: Timer | undefined;

  constructor(name: string, options: CircuitOptions, deps: CircuitDeps) {
    this.name = name;
    this.#options = options;
    this.#deps = deps;
    this.#counted = assumed(options.config, this.now());
    this.#rule = ruleOf(this.#standing());
  }

  /** Whether the service has described it. */
  get isKnown(): boolean {
    return this.#counted.service !== undefined;
  }

  get isConnected(): boolean {
    return isConnected(this.#connection);
  }

  get isStopped(): boolean {
    return this.#connection.state === "STOPPED";
  }

  /** Whether its own machine decides, without the service. */
  get isAlone(): boolean {
    return !this.isConnected && this.#options.onDisconnect === "LOCAL" && this.override === undefined;
  }

  get config(): BreakerConfig {
    return this.#counted.service?.config ?? this.#options.config;
  }

  get override(): OverrideKind | undefined {
    return this.#counted.service?.override;
  }

  get machine(): Machine {
    return this.#machine.machine;
  }

  /** Whether its machine lets only probes pass. */
  get isHalfOpen(): boolean {
    return this.#counted.machine.automatic.state === "HALF_OPEN";
  }

  /** The rule for calls that follows from its states. */
  get rule(): Rule {
    return this.#rule;
  }

  /** Rises when the machine or the isolation is replaced. Outcomes of calls that began in an earlier era do not count. */
  get era(): number {
    return this.#era;
  }

  /** The number of messages of the service about whether it rejects only this client. */
  get notices(): number {
    return this.#isolation.notices;
  }

  get maxStalenessMs(): number {
    return this.#options.maxStalenessMs;
  }

  now(): number {
    return this.#deps.clock.monotonic();
  }

  /** Calls `run` when the circuit is connected or stopped, or soon if it already is. The returned function cancels that. */
  onceReady(run: () => void): () => void {
    this.#waiting.add(run);
    if (this.isConnected || this.isStopped) queueMicrotask(run);
    return () => this.#waiting.delete(run);
  }

  /** Returns the state that applies to calls now. */
  view(): View {
    if (this.isAlone) this.apply({ type: "tick" });
    const now = this.now();
    return viewOf(this.#standing(), this.probes.waitMs(now), now);
  }

  /** The part of the status that a rejected call gets. */
  refusal(): Pick<BreakerStatus, "retryAfterMs" | "override"> {
    return { retryAfterMs: this.view().retryAfterMs, override: this.override };
  }

  status(): BreakerStatus {
    const { pending, isConnected: connected } = this;
    const view = this.view();
    const heardAt = heardAtOf(this.#connection);
    return {
      ...view,
      source: connected && this.#machine.source === "SERVICE" ? "SERVICE" : "LOCAL",
      connected,
      staleMs: heardAt === undefined ? undefined : this.now() - heardAt,
      override: this.override,
      unreported: pending.unreported,
      dropped: pending.dropped,
    };
  }

  /** Applies an event to its own machine. */
  apply(event: Event, now = this.now()): Step {
    const before = this.#machine;
    const result = step(before.machine, event, this.config, { now, random: this.#deps.random });
    const { machine, transitions } = result;
    if (machine === before.machine) return result;
    if (transitions.length > 0) {
      this.#machine = diverged(before, machine);
      this.#begin();
    } else {
      this.#machine = advanced(before, machine);
    }
    if (!isClosed(machine)) this.#schedule();
    return result;
  }

  /** Counts the outcome of a call in its own machine. Returns whether that caused a transition. */
  count(outcome: Outcome, slow: boolean, leaseId: string | undefined, now?: number): boolean {
    const { machine } = this.#counted;
    if (leavesAsIs(machine, machine.epoch, outcome, this.config)) return false;
    const isPlain = outcome === "SUCCESS" && !slow && leaseId === undefined;
    // Reading the clock costs more than everything else here.
    if (isPlain && this.#streak.isTimeless && this.#streak.add(machine.epoch, this.#streak.since)) return false;
    return this.#countAt(now ?? this.now(), isPlain, outcome, slow, leaseId);
  }

  #countAt(now: number, isPlain: boolean, outcome: Outcome, slow: boolean, leaseId: string | undefined): boolean {
    const { epoch } = this.#counted.machine;
    if (isPlain && this.#streak.add(epoch, now)) return false;
    const event = { type: "outcome", epoch, leaseId, outcome, slow, clientId: "", times: 1 } as const;
    const { transitions } = this.apply(event, now);
    if (isPlain) this.#streak.begin(this.#counted.machine, this.config, now);
    return transitions.length > 0;
  }

  /** Takes over a description of the breaker that the service sent. */
  update(service: ServiceBreaker, source: Source): void {
    const before = this.#machine;
    const known = before.service;
    if (this.isStopped || (known !== undefined && !supersedes(service, known, source))) return;
    this.#machine = described(before, service);
    const isAnother = known === undefined || known.epoch !== service.epoch || known.createdAt !== service.createdAt;
    if (service.config.minReporters === 1 || !isClosed(service.machine)) this.isolate(undefined);
    else if (isAnother) this.#checkIsolation();
    // A trip of the client's own machine applies until the service has answered to it, or describes another epoch.
    const isOpen = service.machine.automatic.state === "OPEN";
    if (isAnother || (isOpen && before.source !== "AHEAD")) this.#follow(service);
    this.#refresh();
    this.#connectIfFresh();
    if (!this.isConnected) this.#schedule();
    if (known === undefined && !this.pending.isEmpty) this.#deps.report(false);
  }

  /**
   * Takes over a description that includes all outcomes of this client. It also replaces a trip of the client's own machine.
   */
  decided(service: ServiceBreaker, notice: IsolationNotice | undefined): void {
    this.update(service, "answer");
    this.isolate(notice);
    if (this.#machine.source !== "AHEAD" || !this.isConnected) return;
    this.#follow(this.#machine.service);
    this.#refresh();
  }

  /** Called if the service did not have this breaker at that revision. Undefined: it does not have it now. */
  missing(revision?: bigint): void {
    if (this.isStopped) return;
    const { service } = this.#machine;
    if (service !== undefined && (revision === undefined || service.revision <= revision)) {
      if (this.isConnected) this.#disconnect();
      this.#machine = assumed(this.#options.config, this.now());
      this.#isolation = ended(this.#isolation);
      this.#begin();
    }
    this.#deps.create(this);
  }

  /** Called when a frame has arrived at that time. It would have contained any change of this breaker. */
  heard(at = this.now()): void {
    const before = this.#connection;
    this.#connection = afterFrame(before, at);
    if (this.#connection !== before) this.#connectIfFresh();
  }

  /** Called when the stream is lost. Waiting calls get nothing from the service now. */
  cut(): void {
    this.#connection = afterCut(this.#connection);
    this.#leaveIfCut();
  }

  /** Called when a lost stream is back. The service may have forgotten meanwhile that it rejects this client. */
  resumed(): void {
    this.#checkIsolation();
  }

  /** Called when the service says, after a report or instead of a permit, whether it rejects only this client. */
  isolate(notice: IsolationNotice | undefined): void {
    if (this.isStopped) return;
    const before = this.#isolation;
    this.#isolation = afterNotice(before, notice, this.now());
    if (before.state === "TOGETHER" && notice === undefined) return;
    this.#era += 1;
    this.#refresh();
    this.#leaveIfCut();
  }

  /** Stops following the service. From now on, the circuit decides as if the service were gone, and reports nothing. */
  stop(): void {
    if (this.isConnected) this.#disconnect();
    this.#connection = { state: "STOPPED", heardAt: heardAtOf(this.#connection) };
    this.#ticking?.cancel();
    this.#endWaits();
  }

  /** With the calls of the streak. */
  get #machine(): CircuitMachine {
    if (this.#streak.calls > 0) this.#endStreak();
    return this.#counted;
  }

  set #machine(machine: CircuitMachine) {
    this.#streak.end();
    this.#counted = machine;
  }

  /** Counts the calls of the streak in the machine. */
  #endStreak(): void {
    const before = this.#counted;
    const { epoch } = before.machine;
    const { calls: times, since: now } = this.#streak;
    const event = { type: "outcome", epoch, outcome: "SUCCESS", slow: false, clientId: "", times } as const;
    const { machine } = step(before.machine, event, this.config, { now, random: this.#deps.random });
    this.#machine = advanced(before, machine);
  }

  #standing(): Standing {
    const { onDisconnect } = this.#options;
    return { onDisconnect, connection: this.#connection, machine: this.#machine, isolation: this.#isolation };
  }

  #follow(service: ServiceBreaker): void {
    this.#machine = following(service);
    this.#begin();
  }

  /** Called when the machine was replaced. */
  #begin(): void {
    this.#era += 1;
    this.probes.clear();
    this.#refresh();
    this.#leaveIfCut();
  }

  /**
   * Disconnects if the stream is lost and the breaker is not closed. Such a breaker needs probes, which the service cannot give
   * without a stream. A closed breaker stays in the state that the service sent until that is stale.
   */
  #leaveIfCut(): void {
    const { onDisconnect } = this.#options;
    if (this.#connection.state !== "CUT" || onDisconnect !== "LOCAL" || this.override !== undefined) return;
    if (!isClosed(this.#machine.machine) || this.#isolation.state === "ISOLATED") this.#disconnect();
  }

  #connectIfFresh(): void {
    const connection = this.#connection;
    const { service } = this.#machine;
    if (connection.state !== "HEARD" || service === undefined) return;
    const left = connection.heardAt + this.maxStalenessMs - this.now();
    if (left <= 0) return;
    this.#ticking?.cancel();
    this.#connection = { ...connection, state: "CONNECTED", staleness: this.#watchStaleness(left) };
    // The state that its own machine reached meanwhile does not count.
    if (this.#machine.source === "AHEAD") this.#follow(service);
    this.#checkIsolation();
    this.#refresh();
    this.#endWaits();
  }

  #watchStaleness(leftMs: number): Timer {
    return this.#deps.clock.setTimer(leftMs, () => {
      const connection = this.#connection;
      if (connection.state !== "CONNECTED" && connection.state !== "CUT") return;
      const left = connection.heardAt + this.maxStalenessMs - this.now();
      if (left > 0) this.#connection = { ...connection, staleness: this.#watchStaleness(left) };
      else this.#disconnect();
    });
  }

  /** Ends all waits for the connection, because it is there or will never be. */
  #endWaits(): void {
    for (const end of this.#waiting) end();
  }

  #checkIsolation(): void {
    if (this.isConnected && this.#isolation.state === "ISOLATED") this.#deps.requestDecision(this);
  }

  #disconnect(): void {
    const connection = this.#connection;
    if (connection.state === "CONNECTED" || connection.state === "CUT") connection.staleness.cancel();
    this.#connection = disconnected(connection);
    this.pending.withdraw();
    this.probes.clear();
    if (this.#options.onDisconnect !== "LOCAL") {
      if (this.#machine.source === "AHEAD") this.#follow(this.#machine.service);
    } else if (this.#isolation.state === "ISOLATED") {
      const { epoch } = this.#machine.machine;
      const { until } = this.#isolation;
      this.#machine = diverged(this.#machine, {
        epoch: epoch + 1,
        holds: [],
        automatic: { state: "OPEN", until, reopenings: 0 },
      });
      this.#isolation = ended(this.#isolation);
      this.#begin();
    }
    this.#refresh();
    this.#schedule();
  }

  #refresh(): void {
    this.#rule = ruleOf(this.#standing());
  }

  /** While it is alone, it must report the passing of time to its machine itself. */
  #schedule(): void {
    this.#ticking?.cancel();
    const due = nextTick(this.#machine.machine);
    if (due === undefined || !this.isAlone || this.isStopped) return;
    this.#ticking = this.#deps.clock.setTimer(due - this.now(), () => {
      this.apply({ type: "tick" });
      // A timer may fire a little early.
      this.#schedule();
    });
  }
}
