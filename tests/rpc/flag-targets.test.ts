import { fromJson, type JsonValue } from "@bufbuild/protobuf";
import { durationFromMs, timestampFromMs, timestampMs, type Value, ValueSchema } from "@bufbuild/protobuf/wkt";
import { describe, expect, it } from "vitest";
import { ErrorCode, OnStale, Reason, Strategy } from "../../gen/helios/v1/flag_pb.ts";
import { ExplainedStep, ReloadMode } from "../../gen/helios/v1/flag_service_pb.ts";
import { rig } from "./flag-rig.ts";
import { failure } from "./served.ts";

const value = (json: JsonValue): Value => fromJson(ValueSchema, json);
const CONDITION = 'context.symbol in ["BTCZAR"] && context.attributes.latency_ms < 50';

describe("FlagService with targets", () => {
  it("refuses a context with a number that is not finite or not exact, and names the place", async () => {
    const { client } = await rig();
    for (const unfit of [Number.NaN, Number.NEGATIVE_INFINITY, 2 ** 53]) {
      const context = { attributes: { prices: [1, { bid: unfit }] } };
      for (const call of [
        client.evaluateFlag({ name: "a", context }),
        client.evaluateFlags({ context }),
        client.explainFlag({ name: "a", context }),
      ]) {
        expect(await failure(call)).toMatchObject({
          reason: "ARGUMENT_INVALID",
          metadata: { field: "context.attributes.prices[1].bid" },
        });
      }
    }
  });

  it("creates, reads and exports a flag with variants, a condition, prerequisites and its staleness policy", async () => {
    const { client, write } = await rig();
    await client.createFlag({ flag: { name: "base", enabled: true } });
    const { flag } = await client.createFlag({
      flag: {
        name: "a",
        enabled: true,
        variants: [
          { name: "text", weight: 1, value: value("x") },
          { name: "more", weight: 2, value: value("y") },
        ],
        condition: CONDITION,
        prerequisites: ["base"],
        onStale: OnStale.OFF,
        maxStaleness: durationFromMs(1500),
      },
    });
    expect(flag).toMatchObject({
      variants: [
        { name: "text", weight: 1, value: { kind: { value: "x" } } },
        { name: "more", weight: 2, value: { kind: { value: "y" } } },
      ],
      condition: CONDITION,
      prerequisites: ["base"],
      onStale: OnStale.OFF,
      maxStaleness: { seconds: 1n, nanos: 500_000_000 },
      killed: false,
    });
    expect((await client.getFlag({ name: "a" })).flag).toEqual(flag);
    const { flags } = await client.exportFlags({});
    expect(flags?.a).toMatchObject({
      variants: [
        { name: "text", weight: 1, value: "x" },
        { name: "more", weight: 2, value: "y" },
      ],
      condition: CONDITION,
      prerequisites: ["base"],
      on_stale: "off",
      max_staleness: "1.5s",
    });
    write(JSON.stringify(flags));
    const { differences } = await client.reloadFlags({ mode: ReloadMode.REPLACE, dryRun: true });
    expect(differences).toEqual([]);
  });

  it("updates each of these by its path, also to empty", async () => {
    const { client } = await rig();
    await client.createFlag({ flag: { name: "base" } });
    await client.createFlag({ flag: { name: "a" } });
    const paths = ["variants", "condition", "prerequisites", "on_stale", "max_staleness"];
    const set = await client.updateFlag({
      flag: {
        name: "a",
        variants: [{ name: "v", weight: 1 }],
        condition: "true",
        prerequisites: ["base"],
        onStale: OnStale.OFF,
        maxStaleness: durationFromMs(60_000),
      },
      updateMask: { paths },
    });
    // A variant without a value has the value true.
    expect(set.flag?.variants[0]?.value?.kind).toEqual({ case: "boolValue", value: true });
    const { flag } = await client.updateFlag({ flag: { name: "a" }, updateMask: { paths } });
    expect(flag).toMatchObject({ variants: [], condition: "", prerequisites: [], onStale: OnStale.KEEP });
    expect(flag?.maxStaleness).toBeUndefined();
  });

  it("evaluates payloads of every kind of JSON", async () => {
    const { client } = await rig();
    const payloads: JsonValue[] = ["text", 1.5, false, null, { deep: [1, { x: "y" }] }, [], {}];
    for (const [index, payload] of payloads.entries()) {
      const name = `flag-${index}`;
      const variants = [{ name: "only", weight: 1, value: value(payload) }];
      await client.createFlag({ flag: { name, enabled: true, variants } });
      const { evaluation } = await client.evaluateFlag({ name });
      expect(evaluation).toMatchObject({ enabled: true, variant: "only", value: value(payload) });
    }
  });

  it("evaluates a condition over the context that came over the wire", async () => {
    const { client } = await rig();
    await client.createFlag({ flag: { name: "a", enabled: true, condition: CONDITION } });
    const ask = async (symbol: string, attributes: Record<string, JsonValue>) =>
      (await client.evaluateFlag({ name: "a", context: { symbol, attributes } })).evaluation;
    expect(await ask("BTCZAR", { latency_ms: 10 })).toMatchObject({ enabled: true, reason: Reason.TARGETING_MATCH });
    expect(await ask("BTCZAR", { latency_ms: 90 })).toMatchObject({ enabled: false, reason: Reason.DEFAULT });
    expect(await ask("ETHZAR", {})).toMatchObject({ enabled: false, reason: Reason.DEFAULT });
    expect(await ask("BTCZAR", {})).toMatchObject({ reason: Reason.ERROR, errorCode: ErrorCode.CONDITION_FAILED });
  });

  it("refuses a condition with the place and the expectation", async () => {
    const { client, feed } = await rig();
    const before = feed.revision;
    const create = client.createFlag({
      flag: { name: "a", condition: "context.symbol == 'x' &&\n  context.sytem == 1" },
    });
    expect(await failure(create)).toEqual({
      code: "InvalidArgument",
      reason: "FLAG_CONDITION_INVALID",
      metadata: {
        name: "a",
        position: "line 2, column 10",
        problem: "there is no field sytem",
        expected: "one of session_id, user_id, symbol, system, attributes",
      },
    });
    expect(feed.revision).toBe(before);
  });

  it("refuses missing or circular prerequisites, and the deletion of one that is needed", async () => {
    const { client } = await rig();
    await client.createFlag({ flag: { name: "b" } });
    await client.createFlag({ flag: { name: "a", prerequisites: ["b"] } });
    const needsA = client.updateFlag({ flag: { name: "b", prerequisites: ["a"] } });
    expect(await failure(needsA)).toMatchObject({
      code: "FailedPrecondition",
      reason: "FLAG_PREREQUISITE_CYCLE",
      metadata: { cycle: "b -> a -> b" },
    });
    const needsNobody = client.createFlag({ flag: { name: "c", prerequisites: ["nobody"] } });
    expect(await failure(needsNobody)).toMatchObject({ reason: "FLAG_PREREQUISITE_MISSING" });
    expect(await failure(client.deleteFlag({ name: "b" }))).toMatchObject({
      code: "FailedPrecondition",
      reason: "FLAG_HAS_DEPENDENTS",
      metadata: { dependents: "a" },
    });
  });

  it.each([
    ["flag.variants[0].name", { variants: [{ name: "off", weight: 1 }] }],
    ["variants", { variants: [{ name: "x", weight: 0 }] }],
    [
      "variants[1].name",
      {
        variants: [
          { name: "x", weight: 1 },
          { name: "x", weight: 1 },
        ],
      },
    ],
    [
      "variants[1].value",
      {
        variants: [
          { name: "x", weight: 1, value: value(1) },
          { name: "y", weight: 1, value: value("1") },
        ],
      },
    ],
    [
      "flag.variants[0].value",
      { variants: [{ name: "x", weight: 1, value: { kind: { case: "numberValue", value: Number.NaN } } }] },
    ],
    ["max_staleness", { onStale: OnStale.OFF }],
    ["max_staleness", { maxStaleness: { seconds: 1n, nanos: 1 } }],
    ["prerequisites[0]", { prerequisites: ["no name"] }],
  ] as const)("refuses a wrong %s", async (field, wrong) => {
    const { client, feed } = await rig();
    const before = feed.revision;
    const { code, metadata } = await failure(client.createFlag({ flag: { name: "a", ...wrong } as object }));
    expect([code, field.endsWith(metadata.field ?? "none")]).toEqual(["InvalidArgument", true]);
    expect(feed.revision).toBe(before);
  });

  it("kills a flag, shows that, and restores it only with a reason", async () => {
    const { client } = await rig();
    await client.createFlag({ flag: { name: "a", enabled: true } });
    const { flag } = await client.disableFlag({ name: "a", kill: true, actor: "ana", reason: "orders twice" });
    expect(flag).toMatchObject({ enabled: false, killed: true });
    const { evaluation } = await client.evaluateFlag({ name: "a" });
    expect(evaluation).toMatchObject({ enabled: false, reason: Reason.DISABLED, killed: true });
    for (const attempt of [
      client.enableFlag({ name: "a" }),
      client.setPercentage({ name: "a", percentage: 1, reason: "please" }),
      client.updateFlag({ flag: { name: "a", enabled: true }, reason: "please" }),
    ]) {
      expect(await failure(attempt)).toMatchObject({ code: "FailedPrecondition", reason: "FLAG_KILLED" });
    }
    const { flag: back } = await client.enableFlag({ name: "a", reason: "fixed in 2.1" });
    expect(back).toMatchObject({ enabled: true, killed: false });
  });

  it("pauses and resumes a schedule", async () => {
    const { client, clock } = await rig();
    const start = clock.now();
    await client.setGradual({
      name: "a",
      initialPercentage: 0,
      targetPercentage: 100,
      endTime: timestampFromMs(start + 1000),
      allowMissing: true,
    });
    clock.advance(250);
    const { flag } = await client.pauseGradual({ name: "a", actor: "ana" });
    expect(flag).toMatchObject({ currentPercentage: 25 });
    expect(flag?.gradual?.pausedAt && timestampMs(flag.gradual.pausedAt)).toBe(start + 250);
    clock.advance(5000);
    expect((await client.getFlag({ name: "a" })).flag?.currentPercentage).toBe(25);
    const { flag: resumed } = await client.resumeGradual({ name: "a" });
    expect(resumed?.gradual?.pausedAt).toBeUndefined();
    clock.advance(375);
    expect((await client.getFlag({ name: "a" })).flag?.currentPercentage).toBe(62.5);
    await client.setPercentage({ name: "a", percentage: 5 });
    expect(await failure(client.pauseGradual({ name: "a" }))).toMatchObject({
      code: "FailedPrecondition",
      reason: "FLAG_NOT_SCHEDULED",
      metadata: { operation: "pause" },
    });
  });

  it("pauses the schedule of a flag that is switched off, and shows its share when it returns", async () => {
    const { client, clock } = await rig();
    const [start, endTime] = [clock.now(), timestampFromMs(clock.now() + 1000)];
    await client.setGradual({ name: "a", initialPercentage: 0, targetPercentage: 100, endTime, allowMissing: true });
    clock.advance(200);
    const off = await client.updateFlag({ flag: { name: "a" }, updateMask: { paths: ["enabled"] } });
    expect(off.flag?.gradual?.pausedAt && timestampMs(off.flag.gradual.pausedAt)).toBe(start + 200);
    clock.advance(5000);
    const on = await client.enableFlag({ name: "a" });
    expect(on).toMatchObject({ flag: { currentPercentage: 20 }, schedulePaused: true });
    const moving = await client.enableFlag({ name: "a", resumeGradual: true });
    expect(moving).toMatchObject({ flag: { currentPercentage: 20 }, schedulePaused: false });
    const gradual = { targetPercentage: 5, startTime: timestampFromMs(start), endTime };
    expect(await failure(client.setGradual({ name: "a", ...gradual }))).toMatchObject({
      reason: "ARGUMENT_INVALID",
      metadata: { field: "end_time" },
    });
    const past = { name: "b", strategy: Strategy.GRADUAL, gradual };
    expect(await failure(client.createFlag({ flag: past }))).toMatchObject({
      metadata: { field: "gradual.end_time" },
    });
    expect((await client.createFlag({ flag: past, allowPast: true })).flag?.currentPercentage).toBe(5);
  });

  it("evaluates one flag, or all, as of a revision", async () => {
    const { client } = await rig();
    const { flag } = await client.createFlag({ flag: { name: "a", enabled: true } });
    const asOfRevision = flag?.revision ?? 0n;
    await client.createFlag({ flag: { name: "b" } });
    const { revision: now } = await client.deleteFlag({ name: "a" });
    expect((await client.evaluateFlag({ name: "a", asOfRevision })).evaluation).toMatchObject({
      enabled: true,
      revision: asOfRevision,
    });
    const { evaluations, revision } = await client.evaluateFlags({ asOfRevision });
    expect([evaluations.map(({ name }) => name), revision]).toEqual([["a"], asOfRevision]);
    const future = client.evaluateFlag({ name: "b", asOfRevision: now + 1n });
    expect(await failure(future)).toMatchObject({ code: "OutOfRange", reason: "FLAG_REVISION_UNAVAILABLE" });
    const negative = client.evaluateFlag({ name: "b", asOfRevision: -1n });
    expect(await failure(negative)).toMatchObject({ code: "InvalidArgument", reason: "ARGUMENT_INVALID" });
  });

  it("keeps owner, tags and metadata, also in history and export", async () => {
    const { client, write } = await rig();
    const metadata = { ticket: 12, links: ["x"] };
    const paths = ["owner", "tags", "metadata"];
    await client.createFlag({ flag: { name: "a", owner: "desk 7", tags: ["b", "a"], metadata } });
    const { flag } = await client.updateFlag({
      flag: { name: "a", owner: "desk 8", tags: ["b"], metadata },
      updateMask: { paths },
    });
    expect(flag).toMatchObject({ owner: "desk 8", tags: ["b"], metadata });
    const { entries } = await client.listFlagHistory({ name: "a" });
    expect(entries[0]?.before).toMatchObject({ owner: "desk 7", tags: ["b", "a"], metadata });
    const { flags } = await client.exportFlags({});
    expect(flags?.a).toMatchObject({ owner: "desk 8", tags: ["b"], metadata });
    write(JSON.stringify(flags));
    expect((await client.reloadFlags({ mode: ReloadMode.REPLACE, dryRun: true })).differences).toEqual([]);
    const none = await client.updateFlag({ flag: { name: "a" }, updateMask: { paths } });
    expect(none.flag).toMatchObject({ owner: "", tags: [] });
    expect(none.flag?.metadata).toBeUndefined();
    for (const [field, wrong] of [
      ["owner", { owner: " x" }],
      ["tags[1]", { tags: ["a", "b\n"] }],
      ["metadata", { metadata: { long: "x".repeat(16_385) } }],
    ] as const) {
      const update = client.updateFlag({ flag: { name: "a", ...(wrong as object) } });
      expect(await failure(update)).toMatchObject({ reason: "ARGUMENT_INVALID", metadata: { field } });
    }
  });

  it("updates several flags at one revision, once for each request_id, or none of them", async () => {
    const { client, feed } = await rig();
    const { flag } = await client.createFlag({ flag: { name: "a", enabled: true } });
    const requests = [
      { flag: { name: "a" }, updateMask: { paths: ["enabled"] }, etag: flag?.etag ?? "" },
      { flag: { name: "b", enabled: true, percentage: 5 }, allowMissing: true },
    ];
    const request = { requests, actor: "ana", requestId: "9b2d8c1e-1d55-4d51-8f0a-6a3e6f1f2a11" };
    const done = await client.batchUpdateFlags(request);
    expect(done).toMatchObject({ flagsTotal: 2 });
    expect(done.flags.map(({ name, enabled, revision }) => [name, enabled, revision])).toEqual([
      ["a", false, done.revision],
      ["b", true, done.revision],
    ]);
    const before = feed.revision;
    expect(await client.batchUpdateFlags(request)).toEqual(done);
    const stale = client.batchUpdateFlags({ requests: [{ flag: { name: "b", description: "x" } }, requests[0] ?? {}] });
    expect(await failure(stale)).toMatchObject({ reason: "ETAG_MISMATCH", metadata: { name: "a", index: "1" } });
    for (const [field, wrong] of [
      ["requests[1].update_mask", { flag: { name: "a" }, updateMask: { paths: ["nope"] } }],
      ["requests[1].actor", { flag: { name: "a", description: "x" }, actor: "eve" }],
      ["requests[1].flag", {}],
      ["requests[1].flag.name", { flag: { name: "b", description: "x" } }],
      ["requests[1].flag.variants", { flag: { name: "a", variants: [{ name: "x", weight: 0 }] } }],
    ] as const) {
      const batch = client.batchUpdateFlags({ requests: [{ flag: { name: "b", description: "y" } }, wrong as object] });
      expect(await failure(batch)).toMatchObject({ reason: "ARGUMENT_INVALID", metadata: { field } });
    }
    expect(feed.revision).toBe(before);
  });

  it("refuses to rebucket sessions unless the request says so", async () => {
    const { client } = await rig();
    await client.setPercentage({ name: "a", percentage: 25, allowMissing: true });
    const update = { flag: { name: "a", salt: "pepper" }, updateMask: { paths: ["salt"] } };
    expect(await failure(client.updateFlag(update))).toEqual({
      code: "FailedPrecondition",
      reason: "FLAG_REBUCKETS",
      metadata: { name: "a", fields: "salt", moved_percentage: "37.5" },
    });
    expect((await client.updateFlag({ ...update, rebucket: true })).flag?.salt).toBe("pepper");
  });

  it("evaluates and explains at a time", async () => {
    const { client, clock } = await rig();
    const start = clock.now();
    const [atTime, later] = [timestampFromMs(start + 500), timestampFromMs(start + 5000)];
    const share = { initialPercentage: 0, targetPercentage: 100, endTime: timestampFromMs(start + 1000) };
    await client.setGradual({ name: "a", ...share, allowMissing: true });
    const context = { sessionId: "abc123" };
    expect((await client.evaluateFlag({ name: "a", context, atTime: later })).evaluation?.enabled).toBe(true);
    clock.advance(2000);
    const { flag } = await client.disableFlag({ name: "a" });
    const then = await client.explainFlag({ name: "a", context, atTime });
    expect(then.explanations.at(-1)?.lookedAt).toContain("GRADUAL at 50 %");
    expect(then.time && timestampMs(then.time)).toBe(start + 500);
    const { evaluations } = await client.evaluateFlags({ context, atTime });
    expect(evaluations).toEqual([then.evaluation]);
    const off = await client.evaluateFlag({ name: "a", context, atTime, asOfRevision: flag?.revision ?? 0n });
    expect(off.evaluation).toMatchObject({ enabled: false, reason: Reason.DISABLED });
  });

  it("reverts a flag, with actor and reason, once for each request_id", async () => {
    const { client, feed } = await rig();
    const { flag } = await client.createFlag({ flag: { name: "a", enabled: true, description: "first" } });
    const { flag: second } = await client.updateFlag({ flag: { name: "a", description: "second" } });
    const toRevision = flag?.revision ?? 0n;
    const stale = client.revertFlag({ name: "a", toRevision, etag: flag?.etag ?? "" });
    expect(await failure(stale)).toMatchObject({ code: "Aborted", reason: "ETAG_MISMATCH" });
    const request = {
      name: "a",
      toRevision,
      etag: second?.etag ?? "",
      requestId: "9b2d8c1e-1d55-4d51-8f0a-6a3e6f1f2a10",
      actor: "ana",
      reason: "the text was better",
    };
    const { flag: back } = await client.revertFlag(request);
    expect(back).toMatchObject({ description: "first" });
    const after = feed.revision;
    expect((await client.revertFlag(request)).flag).toEqual(back);
    expect(feed.revision).toBe(after);
    const { entries } = await client.listFlagHistory({ name: "a" });
    expect(entries[0]?.cause).toMatchObject({ action: "RevertFlag", actor: "ana", reason: "the text was better" });
    const before = client.revertFlag({ name: "a", toRevision: toRevision - 1n });
    expect(await failure(before)).toMatchObject({ code: "FailedPrecondition", reason: "FLAG_ABSENT_AT_REVISION" });
  });

  it("explains an answer, now and as of a revision", async () => {
    const { client, clock } = await rig();
    await client.createFlag({
      flag: { name: "a", enabled: true, strategy: Strategy.PERCENTAGE, percentage: 10, condition: CONDITION },
    });
    const context = { sessionId: "abc123", symbol: "BTCZAR", attributes: { latency_ms: 10 } };
    const explained = await client.explainFlag({ name: "a", context });
    expect(explained.evaluation).toEqual((await client.evaluateFlag({ name: "a", context })).evaluation);
    expect(explained.explanations.map(({ step, stopped }) => [step, stopped])).toEqual([
      [ExplainedStep.KILL, false],
      [ExplainedStep.ENABLED, false],
      [ExplainedStep.CONDITION, false],
      [ExplainedStep.STRATEGY, true],
    ]);
    expect(explained.explanations[3]?.outcome).toMatch(/^bucket \d+ is not below 10000: off$/);
    expect(explained.time && timestampMs(explained.time)).toBe(clock.now());
    await client.disableFlag({ name: "a" });
    const then = await client.explainFlag({ name: "a", context, asOfRevision: explained.revision });
    expect(then.explanations).toEqual(explained.explanations);
    const unknown = client.explainFlag({ name: "nope" });
    expect(await failure(unknown)).toMatchObject({ code: "NotFound", reason: "FLAG_NOT_FOUND" });
  });

  it("reports which killed flags a reload leaves unchanged", async () => {
    const { client, write } = await rig();
    await client.createFlag({ flag: { name: "a", enabled: true } });
    await client.disableFlag({ name: "a", kill: true });
    write('{"a": {"enabled": true, "strategy": "all_on"}}');
    const { differences, stillKilled } = await client.reloadFlags({});
    expect([differences, stillKilled]).toEqual([[], ["a"]]);
  });
});
