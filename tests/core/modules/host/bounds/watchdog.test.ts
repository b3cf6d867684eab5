import { expect, it } from "vitest";
import { createManualClock } from "../../../../../src/core/index.ts";
import { startWatchdog, type Watchdog } from "../../../../../src/core/modules/host/bounds/watchdog.ts";
import { turn } from "../../../../support/turns.ts";

function watched(blockTimeoutMs: number) {
  const clock = createManualClock();
  let pings = 0;
  const blocked: string[] = [];
  const watchdog: Watchdog = startWatchdog({
    clock,
    blockTimeoutMs,
    ping: () => {
      pings += 1;
    },
    blocked: (description) => blocked.push(description),
  });
  /** Lets time pass while the service's event loop runs as often as the watchdog checks. */
  const pass = async (ms: number, during: () => void = () => {}): Promise<void> => {
    for (let passed = 0; passed < ms; passed += 100) {
      clock.advance(100);
      during();
      await turn();
      await turn();
    }
  };
  return { clock, watchdog, blocked, pass, pings: () => pings };
}

it("an instance that answers nothing is reported as blocked once, after its timeout and not before", async () => {
  const { pass, blocked } = watched(5000);
  await pass(5000);
  expect(blocked).toEqual([]);
  await pass(1000);
  expect(blocked).toEqual(["event loop blocked for 5 s"]);
  await pass(60_000);
  expect(blocked).toHaveLength(1);
});

it("an instance that answers lives on, and is asked again a second later", async () => {
  const { pass, blocked, watchdog, pings } = watched(5000);
  await pass(60_000, () => watchdog.heard(true));
  expect(blocked).toEqual([]);
  expect(pings()).toBe(60);
});

it("an instance is not asked again while it has not answered", async () => {
  const { pass, pings } = watched(0);
  await pass(60_000);
  expect(pings()).toBe(1);
});

it("an answer restarts the timeout", async () => {
  const { pass, blocked, watchdog } = watched(5000);
  for (let round = 0; round < 5; round += 1) {
    await pass(4900);
    watchdog.heard(true);
  }
  expect(blocked).toEqual([]);
});

it("an instance that sends other messages without an answer has three times the timeout", async () => {
  const { pass, blocked, watchdog } = watched(5000);
  await pass(15_000, () => watchdog.heard(false));
  expect(blocked).toEqual([]);
  await pass(4000, () => watchdog.heard(false));
  expect(blocked).toEqual(["event loop blocked for 15 s"]);
});

it("time in which the service itself did not run does not count", async () => {
  const { clock, blocked, pass } = watched(5000);
  // At most one check falls into a stall, however long it is.
  for (let stall = 0; stall < 4; stall += 1) {
    clock.advance(3_600_000);
    await turn();
    await turn();
  }
  expect(blocked).toEqual([]);
  await pass(2000);
  expect(blocked).toHaveLength(1);
});

it("with a timeout of 0, no instance is ever blocked", async () => {
  const { pass, blocked } = watched(0);
  await pass(600_000);
  expect(blocked).toEqual([]);
});

it("as many pongs count as pings were sent, whatever other messages came before them", async () => {
  const { pass, watchdog, pings } = watched(5000);
  expect(watchdog.ponged()).toBe(false);
  await pass(2000, () => watchdog.heard(true));
  expect(pings()).toBe(2);
  expect([watchdog.ponged(), watchdog.ponged(), watchdog.ponged()]).toEqual([true, true, false]);
});

it("a stopped watchdog reports nothing more", async () => {
  const { pass, blocked, watchdog, pings } = watched(1000);
  watchdog.stop();
  await pass(10_000);
  expect([blocked, pings()]).toEqual([[], 0]);
});
