// The traces of testdata/breakers.json: events of a breaker, and what the kernel answers to each of them.

import { step } from "../src/kernel/breakers/breaker.ts";
import type { BreakerConfig } from "../src/kernel/breakers/config.ts";
import {
  CLOSED,
  type Event,
  effectiveState,
  type Machine,
  nextTick,
  type Outcome,
  overrideOf,
  type Permit,
  type Step,
} from "../src/kernel/breakers/machine.ts";
import { DEFAULT_CONFIG } from "../src/kernel/breakers/policy/defaults.ts";
import { type OverrideKind, withHold, withoutHold } from "../src/kernel/breakers/policy/holds.ts";
import { seeded } from "./seeded.ts";

const TRACES = 100;
const STEPS = 60;
const SEED = 20_261_201;

const CLIENTS = ["", "a", "b", "c"];
const KINDS: readonly OverrideKind[] = ["FORCED_OPEN", "FORCED_CLOSED", "DISABLED", "METRICS_ONLY", "METRICS_ONLY"];

/** Each config is chosen from these values. The times are short, so that a trace meets all states. */
const CHOICES: { readonly [Key in keyof BreakerConfig]: readonly BreakerConfig[Key][] } = {
  failureThreshold: [1, 2, 3, 5],
  timeoutMs: [1, 100, 1000],
  successThreshold: [1, 2, 4],
  probeConcurrency: [1, 2, 3],
  probeTimeoutMs: [50, 500],
  failureRate: [null, null, 0.1, 0.5, 1],
  slowCallRate: [null, null, 0.3, 1],
  slowCallDurationMs: [DEFAULT_CONFIG.slowCallDurationMs],
  windowCalls: [1, 5, 12],
  windowMs: [0, 0, 1000],
  minimumCalls: [1, 4, 10],
  timeoutMultiplier: [1, 2, 10],
  maxTimeoutMs: [1, 5000, 600_000],
  jitter: [0, 0, 0.5, 1],
  probeFailureRate: [0, 0.5, 1],
  minReporters: [1, 1, 2, 3],
  warmUpMs: [0, 0, 0, 300],
};

type Random = () => number;
const oneOf = <T>(random: Random, all: readonly T[]): T => all[Math.floor(random() * all.length)] as T;

function anyConfig(random: Random): BreakerConfig {
  const chosen = Object.entries(CHOICES).map(([key, values]) => [key, oneOf<unknown>(random, values)]);
  return Object.fromEntries(chosen) as unknown as BreakerConfig;
}

/** What an event does, by how often it occurs. */
const ACTS = [
  ...Array<"acquire">(24).fill("acquire"),
  ...Array<"outcome">(40).fill("outcome"),
  ...Array<"tick">(4).fill("tick"),
  ...Array<"lost">(3).fill("lost"),
  ...Array<"release" | "unhold">(4).fill("release").fill("unhold", 2),
  ...Array<"hold">(3).fill("hold"),
  "forget",
  "trip",
  "reset",
] as const;

interface Granted {
  readonly epoch: number;
  readonly leaseId: string | undefined;
  readonly clientId: string;
}

/** The outcomes of a dependency that works, that is disturbed, and that is down. They take turns. */
const MOODS: readonly (readonly Outcome[])[] = [
  ["SUCCESS", "SUCCESS", "SUCCESS", "SUCCESS", "SUCCESS", "IGNORED"],
  ["SUCCESS", "SUCCESS", "FAILURE", "FAILURE", "IGNORED"],
  ["FAILURE", "FAILURE", "FAILURE", "FAILURE", "SUCCESS"],
];
const DELAYS_MS = [1, 10, 49, 60, 300, 1200];

/** Invents events that concern what has happened before. */
class Events {
  readonly #random: Random;
  #mood: readonly Outcome[] = ["SUCCESS"];
  readonly #granted: Granted[] = [];
  #leases = 0;

  constructor(random: Random) {
    this.#random = random;
  }

  /** Remembers a permit, so that its outcome can follow. */
  granted(event: Event, permit: Permit | undefined): void {
    if (event.type !== "acquire" || permit?.allowed !== true) return;
    this.#granted.push({ epoch: permit.epoch, leaseId: permit.leaseId, clientId: event.clientId });
  }

