// @module-tag soak

import { expect, it } from "vitest";
import { startTraffic } from "../../core/modules/traffic.ts";
import { describeInEach } from "../../support/isolations.ts";
import { bodyOf, cell, counter, goesOn, type Misbehaviour, possibleIn, REASONS } from "./cell.ts";

describeInEach("a candidate in a %s", (isolation) => {
  it.each(possibleIn(isolation))(
    "does not affect callers if it %s on their mirrored calls",
    async (what: Misbehaviour) => {
      const v2 = counter(2, { same: bodyOf(what, isolation) });
      const one = await cell({ isolation, v2, fields: { pureMethods: ["same"] } });
      const shown = startTraffic(() => one.patiently("same", 1), 2);
      const result = await one.swap({ shadow: { minCalls: 20 } });
      expect(result).toMatchObject({ swapped: false, failedStep: "shadow", fromVersion: "1" });
      expect(result.failure).toMatch(/of \d+ answers differ; same/);
      expect(result.failure).toMatch(REASONS[what]);
      expect(result.shadow?.failed).toBeGreaterThan(0);
      await goesOn(one, "1", true, shown);
    },
  );
});
