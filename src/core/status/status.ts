import type { Breakers } from "../breakers/types.ts";
import type { Flags } from "../flags/types.ts";
import type { Modules } from "../modules/types.ts";
import type { Feed } from "../store/feed.ts";
import type { SetBack } from "../store/set-back.ts";
import type { RunRecord } from "../testing/runs/record.ts";
import type { Testing } from "../testing/types.ts";
import type { EventDomain } from "./events.ts";

/** A part of the system that does not work as it should. */
export interface Unhealthy {
  readonly domain: EventDomain | "STORE";
  readonly name: string;
  readonly state: string;
  readonly why: string;
  /** Wall time in ms. */
  readonly since: number | undefined;
}

export interface DomainStatus {
  readonly total: number;
  readonly byState: Readonly<Record<string, number>>;
  /** Number of open watches. */
  readonly watchers: number;
}

/** The state of the whole engine. */
export interface EngineStatus {
  readonly revision: number;
  /** True if every flag can be evaluated, and every module that should run either runs or is known to have failed. */
  readonly ready: boolean;
  readonly unhealthy: readonly Unhealthy[];
  readonly modules: DomainStatus;
  readonly flags: DomainStatus;
  readonly breakers: DomainStatus;
  readonly tests: DomainStatus;
}

export interface StatusDeps {
  readonly feed: Feed;
  readonly flags: Flags;
  readonly breakers: Breakers;
  readonly modules: Modules;
  readonly testing: Testing;
  readonly setBack: () => SetBack | undefined;
}

export function createStatus({ feed, flags, breakers, modules, testing, setBack }: StatusDeps): () => EngineStatus {
  return () => ({
    revision: feed.revision,
    ready: modules.isSettled,
    unhealthy: [
      ...storeTroubles(feed, setBack()),
      ...failedModules(modules),
      ...unhealthyModules(modules),
      ...openBreakers(breakers),
    ],
    modules: domain(
      modules.list().map(({ record }) => record.lifecycle.state),
      modules.hub.watcherCount,
    ),
    flags: flagsDomain(flags),
    breakers: domain(
      breakers.list().map(({ state }) => state),
      breakers.hub.watcherCount,
    ),
    tests: domain(
      testing.allRuns().map(({ record }) => runState(record)),
      0,
    ),
  });
}

function flagsDomain({ count, hub }: Flags): DomainStatus {
  const { total, enabled } = count();
  const states = { ENABLED: enabled, DISABLED: total - enabled };
  const byState = Object.fromEntries(Object.entries(states).filter(([, those]) => those > 0));
  return { total, byState, watchers: hub.watcherCount };
}

function domain(states: readonly string[], watchers: number): DomainStatus {
  const byState: Record<string, number> = {};
  for (const state of states) byState[state] = (byState[state] ?? 0) + 1;
  return { total: states.length, byState, watchers };
}

/** The trouble is reported until the next start, because lost data does not come back. */
function storeTroubles({ store }: Feed, setBack: SetBack | undefined): Unhealthy[] {
  const troubles: Unhealthy[] = [];
  const { refusal } = store.writable;
  if (refusal !== undefined) {
    const { problem, since } = refusal;
    troubles.push({ domain: "STORE", name: "writes", state: "REFUSED", why: problem, since });
  }
  if (setBack !== undefined) {
    const why = `clients have seen revision ${setBack.seen}, but the store was at ${setBack.head}: the store was replaced by an older copy`;
    troubles.push({ domain: "STORE", name: "data", state: "SET_BACK", why, since: setBack.time });
  }
  return troubles;
}

function failedModules(modules: Modules): Unhealthy[] {
  return modules.list().flatMap(({ name, record: { lifecycle } }) => {
    if (lifecycle.state !== "FAILED") return [];
    const { step, message, time } = lifecycle.failure;
    return [{ domain: "MODULES", name, state: "FAILED", why: `${step}: ${message}`, since: time }];
  });
}

function unhealthyModules(modules: Modules): Unhealthy[] {
  return modules.list().flatMap(({ name }) => {
    const health = modules.health(name);
    if (health?.state !== "UNHEALTHY") return [];
    return [{ domain: "MODULES", name, state: "UNHEALTHY", why: `health: ${health.message}`, since: health.since }];
  });
}

function openBreakers(breakers: Breakers): Unhealthy[] {
  return breakers.list().flatMap(({ name, state, override, resource }) => {
    if (state === "CLOSED") return [];
    const { action, time, reason } = override ?? resource.record.transition;
    return [{ domain: "BREAKERS", name, state, why: reason ? `${action}: ${reason}` : action, since: time }];
  });
}

function runState({ state, passed }: RunRecord): string {
  if (state !== "COMPLETED") return state;
  return passed ? "PASSED" : "FAILED";
}
