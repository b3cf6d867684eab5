import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { describe, expect, it } from "vitest";
import { Strategy } from "../../gen/helios/v1/flag_pb.ts";
import { rig } from "./flag-rig.ts";
import { failure } from "./served.ts";

const FIRST = { seconds: -62_135_596_800n, nanos: 0 };
const LAST = { seconds: 253_402_300_799n, nanos: 999_999_999 };

describe("a time at the end of the calendar", () => {
  it("is accepted wherever a flag is read, to the nanosecond", async () => {
    const { client } = await rig();
    await client.createFlag({ flag: { name: "a", enabled: true } });
    for (const atTime of [FIRST, LAST]) {
      expect((await client.evaluateFlags({ names: ["a"], atTime })).evaluations).toHaveLength(1);
      for (const ask of ["evaluateFlag", "explainFlag"] as const) {
        const asked = client[ask]({ name: "a", atTime });
        if (atTime === LAST) expect(await asked).toMatchObject({ evaluation: { enabled: true } });
        else expect(await failure(asked)).toMatchObject({ reason: "FLAG_NOT_FOUND" });
      }
    }
  });

  it("is accepted for a schedule, and digits finer than milliseconds are cut everywhere", async () => {
    const { client, clock } = await rig();
    const share = { name: "a", initialPercentage: 0, targetPercentage: 100, allowMissing: true };
    const { flag } = await client.setGradual({ ...share, endTime: LAST });
    expect(flag?.gradual?.endTime).toMatchObject({ seconds: LAST.seconds, nanos: 999_000_000 });
    expect(flag?.strategy).toBe(Strategy.GRADUAL);
    const soon = timestampFromDate(new Date(clock.now() + 60_000));
    const cut = await client.setGradual({ ...share, endTime: { ...soon, nanos: soon.nanos + 999_999 } });
    expect(cut.flag?.gradual?.endTime).toMatchObject({ seconds: soon.seconds, nanos: soon.nanos });
  });

  it("is refused outside the calendar", async () => {
    const { client } = await rig();
    await client.createFlag({ flag: { name: "a" } });
    const refusal = { reason: "ARGUMENT_INVALID", metadata: { field: "at_time" } };
    for (const atTime of [
      { seconds: LAST.seconds + 1n, nanos: 0 },
      { seconds: FIRST.seconds - 1n, nanos: 999_999_999 },
    ]) {
      expect(await failure(client.evaluateFlag({ name: "a", atTime }))).toMatchObject(refusal);
    }
  });
});

describe("a revision that is too large for a double", () => {
  it.each(["9007199254740993", "9223372036854775807"])("is returned as it was sent: %s", async (text) => {
    const revision = BigInt(text);
    const { client } = await rig();
    await client.createFlag({ flag: { name: "a", enabled: true } });
    const problem = expect.stringContaining(`is ${text}`);
    for (const [field, ask] of [
      ["as_of_revision", client.evaluateFlag({ name: "a", asOfRevision: revision })],
      ["as_of_revision", client.evaluateFlags({ asOfRevision: revision })],
      ["as_of_revision", client.explainFlag({ name: "a", asOfRevision: revision })],
      ["to_revision", client.revertFlag({ name: "a", toRevision: revision })],
    ] as const) {
      expect(await failure(ask)).toMatchObject({ reason: "ARGUMENT_INVALID", metadata: { field, problem } });
    }
  });
});
