import { describe, expect, it, vi } from "vitest";
import type { BreakerConfigFields } from "../../../src/kernel/breakers/config.ts";
import { type Rig, rig } from "./rig.ts";

// Reading the clock costs as much as all the rest of a call, so these tests count how often it is read.

async function withConfig(config: BreakerConfigFields): Promise<Rig> {
  const setup = await rig();
  await setup.breakers.getOrCreate("api", config);
  return setup;
}

/** How often the clock is read during a successful call, and during a call that takes this long. */
async function readings(config: BreakerConfigFields): Promise<number> {
  const { breakers, clock } = await withConfig(config);
  const handle = breakers.handle("api");
  for (let call = 0; call < 3; call += 1) await handle.call(() => 1);
  const monotonic = vi.spyOn(clock, "monotonic");
  for (let call = 0; call < 10; call += 1) await handle.call(() => 1);
  await breakers.close();
  return monotonic.mock.calls.length / 10;
}

/** How many of two calls are slow: one of 100 ms, and one of 61 s. */
async function slow(config: BreakerConfigFields): Promise<number> {
  const { breakers, clock } = await withConfig(config);
  for (const ms of [100, 61_000]) {
    await breakers.handle("api").call(() => clock.advance(ms));
  }
  const { counts } = breakers.get("api");
  await breakers.close();
  expect(counts.successes).toBe(2);
  return counts.slow;
}

describe("a successful call through a handle", () => {
  it.each([
    ["by default", {}, 1],
    ["with a rate over a time", { failureRate: 0.5, windowMs: 10_000 }, 1],
    ["with a rate over a number of calls", { failureRate: 0.5 }, 1],
    ["if slow calls can open the breaker", { slowCallRate: 0.5 }, 2],
    ["if its configuration says which calls are slow", { slowCallDurationMs: 50 }, 2],
  ])("%s, reads the clock as often as it must", async (_, config, times) => {
    expect(await readings(config)).toBe(times);
  });

  it.each([
    ["does not count as slow by default, however long it takes", {}, 0],
    ["counts as slow if slow calls can open the breaker", { slowCallRate: 1, minimumCalls: 10 }, 1],
    ["counts as slow if its configuration says which calls are slow", { slowCallDurationMs: 50 }, 2],
  ])("%s", async (_, config, expected) => {
    expect(await slow(config)).toBe(expected);
  });
});
