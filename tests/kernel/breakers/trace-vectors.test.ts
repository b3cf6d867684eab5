import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { step } from "../../../src/kernel/breakers/breaker.ts";
import type { BreakerConfig } from "../../../src/kernel/breakers/config.ts";
import {
  CLOSED,
  type Event,
  effectiveState,
  type Machine,
  nextTick,
  overrideOf,
} from "../../../src/kernel/breakers/machine.ts";
import type { Hold, OverrideKind } from "../../../src/kernel/breakers/policy/holds.ts";

type Json = Readonly<Record<string, unknown>>;

interface StepJson {
  readonly at_ms: number;
  readonly random: number;
  readonly event: Json;
  readonly permit?: Json;
  readonly transitions?: readonly string[];
  readonly late?: number;
  readonly expired?: number;
  readonly state: string;
  readonly automatic_state: string;
  readonly override: string | null;
  readonly epoch: number;
  readonly next_tick_ms: number | null;
}

interface HoldJson {
  readonly id: string;
  readonly override: OverrideKind;
  readonly until_ms: number | null;
}

const FILE = new URL("../../../testdata/breakers.json", import.meta.url);
const { traces } = JSON.parse(readFileSync(FILE, "utf8")) as {
  readonly traces: readonly { readonly config: Json; readonly steps: readonly StepJson[] }[];
};

const camelCase = (members: Json): Json =>
  Object.fromEntries(
    Object.entries(members).map(([name, value]) => [
      name.replace(/_([a-z])/g, (_, a: string) => a.toUpperCase()),
      value,
    ]),
  );

function eventOf(json: Json): Event {
  if (json.type !== "hold") return camelCase(json) as unknown as Event;
  const holds = (json.holds as readonly HoldJson[]).map(({ id, override, until_ms }): Hold => {
    const hold = { id, kind: override, action: "SetBreakerOverride", time: 0 };
    return until_ms === null ? hold : { ...hold, until: until_ms };
  });
  return { type: "hold", holds };
}

describe("testdata/breakers.json", () => {
  const steps = traces.flatMap((trace) => trace.steps);

  it("covers every event, transition, state and kind of permit", () => {
    expect(new Set(steps.map(({ event }) => event.type))).toEqual(
      new Set(["acquire", "outcome", "release", "lost", "tick", "hold", "forget", "trip", "reset"]),
    );
    expect(new Set(steps.flatMap(({ transitions = [] }) => transitions))).toEqual(
      new Set([
        ...["Trip", "WouldTrip", "HalfOpen", "Close", "Reopen", "LeaseExpired", "ClientLost"],
        ...["HoldExpired", "SetBreakerOverride", "ResetBreaker"],
      ]),
    );
    expect(new Set(steps.map(({ state, automatic_state }) => `${state} ${automatic_state}`)).size).toBe(7);
    expect(new Set(steps.map(({ override }) => override)).size).toBe(5);
    expect(
      new Set(steps.flatMap(({ permit }) => (permit === undefined ? [] : [Object.keys(permit).join()]))).size,
    ).toBe(6);
    expect(steps.some(({ late }) => late !== undefined)).toBe(true);
    expect(steps.some(({ expired }) => expired !== undefined)).toBe(true);
  });

  it.each(traces.map(({ config, steps: all }, index) => [index, camelCase(config), all] as const))(
    "trace %i is what the kernel does",
    (_, fields, all) => {
      const config = fields as unknown as BreakerConfig;
      let machine: Machine = { ...CLOSED, warmUntil: config.warmUpMs === 0 ? undefined : config.warmUpMs };
      for (const { at_ms, random, event, ...expected } of all) {
        const result = step(machine, eventOf(event), config, { now: at_ms, random: () => random });
        machine = result.machine;
        const { permit, transitions = [], late = 0, expired = 0, ...after } = expected;
        expect(result.permit).toEqual(permit && camelCase(permit));
        expect(result.transitions.map(({ action }) => action)).toEqual(transitions);
        expect([result.late ?? 0, result.expired ?? 0]).toEqual([late, expired]);
        expect(after).toEqual({
          state: effectiveState(machine),
          automatic_state: machine.automatic.state,
          override: overrideOf(machine) ?? null,
          epoch: machine.epoch,
          next_tick_ms: nextTick(machine) ?? null,
        });
      }
    },
  );
});
