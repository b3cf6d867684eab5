// @module-tag soak

import { expect, it } from "vitest";
import { BARE_TEST } from "../../../src/core/modules/calls/generation/trial.ts";
import type { RegistrationFields } from "../../../src/core/modules/record/record.ts";
import type { StepName } from "../../../src/core/modules/record/report.ts";
import type { SwapOptions } from "../../../src/core/modules/swap/state/swap-options.ts";
import { errorOf } from "../../support/errors.ts";
import { describeInEach } from "../../support/isolations.ts";
import { cell, counter, goesOn, MISBEHAVIOURS } from "./cell.ts";

interface Place {
  /** The part of the new version that hangs. Absent: the step takes its time anyway. */
  readonly part?: string;
  readonly fields?: Partial<RegistrationFields>;
  readonly options?: SwapOptions;
}

const PLACES = {
  verify: {},
  start: { part: "start" },
  health: { part: "health" },
  gate: { part: "proof", options: { testSuite: "own" } },
  warm_up: { part: "proof", fields: { reloadHooks: [{ method: "proof", input: null }] } },
  shadow: { fields: { pureMethods: ["same"] }, options: { shadow: {} } },
  hand_over: { part: "importState" },
} as const satisfies Partial<Record<StepName, Place>>;

describeInEach("a cancellation of a swap in a %s", (isolation) => {
  it.each(Object.entries(PLACES))("during %s leaves the old version serving", async (step, place: Place) => {
    const { part, fields, options } = place;
    const v2 = counter(2, part === undefined ? {} : { [part]: MISBEHAVIOURS.hangs });
    const one = await cell({ isolation, v2, ...(fields && { fields }) });
    one.modules.useGate(async (_request, subject) => {
      const { instance } = await subject.start(() => BARE_TEST);
      await instance.invoke("proof", { json: null }, { timeoutMs: 60_000 });
      return { passed: true, detail: "1 of 1 passed" };
    });
    // Only the cancellation ends a stuck step.
    const stuck = one.stuck();
    const inStep = Promise.withResolvers<void>();
    const asked = { newVersionPath: "v2", swapId: "deploy", ...options };
    const swapped = one.modules.swap("counter", asked, {}, (event) => {
      if (event.type === "started" && event.name === step) inStep.resolve();
    });
    await (part === undefined ? inStep.promise : stuck);
    const cancelled = await one.modules.cancelSwap("counter", "deploy", { actor: "ana", reason: "no" });
    const expected = { swapped: false, failedStep: step, failure: "it was cancelled by ana: no", fromVersion: "1" };
    expect(cancelled).toMatchObject(expected);
    expect(await swapped).toMatchObject(expected);
    await goesOn(one, "1");
  });

  it.each(["commit", "drain", "stop"] as const)("during %s comes too late, and the swap ends", async (step) => {
    const one = await cell({ isolation });
    let refused: Promise<unknown> | undefined;
    const swapped = one.modules.swap("counter", { newVersionPath: "v2" }, {}, (event) => {
      if (event.type === "started" && event.name === step) refused = errorOf(one.modules.cancelSwap("counter"));
    });
    expect(await swapped).toMatchObject({ swapped: true, toVersion: "2" });
    expect(await refused).toMatchObject({ reason: "SWAP_COMMITTED" });
    await goesOn(one, "2");
  });
});
