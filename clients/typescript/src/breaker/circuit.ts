import type { AcquirePermitResponse } from "../../../../gen/helios/v1/breaker_service_pb.ts";
import {
  CLOSED,
  type Event,
  leavesAsIs,
  type Machine,
  nextTick,
  type Outcome,
  type Step,
  step,
} from "../../../../src/kernel/breakers/breaker.ts";
import type { BreakerConfig } from "../../../../src/kernel/breakers/config.ts";
import type { OverrideKind } from "../../../../src/kernel/breakers/policy/holds.ts";
import type { BreakerClock } from "./clock.ts";
import { NO_EPOCH, Pending } from "./pending.ts";
import { type BreakerPermit, type Grant, type Granter, Permit } from "./permit.ts";
import { Probes } from "./probes.ts";
import { passesAll, type Standing, type View, viewOf } from "./standing.ts";
import type { BreakerStatus, OnDisconnect } from "./status.ts";
import { type Isolated, type Source, supersedes, type Told, toIsolated } from "./told.ts";

export interface CircuitOptions {
  readonly config: BreakerConfig;
  readonly onDisconnect: OnDisconnect;
  readonly maxStalenessMs: number;
}

/** What a circuit wants of the service. */
export interface CircuitDeps {
  readonly clock: BreakerClock;
  readonly random: () => number;
  /** Asks for a permit; rejects where there is no answer in time. */
  readonly ask: (name: string) => Promise<AcquirePermitResponse>;
  /** Outcomes wait to be reported: at once, or with others. */
  readonly report: (urgent: boolean) => void;
  /** What does the service say, once it knows what the client saw? */
  readonly judge: (circuit: Circuit) => void;
  /** The service has no such breaker. */
  readonly create: (circuit: Circuit) => void;
}

type Timer = ReturnType<BreakerClock["setTimer"]>;

/**
 * One breaker as a client sees it. While the service is heard of, its word holds; only a trip is the client's own until
 * the service has judged it. While it is not, `onDisconnect` says what holds.
 */
export class Circuit implements Granter {
  readonly name: string;
  readonly pending = new Pending();
  readonly probes = new Probes();
  readonly maxStalenessMs: number;
  readonly #onDisconnect: OnDisconnect;
  readonly #given: BreakerConfig;
  readonly #deps: CircuitDeps;
  #config: BreakerConfig;
  #told: Told | undefined;
  /** What decides: the service's, as it was told, and what became of it here. */
  #machine: Machine = CLOSED;
  /** Whether it made a transition that the service did not tell of. */
  #ahead = false;
  /** When the service may let this client through again, which it rejects alone. */
  #isolatedUntil: number | undefined;
  /** How often that was heard of. */
  #isolationNews = 0;
  #connected = false;
  /** Whether the stream is known to be lost. */
  #isCut = false;
  #heardAt: number | undefined;
  #stopped = false;
  readonly #waiting = new Set<() => void>();
  #staleTimer: Timer | undefined;
  #tickTimer: Timer | undefined;
  #leases = 0;
  // What follows from the rest, for the calls:
  /** Whether every call passes. */
  #passing = false;
  /** Whether outcomes move the machine. */
  #learning = false;
  /** What calls that pass report. */
  #epoch = NO_EPOCH;
  /** Raised whenever the machine is another: outcomes of calls from before have no say in it. */
  #era = 0;

  constructor(name: string, { config, onDisconnect, maxStalenessMs }: CircuitOptions, deps: CircuitDeps) {
    this.name = name;
    this.maxStalenessMs = maxStalenessMs;
    this.#onDisconnect = onDisconnect;
    this.#given = config;
    this.#config = config;
    this.#deps = deps;
    this.#machine = this.#fresh();
    this.#refresh();
  }

  get isKnown(): boolean {
    return this.#told !== undefined;
  }

  get isConnected(): boolean {
    return this.#connected;
  }

  get isTimed(): boolean {
    return this.#config.slowCallRate !== null;
  }

