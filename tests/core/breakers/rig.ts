import { createBreakers } from "../../../src/core/breakers/breakers.ts";
import type { BreakerRecord } from "../../../src/core/breakers/record.ts";
import type { Breakers } from "../../../src/core/breakers/types.ts";
import type { Log } from "../../../src/core/log.ts";
import { Feed } from "../../../src/core/store/feed.ts";
import { createMemoryStore } from "../../../src/core/store/memory/store.ts";
import type { Store } from "../../../src/core/store/store.ts";
import type { Permit } from "../../../src/kernel/breakers/machine.ts";
import type { ManualClock } from "../../../src/kernel/clock.ts";
import { watchedClock } from "../../support/clocks.ts";

export interface Rig {
  readonly breakers: Breakers;
  readonly clock: ManualClock;
  readonly store: Store;
  readonly feed: Feed;
  readonly logged: Parameters<Log>[];
  /** The number of pending timers. */
  timers(): number;
  /** From now on every write fails, or every write succeeds. */
  failWrites(fail: boolean): void;
  /** Holds back all writes until the returned function is called. */
  holdWrites(): () => void;
  /** The stored record of a breaker. */
  stored(name: string): Promise<BreakerRecord | undefined>;
  /** The actions of a breaker's changes, oldest first. */
  actions(name: string): Promise<readonly string[]>;
  /** A restart on the same data after `downMs`, with the wall clock stepped by `stepMs` meanwhile. */
  restart(options?: { readonly downMs?: number; readonly stepMs?: number }): Promise<Rig>;
}

/** A store in memory whose writes can be delayed and made to fail. */
function faulty(store: Store) {
  let failing = false;
  let gate: Promise<void> = Promise.resolve();
  const put: Store["put"] = async (key, value, options) => {
    await gate;
    if (failing) throw new Error("disk full");
    return store.put(key, value, options);
  };
  return {
    store: new Proxy(store, {
      get(target, property) {
        if (property === "put") return put;
        const value: unknown = Reflect.get(target, property, target);
        return typeof value === "function" ? value.bind(target) : value;
      },
    }),
    fail: (fail: boolean) => {
      failing = fail;
    },
    hold: () => {
      const held = Promise.withResolvers<void>();
      gate = held.promise;
      return held.resolve;
    },
  };
}

/** Started breakers over a store in memory. */
export async function rig(data: { store?: Store; wallMs?: number; random?: () => number } = {}): Promise<Rig> {
  const { clock, unwatched, timers } = watchedClock(data.wallMs);
  const memory = data.store ?? createMemoryStore({ clock: unwatched, incarnation: "incarnation" });
  const { store, fail, hold } = faulty(memory);
  const feed = new Feed(store);
  const logged: Parameters<Log>[] = [];
  let ids = 0;
  const breakers = createBreakers({
    feed,
    clock,
    newId: () => `id-${++ids}`,
    random: data.random ?? (() => 0.5),
    log: (...entry) => logged.push(entry),
  });
  await feed.start();
  await breakers.start();
  return {
    breakers,
    clock,
    store,
    feed,
    logged,
    timers,
    failWrites: fail,
    holdWrites: hold,
    async stored(name) {
      const entry = await store.get(`breaker/${name}`);
      return entry && (JSON.parse(entry.value) as BreakerRecord);
    },
    async actions(name) {
      return (await store.history(`breaker/${name}`, 1000)).map(({ cause }) => cause.action).reverse();
    },
    async restart({ downMs = 0, stepMs = 0 } = {}) {
      await breakers.close();
      feed.close();
      return rig({ store: memory, wallMs: clock.now() + downMs + stepMs });
    },
  };
}

export function acquired(permit: Permit): Extract<Permit, { allowed: true }> {
  if (!permit.allowed) throw new Error(`rejected: ${permit.state}`);
  return permit;
}

/** Makes calls that are let through and fail. */
export function fail({ breakers }: Pick<Rig, "breakers">, name: string, times: number): void {
  for (let call = 0; call < times; call += 1) breakers.record(name, acquired(breakers.acquire(name)), "FAILURE");
}

/** Makes calls that are let through and succeed. */
export function succeed({ breakers }: Pick<Rig, "breakers">, name: string, times = 1): void {
  for (let call = 0; call < times; call += 1) breakers.record(name, acquired(breakers.acquire(name)), "SUCCESS");
}
