import { callsUntilTrip, step } from "../../../kernel/breakers/breaker.ts";
import type { BreakerConfig } from "../../../kernel/breakers/config.ts";
import {
  CLOSED,
  type Event,
  type Machine,
  type Moment,
  nextTick,
  type Permit,
  type Step,
} from "../../../kernel/breakers/machine.ts";

/**
 * Clients of one breaker whose outcomes are tracked separately. Beyond them, the client that was silent for longest is
 * forgotten. @limit clients
 */
const MAX_CLIENTS = 4096;
/** Silence after which a client's outcomes are no longer tracked separately: the client is forgotten. @limit ms */
const FORGET_MS = 3_600_000;

/** A client whose calls are rejected while those of the other clients go ahead. */
export interface IsolatedClient {
  readonly clientId: string;
  readonly state: "OPEN" | "HALF_OPEN";
  /** How long it will still be rejected. Undefined while it may probe. */
  readonly retryAfterMs: number | undefined;
}

interface Known {
  readonly machine: Machine;
  /** Monotonic ms of its last outcome. */
  readonly heardAt: number;
}

type Verdict = Extract<Event, { type: "trip" | "forget" }>;
type Reported = Extract<Event, { type: "outcome" }>;

/**
 * The machines of single clients, beside the machine that all clients share. They exist for a breaker that trips only if
 * several clients fail (`minReporters` above 1), and while the shared machine is closed. A client whose own machine trips is
 * isolated: its calls are rejected until its own probes succeed.
 */
export class Isolation {
  /** In the order of their last events. */
  readonly #clients = new Map<string, Known>();
  readonly #isolated = new Set<string>();

  get isEmpty(): boolean {
    return this.#isolated.size === 0;
  }

  /** The permit of an isolated client; undefined if the client is not isolated. */
  acquire(clientId: string, leaseId: string, config: BreakerConfig, moment: Moment): Permit | undefined {
    if (!this.#isolated.has(clientId)) return undefined;
    const { permit } = this.#apply(clientId, { type: "acquire", leaseId, clientId }, config, moment);
    return permit?.allowed === false ? { ...permit, isolated: true } : permit;
  }

  /** Counts outcomes of an isolated client. Returns the number of late ones, or undefined if the client is not isolated. */
  outcome(event: Reported, config: BreakerConfig, moment: Moment): number | undefined {
    if (!this.#isolated.has(event.clientId)) return undefined;
    // Only the outcome of a probe counts.
    if (event.leaseId === undefined) return event.times;
    return this.#apply(event.clientId, event, config, moment).late ?? 0;
  }

  /**
   * Counts outcomes of a client that is not isolated. The service's own calls isolate no client. If the client is isolated by
   * them, returns what happens to the shared machine: it trips if `minReporters` clients are isolated now; otherwise it
   * forgets what it counted, because most of that came from this client.
   */
  observe(event: Reported, warmUntil: number | undefined, config: BreakerConfig, moment: Moment): Verdict | undefined {
    const { clientId } = event;
    if (clientId === "") return undefined;
    if (!this.#clients.has(clientId)) {
      const machine = warmUntil === undefined ? CLOSED : { ...CLOSED, warmUntil };
      this.#clients.set(clientId, { machine, heardAt: moment.now });
    }
    this.#apply(clientId, event, config, moment);
    if (!this.#isolated.has(clientId)) return undefined;
    return { type: this.#isQuorum(config, moment) ? "trip" : "forget" };
  }

  /** After how many calls with that outcome the client would be isolated; undefined if it would not be. */
  callsUntil(
    event: Reported,
    warmUntil: number | undefined,
    config: BreakerConfig,
    moment: Moment,
  ): number | undefined {
    if (event.clientId === "") return undefined;
    const fresh = warmUntil === undefined ? CLOSED : { ...CLOSED, warmUntil };
    const machine = caughtUp(this.#clients.get(event.clientId)?.machine ?? fresh, config, moment);
    return callsUntilTrip(machine, { ...event, epoch: machine.epoch }, { ...config, minReporters: 1 }, moment.now);
  }

  /** Forgets a client that is gone. Returns how many of its probes will never report. */
  lose(clientId: string): number {
    const { automatic } = this.#clients.get(clientId)?.machine ?? CLOSED;
    this.#drop(clientId);
    return automatic.state === "HALF_OPEN" ? automatic.leases.length : 0;
  }

  /** Undefined if the client is not isolated. */
  find(clientId: string, config: BreakerConfig, moment: Moment): IsolatedClient | undefined {
    const known = this.#isolated.has(clientId) ? this.#clients.get(clientId) : undefined;
    if (known === undefined) return undefined;
    const machine = caughtUp(known.machine, config, moment);
    // An opening that was due is kept, so that its time runs from then, however often this is called.
    if (machine !== known.machine) this.#clients.set(clientId, { ...known, machine });
    const { automatic } = machine;
    if (automatic.state === "CLOSED") return undefined;
    const retryAfterMs = automatic.state === "OPEN" ? Math.max(0, automatic.until - moment.now) : undefined;
    return { clientId, state: automatic.state, retryAfterMs };
  }

  /** By id. */
  list(config: BreakerConfig, moment: Moment): readonly IsolatedClient[] {
    this.#forget(moment.now);
    return [...this.#isolated].sort().flatMap((clientId) => this.find(clientId, config, moment) ?? []);
  }

  clear(): void {
    this.#clients.clear();
    this.#isolated.clear();
  }

  #apply(clientId: string, event: Event, config: BreakerConfig, moment: Moment): Step {
    const before = caughtUp(this.#clients.get(clientId)?.machine ?? CLOSED, config, moment);
    // The epoch of an event is the shared machine's. Events of an earlier epoch do not come here.
    const own = event.type === "outcome" ? { ...event, epoch: before.epoch } : event;
    const result = step(before, own, { ...config, minReporters: 1 }, moment);
    this.#clients.delete(clientId);
    this.#clients.set(clientId, { machine: result.machine, heardAt: moment.now });
    if (result.machine.automatic.state === "CLOSED") this.#isolated.delete(clientId);
    else this.#isolated.add(clientId);
    this.#forget(moment.now);
    return result;
  }

  #isQuorum(config: BreakerConfig, moment: Moment): boolean {
    if (this.#isolated.size < config.minReporters) return false;
    return this.list(config, moment).filter(({ state }) => state === "OPEN").length >= config.minReporters;
  }

  #forget(now: number): void {
    for (const [clientId, { heardAt }] of this.#clients) {
      if (this.#clients.size <= MAX_CLIENTS && heardAt >= now - FORGET_MS) return;
      this.#drop(clientId);
    }
  }

  #drop(clientId: string): void {
    this.#clients.delete(clientId);
    this.#isolated.delete(clientId);
  }
}

/** The machine after all ticks that were due by now, each at its own time. The machines of clients have no timers. */
function caughtUp(machine: Machine, config: BreakerConfig, { now, random }: Moment): Machine {
  let current = machine;
  for (let due = nextTick(current); due !== undefined && due <= now; due = nextTick(current))
    current = step(current, { type: "tick" }, { ...config, minReporters: 1 }, { now: due, random }).machine;
  return current;
}