  /** Calls back when the service is heard of, or it has stopped; at once where that is so. What it returns forgets it. */
  onceReady(run: () => void): () => void {
    this.#waiting.add(run);
    if (this.#connected || this.#stopped) queueMicrotask(run);
    return () => this.#waiting.delete(run);
  }

  now(): number {
    return this.#deps.clock.monotonic();
  }

  tryAcquire(): BreakerPermit | null {
    if (this.#passing) return new Permit(this, this.#era, this.#epoch);
    if (!this.#isAlone) return null;
    this.#leases += 1;
    const leaseId = `own-${this.#leases}`;
    const { permit } = this.#apply({ type: "acquire", leaseId, clientId: "" });
    return permit?.allowed ? new Permit(this, this.#era, NO_EPOCH, undefined, permit.leaseId) : null;
  }

  /** As `tryAcquire`; where only probes pass the service is asked for one. What it promises never rejects. */
  acquire(): BreakerPermit | null | Promise<BreakerPermit | null> {
    // A human lets all pass, but beneath that the breaker needs probes to close.
    const beneath = this.#passing && this.#connected && this.#machine.automatic.state === "HALF_OPEN";
    if (!beneath) {
      const permit = this.tryAcquire();
      if (permit !== null || !this.#connected || this.#override !== undefined) return permit;
      const { state, retryAfterMs = 0 } = this.#view();
      if (state === "OPEN" && retryAfterMs > 0) return null;
    }
    return this.probes.mayAsk(this.#config.probeConcurrency, this.now()) ? this.#ask() : this.tryAcquire();
  }

  settled({ era, epoch, leaseId, ownLeaseId }: Grant, outcome: Outcome, durationMs: number): void {
    const slow = durationMs > this.#config.slowCallDurationMs;
    let urgent = leaseId !== undefined;
    if (era === this.#era && this.#learning && !leavesAsIs(this.#machine, this.#machine.epoch, outcome, this.#config)) {
      const { epoch: own } = this.#machine;
      const event = {
        type: "outcome",
        epoch: own,
        leaseId: ownLeaseId,
        outcome,
        slow,
        clientId: "",
        times: 1,
      } as const;
      const { transitions } = this.#apply(event);
      if (transitions.length > 0 && this.#connected) {
        urgent = true;
        this.#deps.judge(this);
      }
    }
    if (this.#stopped || this.#override === "DISABLED") return;
    // What was seen in the dark says nothing of the time when it is told.
    if (this.#connected) this.pending.add(epoch, leaseId, outcome, slow);
    else this.pending.add(NO_EPOCH, undefined, outcome, slow);
    this.#deps.report(urgent);
  }

  released({ era, epoch, leaseId, ownLeaseId }: Grant): void {
    if (leaseId !== undefined) {
      if (!this.#connected) return;
      // The service takes a probe back so.
      this.pending.add(epoch, leaseId, "IGNORED", false);
      this.#deps.report(true);
    } else if (ownLeaseId !== undefined && era === this.#era) {
      this.#apply({ type: "release", epoch: this.#machine.epoch, leaseId: ownLeaseId });
    }
  }

  status(): BreakerStatus {
    const { pending } = this;
    return {
      ...this.#view(),
      source: this.#connected && !this.#ahead ? "SERVICE" : "LOCAL",
      connected: this.#connected,
      staleMs: this.#heardAt === undefined ? undefined : this.now() - this.#heardAt,
      override: this.#override,
      unreported: pending.unreported,
      dropped: pending.dropped,
    };
  }

  /** What the service says of it. */
  tell(told: Told, source: Source): void {
    const known = this.#told;
    if (this.#stopped || (known !== undefined && !supersedes(told, known, source))) return;
    this.#told = told;
    this.#config = told.config;
    const moved = known === undefined || known.epoch !== told.epoch || known.createdAt !== told.createdAt;
    if (told.config.minReporters === 1 || !isClosed(told.machine)) this.isolate(undefined);
    else if (moved) this.#checkIsolation();
    // A trip of its own stands until the service has judged it or told of another epoch.
    if (moved || (!this.#ahead && told.machine.automatic.state === "OPEN")) this.#follow(told);
    this.#refresh();
    this.#connectIfFresh();
    if (!this.#connected) this.#schedule();
    if (known === undefined && !this.pending.isEmpty) this.#deps.report(false);
  }

  /** What it says now that it knows all that the client saw. */
  judged(told: Told, isolated: Isolated | undefined): void {
    this.tell(told, "answer");
    this.isolate(isolated);
    if (this.#told === undefined || !this.#ahead || !this.#connected) return;
    this.#follow(this.#told);
    this.#refresh();
  }

  /** The service has no such breaker, at that revision; absent: now. */
  missing(revision?: bigint): void {
    if (this.#stopped) return;
    const known = this.#told;
    if (known !== undefined && (revision === undefined || known.revision <= revision)) {
      if (this.#connected) this.#disconnect();
      this.#told = undefined;
      this.#config = this.#given;
      this.#isolatedUntil = undefined;
      this.#machine = this.#fresh();
      this.#moved(false);
    }
    this.#deps.create(this);
  }

  /** A frame came, at that time, that would have told of changes. */
  heard(at = this.now()): void {
    if (this.#stopped || at < (this.#heardAt ?? Number.NEGATIVE_INFINITY)) return;
    this.#heardAt = at;
    this.#isCut = false;
    this.#connectIfFresh();
  }

  /** The stream is known to be lost: what calls wait for cannot come from the service. */
  cut(): void {
    this.#isCut = true;
    this.#leaveIfCut();
  }

  /** The stream was lost and is back: the service may have forgotten what it held against this client. */
  wasCut(): void {
    this.#checkIsolation();
  }

  /** Whether the service rejects this client alone, as it says after a report or instead of a permit. */
  isolate(isolated: Isolated | undefined): void {
    this.#isolationNews += 1;
    if (this.#stopped || (isolated === undefined && this.#isolatedUntil === undefined)) return;
    this.#isolatedUntil = isolated && this.now() + isolated.retryAfterMs;
    this.#era += 1;
    this.#refresh();
    this.#leaveIfCut();
  }

  /** From now on it decides as if the service were gone, and reports nothing. */
  stop(): void {
    this.#stopped = true;
    if (this.#connected) this.#disconnect();
    this.#tickTimer?.cancel();
    this.#endWaits();
  }

  get #override(): OverrideKind | undefined {
    return this.#told?.override;
  }

  /** Whether its own machine decides. */
  get #isAlone(): boolean {
    return !this.#connected && this.#onDisconnect === "LOCAL" && this.#override === undefined;
  }

  async #ask(): Promise<BreakerPermit | null> {
    const { probes } = this;
    const news = this.#isolationNews;
    probes.asked();
    let answer: AcquirePermitResponse;
    try {
      answer = await this.#deps.ask(this.name);
    } catch {
      probes.refused(this.now());
      return this.tryAcquire();
    } finally {
      probes.answered();
    }
    const { allowed, leaseId } = answer;
    // Answers may overtake each other: of two that say whether it is isolated, that to a report stands.
    const isNews = news === this.#isolationNews;
    if (!allowed) {
      probes.refused(this.now());
      if (answer.isolated && isNews) this.isolate(toIsolated(answer));
      // The state may have changed meanwhile.
      return this.tryAcquire();
    }
    if (leaseId !== "") probes.leased(leaseId, this.now() + this.#config.probeTimeoutMs);
    else if (isNews) this.isolate(undefined);
    return new Permit(this, NO_ERA, Number(answer.epoch), leaseId === "" ? undefined : leaseId);
  }

  #view(): View {
    if (this.#isAlone) this.#apply({ type: "tick" });
    const now = this.now();
    return viewOf(this.#standing(), this.probes.waitMs(now), now);
  }

  #standing(): Standing {
    return {
      override: this.#override,
      isConnected: this.#connected,
      onDisconnect: this.#onDisconnect,
      machine: this.#machine,
      isolatedUntil: this.#isolatedUntil,
    };
  }

  #apply(event: Event): Step {
    const result = step(this.#machine, event, this.#config, { now: this.now(), random: this.#deps.random });
    if (result.machine === this.#machine) return result;
    this.#machine = result.machine;
    if (result.transitions.length > 0) this.#moved(true);
    if (!isClosed(result.machine)) this.#schedule();
    return result;
  }

  #follow({ machine }: Told): void {
    this.#machine = machine;
    this.#moved(false);
  }

  #moved(ahead: boolean): void {
    this.#ahead = ahead;
    this.#era += 1;
    this.probes.clear();
    this.#refresh();
    this.#leaveIfCut();
  }

  /**
   * A breaker that is not closed needs probes, which the service cannot give any more: it goes on alone at once. One that
   * is closed stays with the service's word until that is stale.
   */
  #leaveIfCut(): void {
    if (!this.#isCut || !this.#connected || this.#onDisconnect !== "LOCAL" || this.#override !== undefined) return;
    if (!isClosed(this.#machine) || this.#isolatedUntil !== undefined) this.#disconnect();
  }

  #connectIfFresh(): void {
    if (this.#connected || this.#isCut || this.#told === undefined || this.#heardAt === undefined) return;
    const left = this.#heardAt + this.maxStalenessMs - this.now();
    if (left <= 0) return;
    this.#connected = true;
    this.#tickTimer?.cancel();
    this.#watchStaleness(left);
    // What it came to by itself has no vote.
    if (this.#ahead) this.#follow(this.#told);
    this.#checkIsolation();
    this.#refresh();
    this.#endWaits();
  }

  /** Nobody waits in vain: those who wait for the service see that it was heard of, or that it never will be. */
  #endWaits(): void {
    for (const end of this.#waiting) end();
  }

  #checkIsolation(): void {
    if (this.#connected && this.#isolatedUntil !== undefined) this.#deps.judge(this);
  }

  #watchStaleness(leftMs: number): void {
    this.#staleTimer = this.#deps.clock.setTimer(leftMs, () => {
      const left = (this.#heardAt ?? 0) + this.maxStalenessMs - this.now();
      if (left > 0) this.#watchStaleness(left);
      else this.#disconnect();
    });
  }

  #disconnect(): void {
    this.#connected = false;
    this.#staleTimer?.cancel();
    this.pending.withdraw();
    this.probes.clear();
    if (this.#onDisconnect !== "LOCAL") {
      if (this.#ahead && this.#told !== undefined) this.#follow(this.#told);
    } else if (this.#isolatedUntil !== undefined) {
      const { epoch } = this.#machine;
      const until = this.#isolatedUntil;
      this.#machine = { epoch: epoch + 1, holds: [], automatic: { state: "OPEN", until, reopenings: 0 } };
      this.#isolatedUntil = undefined;
      this.#moved(true);
    }
    this.#refresh();
    this.#schedule();
  }

  #refresh(): void {
    const override = this.#override;
    const isOpenToAll = isClosed(this.#machine) && this.#isolatedUntil === undefined;
    this.#learning = override === undefined && (this.#connected ? isOpenToAll : this.#onDisconnect === "LOCAL");
    this.#epoch = this.#connected && this.#told !== undefined ? this.#told.epoch : NO_EPOCH;
    this.#passing = passesAll(this.#standing());
  }

  /** While it is alone nobody else tells it that time has passed. */
  #schedule(): void {
    this.#tickTimer?.cancel();
    const due = nextTick(this.#machine);
    if (due === undefined || !this.#isAlone || this.#stopped) return;
    this.#tickTimer = this.#deps.clock.setTimer(due - this.now(), () => {
      this.#apply({ type: "tick" });
      // A timer may come a little early.
      this.#schedule();
    });
  }

  #fresh(): Machine {
    const { warmUpMs } = this.#given;
    return warmUpMs === 0 ? CLOSED : { ...CLOSED, warmUntil: this.now() + warmUpMs };
  }
}

/** Of permits in which the client's own machine has no say. */
const NO_ERA = -1;

const isClosed = ({ automatic }: Machine): boolean => automatic.state === "CLOSED";
