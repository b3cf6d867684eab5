// @module-tag soak

import { describe, expect, it } from "vitest";
import { BARE_TEST } from "../../../src/core/modules/calls/generation/trial.ts";
import type { RegistrationFields } from "../../../src/core/modules/record/record.ts";
import type { StepName } from "../../../src/core/modules/record/report.ts";
import type { SwapOptions } from "../../../src/core/modules/swap/state/swap-options.ts";
import { describeInEach } from "../../support/isolations.ts";
import { bodyOf, CALL_MS, cell, counter, goesOn, type Misbehaviour, possibleIn, REASONS } from "./cell.ts";

interface Place {
  /** The part of the module that misbehaves. */
  readonly part: string;
  readonly step: StepName;
  readonly fields?: Partial<RegistrationFields>;
  readonly options?: SwapOptions;
  readonly except?: readonly Misbehaviour[];
}

const PLACES: Readonly<Record<string, Place>> = {
  "during its import": { part: "import", step: "start" },
  // A constructor cannot wait.
  "in its constructor": { part: "construct", step: "start", except: ["hangs", "computes for ever"] },
  "in start": { part: "start", step: "start" },
  "in health": { part: "health", step: "health" },
  "in a method that its tests call": { part: "proof", step: "gate", options: { testSuite: "own" } },
  "in a method that a reload hook calls": {
    part: "proof",
    step: "warm_up",
    fields: { reloadHooks: [{ method: "proof", input: null }] },
  },
  "in importState": { part: "importState", step: "hand_over" },
};

describeInEach("a candidate in a %s", (isolation) => {
  const possible = possibleIn(isolation);

  describe.each(Object.entries(PLACES))("%s", (_, { part, step, fields, options, except = [] }) => {
    it.each(possible.filter((what) => !except.includes(what)))("%s: the old version serves on", async (what) => {
      const v2 = counter(2, { [part]: bodyOf(what, isolation) });
      const one = await cell({ isolation, v2, ...(fields && { fields }) });
      one.modules.useGate(async (_request, subject) => {
        const { instance } = await subject.start(() => BARE_TEST);
        const output = await instance.invoke("proof", { json: null }, { timeoutMs: CALL_MS });
        return { passed: "json" in output && output.json === "fine", detail: "1 of 1 passed" };
      });
      const result = await one.swap(options);
      expect(result).toMatchObject({ swapped: false, failedStep: step, fromVersion: "1" });
      expect(result.failure).toMatch(REASONS[what]);
      await goesOn(one, "1");
    });
  });
});
