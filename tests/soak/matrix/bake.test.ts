// @module-tag soak

import { expect, it } from "vitest";
import { STOP_TIMEOUT_MS } from "../../../src/core/modules/calls/generations.ts";
import { errorOf } from "../../support/errors.ts";
import { describeInEach } from "../../support/isolations.ts";
import { turn } from "../../support/turns.ts";
import { bodyOf, cell, counter, goesOn, type Misbehaviour, possibleIn } from "./cell.ts";

/** The outcomes of a call to an instance that then fails. */
const DELIVERED = ["MODULE_CRASHED", "MODULE_DEADLINE_EXCEEDED"];

describeInEach("a version on trial in a %s", (isolation) => {
  it.each(["throws", "hangs"] as const)("goes back, and loses nothing, if one of its methods %s", async (what) => {
    // A hanging call is given up after call_timeout.
    const fields = { callTimeoutMs: 3000 };
    const one = await cell({ isolation, fields, v2: counter(2, { call: bodyOf(what, isolation) }) });
    const begun = Promise.withResolvers<void>();
    const options = { newVersionPath: "v2", bakeMs: 60_000, bakeMaxErrorRate: 0, bakeMinCalls: 1 };
    const swapped = one.modules.swap("counter", options, {}, (event) => {
      if (event.type === "started" && event.name === "bake") begun.resolve();
    });
    await begun.promise;
    await one.traffic.more(10);
    const { reason } = await errorOf(one.modules.invoke("counter", "call", { json: null }, { timeoutMs: 300 }));
    expect(reason).toBe(what === "throws" ? "MODULE_METHOD_FAILED" : "MODULE_DEADLINE_EXCEEDED");
    const result = await swapped;
    expect(result).toMatchObject({ swapped: false, failedStep: "bake" });
    expect(result.failure).toMatch(/of its \d+ calls failed/);
    await goesOn(one, "1");
  });

  const ending = possibleIn(isolation).filter((what) => what === "exits" || what === "eats memory");
  it.each(ending)("goes back if it %s, and only the calls in it fail", async (what) => {
    const one = await cell({ isolation, v2: counter(2, { call: bodyOf(what, isolation) }) });
    const begun = Promise.withResolvers<void>();
    const swapped = one.swap({ bakeMs: 60_000 }, (event) => {
      if (event.type === "started" && event.name === "bake") begun.resolve();
    });
    await begun.promise;
    await one.traffic.more(10);
    expect(await errorOf(one.call("counter", "call"))).toMatchObject({ reason: "MODULE_CRASHED" });
    const result = await swapped;
    expect(result).toMatchObject({ swapped: false, failedStep: "bake" });
    expect(result.failure).toMatch(what === "exits" ? /exit code 7/ : /out of memory/);
    const failed = await goesOn(one, "1", false);
    expect(failed.filter((reason) => !DELIVERED.includes(reason))).toEqual([]);
    // Each of the callers had at most one call under way.
    expect(failed.length).toBeLessThanOrEqual(4);
  });

  const blocking = possibleIn(isolation).filter((what): what is Misbehaviour => / for ever$/.test(what));
  it.each(blocking)("goes back if it %s, and only the calls in it fail", async (what) => {
    const fields = { callTimeoutMs: 1000, breaker: { failureThreshold: 1000 } };
    const one = await cell({ isolation, fields, v2: counter(2, { call: bodyOf(what, isolation) }) });
    const begun = Promise.withResolvers<void>();
    const options = { bakeMs: 60_000, bakeMaxErrorRate: 0, bakeMinCalls: 1 };
    const swapped = one.modules.swap("counter", { newVersionPath: "v2", ...options }, {}, (event) => {
      if (event.type !== "started") return;
      if (event.name === "bake") begun.resolve();
      // A stuck instance does not stop by itself.
      if (event.name === "stop") void turn().then(() => one.losePatience(STOP_TIMEOUT_MS));
    });
    await begun.promise;
    await one.traffic.more(10);
    expect(await errorOf(one.call("counter", "call"))).toMatchObject({ reason: "MODULE_DEADLINE_EXCEEDED" });
    const result = await swapped;
    expect(result).toMatchObject({ swapped: false, failedStep: "bake" });
    expect(result.failure).toMatch(/of its \d+ calls failed/);
    const failed = await goesOn(one, "1", false);
    expect(failed.filter((reason) => !DELIVERED.includes(reason))).toEqual([]);
  });
});