  next(machine: Machine, now: number): Event {
    const random = this.#random;
    const act = oneOf(random, ACTS);
    if (random() < 0.1) this.#mood = oneOf(random, MOODS);
    // Usually a recent permit. Some outcomes are reported twice, or after their epoch.
    const recent = this.#granted.slice(-3);
    const permit = recent.length === 0 ? undefined : oneOf(random, recent);
    switch (act) {
      case "outcome":
        return permit === undefined ? { type: "tick" } : this.#outcome(permit);
      case "release":
        return permit === undefined
          ? { type: "tick" }
          : { type: "release", epoch: permit.epoch, leaseId: permit.leaseId };
      case "acquire":
        this.#leases += 1;
        return { type: "acquire", leaseId: `lease-${this.#leases}`, clientId: oneOf(random, CLIENTS) };
      case "lost":
        return { type: "lost", clientId: permit?.clientId ?? "a" };
      case "hold": {
        const ttlMs = oneOf(random, [undefined, 700]);
        const expiry = ttlMs === undefined ? {} : { ttlMs, until: now + ttlMs };
        const hold = {
          id: oneOf(random, ["x", "y"]),
          kind: oneOf(random, KINDS),
          action: "SetBreakerOverride",
          time: now,
        };
        return { type: "hold", holds: withHold(machine.holds, { ...hold, ...expiry }) };
      }
      case "unhold":
        return { type: "hold", holds: withoutHold(machine.holds, oneOf(random, ["x", "y"])) };
      default:
        return { type: act };
    }
  }

  #outcome({ epoch, leaseId, clientId }: Granted): Event {
    const random = this.#random;
    const outcome = oneOf(random, this.#mood);
    const times = leaseId === undefined ? oneOf(random, [1, 1, 1, 2, 7]) : 1;
    return { type: "outcome", epoch, leaseId, outcome, slow: random() < 0.3, clientId, times };
  }
}

/** Returns the traces. Each begins with a closed breaker at time 0. */
export function breakerTraces(): readonly object[] {
  return Array.from({ length: TRACES }, (_, index) => trace(seeded(SEED + index)));
}

function trace(random: Random): object {
  const config = anyConfig(random);
  const warmUntil = config.warmUpMs === 0 ? undefined : config.warmUpMs;
  const events = new Events(random);
  let machine: Machine = { ...CLOSED, warmUntil };
  let now = 0;
  const steps = Array.from({ length: STEPS }, () => {
    now += random() < 0.2 ? oneOf(random, DELAYS_MS) : 0;
    const event = changing(events.next(machine, now), machine);
    const jitter = Math.floor(random() * 1000) / 1000;
    const result = step(machine, event, config, { now, random: () => jitter });
    machine = result.machine;
    events.granted(event, result.permit);
    return { at_ms: now, random: jitter, event: eventText(event), ...resultText(result) };
  });
  return { config: snakeCase(config), steps };
}

/** The kernel ignores holds that are the present ones by identity, which other languages may not have. */
function changing(event: Event, { holds }: Machine): Event {
  return event.type === "hold" && event.holds === holds ? { type: "tick" } : event;
}

function eventText(event: Event): object {
  if (event.type !== "hold") return snakeCase(event);
  const holds = event.holds.map(({ id, kind, until = null }) => ({ id, override: kind, until_ms: until }));
  return { type: "hold", holds };
}

function resultText({ machine, transitions, permit, late = 0, expired = 0 }: Step): object {
  const { epoch, automatic } = machine;
  return {
    ...(permit === undefined ? {} : { permit: snakeCase(permit) }),
    ...(transitions.length === 0 ? {} : { transitions: transitions.map(({ action }) => action) }),
    ...(late === 0 ? {} : { late }),
    ...(expired === 0 ? {} : { expired }),
    state: effectiveState(machine),
    automatic_state: automatic.state,
    override: overrideOf(machine) ?? null,
    epoch,
    next_tick_ms: nextTick(machine) ?? null,
  };
}

/** The members with the names of the contract, in snake_case. Members that are undefined are left out. */
function snakeCase(members: object): object {
  const entries = Object.entries(members).filter(([, value]) => value !== undefined);
  return Object.fromEntries(
    entries.map(([name, value]) => [name.replace(/[A-Z]/g, (a) => `_${a.toLowerCase()}`), value]),
  );
}
