import { clone } from "@bufbuild/protobuf";
import { timestampFromMs, timestampMs } from "@bufbuild/protobuf/wkt";
import { describe, expect, it } from "vitest";
import { BucketBy, ErrorCode, FlagSchema, Reason, Strategy } from "../../gen/helios/v1/flag_pb.ts";
import { ReloadMode, type WatchFlagsResponse } from "../../gen/helios/v1/flag_service_pb.ts";
import { OnCompacted } from "../../gen/helios/v1/watch_pb.ts";
import { until } from "../support/until.ts";
import { type Rig, rig } from "./flag-rig.ts";
import { failure } from "./served.ts";

const who = { actor: "ana", reason: "because" };

describe("FlagService", () => {
  it("creates and gets a flag with every field", async () => {
    const { client, clock } = await rig();
    const start = clock.now();
    const { flag } = await client.createFlag({
      flag: {
        name: "a",
        enabled: true,
        strategy: Strategy.GRADUAL,
        percentage: 12.345,
        whitelist: ["BTCZAR"],
        gradual: {
          initialPercentage: 10,
          targetPercentage: 60,
          startTime: timestampFromMs(start),
          endTime: timestampFromMs(start + 1000),
        },
        description: "for people",
        bucketBy: BucketBy.SYMBOL,
        salt: "pepper",
      },
    });
    expect(flag).toMatchObject({
      name: "a",
      enabled: true,
      strategy: Strategy.GRADUAL,
      percentage: 12.345,
      whitelist: ["BTCZAR"],
      gradual: { initialPercentage: 10, targetPercentage: 60 },
      description: "for people",
      bucketBy: BucketBy.SYMBOL,
      salt: "pepper",
      bucketingVersion: 1,
      kernelVersion: 1,
      currentPercentage: 10,
    });
    expect(flag?.gradual?.startTime && timestampMs(flag.gradual.startTime)).toBe(start);
    expect(flag?.gradual?.endTime && timestampMs(flag.gradual.endTime)).toBe(start + 1000);
    expect(flag?.createTime && timestampMs(flag.createTime)).toBe(start);
    expect(flag?.updateTime && timestampMs(flag.updateTime)).toBe(start);
    expect(flag?.revision).toBeGreaterThan(0n);
    expect(flag?.etag).not.toBe("");
    clock.advance(500);
    expect((await client.getFlag({ name: "a" })).flag).toEqual({ ...flag, currentPercentage: 35 });
  });

  it("creates a flag with defaults for missing fields", async () => {
    const { client } = await rig();
    const { flag } = await client.createFlag({ flag: { name: "a" } });
    expect(flag).toMatchObject({
      enabled: false,
      strategy: Strategy.ALL_ON,
      percentage: 0,
      bucketBy: BucketBy.SESSION_ID,
      salt: "a",
    });
    expect(flag).not.toHaveProperty("gradual");
    expect(flag?.currentPercentage).toBeUndefined();
  });

  it("lists by name, page by page", async () => {
    const { client } = await rig();
    for (const name of ["c", "a", "d", "b", "e"]) await client.createFlag({ flag: { name } });
    const names: string[][] = [];
    let pageToken = "";
    do {
      const page = await client.listFlags({ pageSize: 2, pageToken });
      names.push(page.flags.map(({ name }) => name));
      pageToken = page.nextPageToken;
    } while (pageToken !== "");
    expect(names).toEqual([["a", "b"], ["c", "d"], ["e"]]);
    expect((await client.listFlags({})).flags).toHaveLength(5);
  });

  it("updates the fields of the mask, also to defaults", async () => {
    const { client } = await rig();
    const gradual = { initialPercentage: 1, targetPercentage: 2 };
    await client.createFlag({
      flag: { name: "a", enabled: true, percentage: 5, description: "x", salt: "s", gradual },
    });
    const { flag } = await client.updateFlag({
      flag: { name: "a", description: "ignored", percentage: 0, strategy: Strategy.PERCENTAGE },
      updateMask: { paths: ["enabled", "percentage", "strategy", "gradual", "salt"] },
    });
    expect(flag).toMatchObject({
      enabled: false,
      percentage: 0,
      strategy: Strategy.PERCENTAGE,
      description: "x",
      salt: "a",
      currentPercentage: 0,
    });
    expect(flag).not.toHaveProperty("gradual");
  });

  it("updates the present fields without a mask", async () => {
    const { client } = await rig();
    await client.createFlag({ flag: { name: "a", enabled: true, percentage: 5, description: "x" } });
    const { flag } = await client.updateFlag({ flag: { name: "a", percentage: 6 } });
    expect(flag).toMatchObject({ enabled: true, percentage: 6, description: "x", strategy: Strategy.ALL_ON });
  });

  it.each(["name", "revision", "gradual.end_time", "toString", "bucketBy"])(
    "refuses an update of the path %s",
    async (path) => {
      const { client, feed } = await rig();
      await client.createFlag({ flag: { name: "a" } });
      const before = feed.revision;
      const update = client.updateFlag({
        flag: { name: "a", percentage: 5 },
        updateMask: { paths: ["percentage", path] },
      });
      expect(await failure(update)).toMatchObject({
        code: "InvalidArgument",
        reason: "ARGUMENT_INVALID",
        metadata: { field: "update_mask" },
      });
      expect(feed.revision).toBe(before);
    },
  );

  it.each([
    ["enabled", { enabled: false }],
    ["enabled", { enabled: false, description: "for people" }],
    ["percentage", { percentage: 0 }],
    ["whitelist", { whitelist: [] }],
    ["condition", { condition: "" }],
    ["max_staleness", { maxStaleness: undefined }],
  ])("refuses a flag that was read and is sent without %s and without a mask", async (path, change) => {
    const { client, feed } = await rig();
    const definition = { enabled: true, strategy: Strategy.PERCENTAGE, percentage: 5, whitelist: ["BTCZAR"] };
    const more = { condition: "context.symbol == 'BTCZAR'", maxStaleness: { seconds: 5n } };
    await client.createFlag({ flag: { name: "a", ...definition, ...more } });
    const { flag } = await client.getFlag({ name: "a" });
    const before = feed.revision;
    if (flag === undefined) throw new Error("no flag");
    const sent = Object.assign(clone(FlagSchema, flag), change);
    const refusal = { reason: "ARGUMENT_INVALID", metadata: { problem: expect.stringContaining(`clears ${path}`) } };
    expect(await failure(client.updateFlag({ flag: sent }))).toMatchObject(refusal);
    const batch = client.batchUpdateFlags({ requests: [{ flag: sent }] });
    expect(await failure(batch)).toMatchObject(refusal);
    expect(feed.revision).toBe(before);
    const masked = await client.updateFlag({ flag: sent, updateMask: { paths: [path] } });
    const [[key, value]] = Object.entries(change) as [[keyof typeof flag, unknown]];
    expect(masked.flag?.[key]).toEqual(value);
    const kept = await client.updateFlag({ flag: { ...masked.flag, description: "new" } as typeof flag });
    expect(kept.flag).toMatchObject({ description: "new" });
  });

  it("refuses a strategy that the mask names and the flag lacks", async () => {
    const { client } = await rig();
    await client.createFlag({ flag: { name: "a", strategy: Strategy.ALL_OFF } });
    const update = client.updateFlag({ flag: { name: "a" }, updateMask: { paths: ["strategy"] } });
    expect(await failure(update)).toMatchObject({ reason: "ARGUMENT_INVALID", metadata: { field: "flag.strategy" } });
  });

  it("deletes a flag, and reserves its name", async () => {
    const { client, feed } = await rig();
    const { flag } = await client.createFlag({ flag: { name: "a" } });
    const deleted = await client.deleteFlag({ name: "a", etag: flag?.etag ?? "" });
    expect(deleted.flag).toEqual(flag);
    expect(deleted.revision).toBe(BigInt(feed.revision));
    expect(await failure(client.getFlag({ name: "a" }))).toMatchObject({ code: "NotFound", reason: "FLAG_NOT_FOUND" });
    expect(await failure(client.createFlag({ flag: { name: "a" } }))).toMatchObject({
      code: "FailedPrecondition",
      reason: "FLAG_DELETED",
    });
    expect((await client.createFlag({ flag: { name: "a" }, revive: true })).flag?.name).toBe("a");
  });

  it("enables and disables", async () => {
    const { client } = await rig();
    await client.createFlag({ flag: { name: "a", strategy: Strategy.PERCENTAGE, percentage: 25 } });
    expect((await client.enableFlag({ name: "a" })).flag).toMatchObject({
      enabled: true,
      strategy: Strategy.PERCENTAGE,
    });
    expect((await client.enableFlag({ name: "a", strategy: Strategy.ALL_ON })).flag?.strategy).toBe(Strategy.ALL_ON);
    expect((await client.disableFlag({ name: "a" })).flag).toMatchObject({ enabled: false, strategy: Strategy.ALL_ON });
    const off = await client.enableFlag({ name: "a", enabled: false, strategy: Strategy.ALL_OFF });
    expect(off.flag).toMatchObject({ enabled: false, strategy: Strategy.ALL_OFF });
    expect((await client.enableFlag({ name: "b", allowMissing: true })).flag).toMatchObject({
      enabled: true,
      strategy: Strategy.ALL_ON,
    });
  });

  it("sets a percentage", async () => {
    const { client } = await rig();
    const { flag } = await client.setPercentage({ name: "a", percentage: 25, allowMissing: true });
    expect(flag).toMatchObject({ enabled: true, strategy: Strategy.PERCENTAGE, percentage: 25, currentPercentage: 25 });
    expect((await client.setPercentage({ name: "a", percentage: 0 })).flag?.percentage).toBe(0);
    expect(await failure(client.setPercentage({ name: "a", percentage: 33.3333 }))).toMatchObject({
      reason: "ARGUMENT_INVALID",
      metadata: { field: "percentage" },
    });
  });

  it("sets a schedule", async () => {
    const { client, clock } = await rig();
    await client.setPercentage({ name: "a", percentage: 20, allowMissing: true });
    const endTime = timestampFromMs(clock.now() + 1000);
    const { flag } = await client.setGradual({ name: "a", targetPercentage: 100, endTime });
    expect(flag).toMatchObject({
      enabled: true,
      strategy: Strategy.GRADUAL,
      gradual: { initialPercentage: 20, targetPercentage: 100 },
      currentPercentage: 20,
    });
    clock.advance(1000);
    expect((await client.getFlag({ name: "a" })).flag?.currentPercentage).toBe(100);
    expect(await failure(client.setGradual({ name: "a", targetPercentage: 100, endTime }))).toMatchObject({
      reason: "ARGUMENT_INVALID",
      metadata: { field: "end_time" },
    });
  });

  it("adds to the whitelist and removes from it, and reports the effect on the strategy", async () => {
    const { client } = await rig();
    await client.createFlag({ flag: { name: "a" } });
    const added = await client.addToWhitelist({ name: "a", entries: ["BTCZAR", "ETHZAR"] });
    expect(added.flag).toMatchObject({ enabled: true, strategy: Strategy.WHITELIST, whitelist: ["BTCZAR", "ETHZAR"] });
    expect(added.strategyChanged).toBe(true);
    await client.enableFlag({ name: "a", strategy: Strategy.ALL_ON });
    const kept = await client.addToWhitelist({ name: "a", entries: ["XRPZAR"] });
    expect(kept.flag?.strategy).toBe(Strategy.ALL_ON);
    expect(kept.strategyChanged).toBe(false);
    const shrunk = await client.addToWhitelist({ name: "a", entries: ["XRPZAR"], setStrategy: true });
    expect(shrunk.strategyChanged).toBe(true);
    const { flag } = await client.removeFromWhitelist({ name: "a", entries: ["BTCZAR", "nope"] });
    expect(flag?.whitelist).toEqual(["ETHZAR", "XRPZAR"]);
  });

  it("adds entries that precede the share of a flag, and says so", async () => {
    const { client } = await rig();
    await client.setPercentage({ name: "a", percentage: 0, allowMissing: true });
    const added = await client.addToWhitelist({ name: "a", entries: ["user_id:ana"] });
    expect(added).toMatchObject({ strategyChanged: false, whitelistFirst: true, flag: { whitelistFirst: true } });
    const { evaluation } = await client.evaluateFlag({ name: "a", context: { userId: "ana", sessionId: "s" } });
    expect(evaluation).toMatchObject({ enabled: true, reason: Reason.TARGETING_MATCH });
    expect(await failure(client.addToWhitelist({ name: "a", entries: ["ok", " eve"] }))).toMatchObject({
      reason: "ARGUMENT_INVALID",
      metadata: { field: "entries[1]", problem: expect.stringContaining("blank") as string },
    });
    const { flag } = await client.updateFlag({ flag: { name: "a" }, updateMask: { paths: ["whitelist_first"] } });
    expect(flag?.whitelistFirst).toBe(false);
  });

  it("evaluates one flag", async () => {
    const { client } = await rig();
    const { flag } = await client.setPercentage({ name: "neural_network_v2", percentage: 50, allowMissing: true });
    const { evaluation } = await client.evaluateFlag({ name: "neural_network_v2", context: { sessionId: "abc123" } });
    expect(evaluation).toMatchObject({
      name: "neural_network_v2",
      enabled: true,
      variant: "on",
      value: { kind: { case: "boolValue", value: true } },
      reason: Reason.SPLIT,
      errorCode: ErrorCode.UNSPECIFIED,
      bucket: 33_069,
      revision: flag?.revision,
    });
    const keyless = await client.evaluateFlag({ name: "neural_network_v2" });
    expect(keyless.evaluation).toMatchObject({
      enabled: false,
      variant: "off",
      value: { kind: { case: "boolValue", value: false } },
      reason: Reason.ERROR,
      errorCode: ErrorCode.TARGETING_KEY_MISSING,
    });
    expect(keyless.evaluation?.bucket).toBeUndefined();
  });

  it("evaluates many flags, or all, at one revision", async () => {
    const { client, feed } = await rig();
    await client.createFlag({ flag: { name: "b", enabled: true, strategy: Strategy.WHITELIST, whitelist: ["u"] } });
    await client.createFlag({ flag: { name: "a" } });
    const { evaluations, revision } = await client.evaluateFlags({ names: ["b", "nope"], context: { userId: "u" } });
    expect(evaluations.map(({ name, reason, errorCode }) => [name, reason, errorCode])).toEqual([
      ["b", Reason.TARGETING_MATCH, ErrorCode.UNSPECIFIED],
      ["nope", Reason.ERROR, ErrorCode.FLAG_NOT_FOUND],
    ]);
    expect(revision).toBe(BigInt(feed.revision));
    expect((await client.evaluateFlags({})).evaluations.map(({ name }) => name)).toEqual(["a", "b"]);
  });

  it("reloads the file, and returns the difference", async () => {
    const { client, feed, write } = await rig();
    await client.createFlag({ flag: { name: "a" } });
    await client.createFlag({ flag: { name: "b" } });
    write(
      '{ "a": { "enabled": true, "strategy": "percentage", "percentage": 5 }, "c": { "enabled": true, "strategy": "all_on" } }',
    );
    const before = feed.revision;
    const dry = await client.reloadFlags({ mode: ReloadMode.REPLACE, dryRun: true });
    expect(
      dry.differences.map(({ name, before: old, after }) => [
        name,
        old?.strategy,
        after?.strategy,
        after?.currentPercentage,
      ]),
    ).toEqual([
      ["a", Strategy.ALL_ON, Strategy.PERCENTAGE, 5],
      ["b", Strategy.ALL_ON, undefined, undefined],
      ["c", undefined, Strategy.ALL_ON, undefined],
    ]);
    expect(feed.revision).toBe(before);
    const merged = await client.reloadFlags({});
    expect(merged.differences.map(({ name }) => name)).toEqual(["a", "c"]);
    expect(merged.revision).toBe(BigInt(feed.revision));
    expect((await client.getFlag({ name: "a" })).flag?.percentage).toBe(5);
  });

  it("reports line, key and expectation for a broken file", async () => {
    const { client, write } = await rig();
    write('{\n"a": {\n"enabled": "yes",\n"strategy": "all_on" } }');
    expect(await failure(client.reloadFlags({}))).toEqual({
      code: "InvalidArgument",
      reason: "FLAGS_FILE_INVALID",
      metadata: {
        file: "flags.json",
        line: "3",
        key: "a.enabled",
        problem: '"yes" is not allowed',
        expected: "true or false",
      },
    });
  });

  it("exports the file's shape", async () => {
    const { client, feed } = await rig();
    await client.setPercentage({ name: "a", percentage: 25, allowMissing: true });
    const { flags, revision } = await client.exportFlags({});
    expect(flags).toEqual({
      a: {
        enabled: true,
        strategy: "percentage",
        percentage: 25,
        description: "",
        updated_at: "2023-11-14T22:13:20Z",
      },
    });
    expect(revision).toBe(BigInt(feed.revision));
  });

  it("returns a flag's history, newest first, page by page", async () => {
    const { client } = await rig();
    const created = await client.createFlag({ flag: { name: "a" }, ...who });
    const enabled = await client.enableFlag({ name: "a", ...who, reason: "go" });
    const { revision } = await client.deleteFlag({ name: "a", ...who });
    const first = await client.listFlagHistory({ name: "a", pageSize: 2 });
    expect(first.entries.map(({ revision: at, cause }) => [at, cause?.action, cause?.actor, cause?.reason])).toEqual([
      [revision, "DeleteFlag", "ana", "because"],
      [enabled.flag?.revision, "EnableFlag", "ana", "go"],
    ]);
    expect(first.entries[0]?.before).toMatchObject({ name: "a", enabled: true });
    expect(first.entries[0]).not.toHaveProperty("after");
    expect(first.entries[1]?.after).toEqual(enabled.flag);
    expect(first.nextPageToken).not.toBe("");
    const second = await client.listFlagHistory({ name: "a", pageSize: 2, pageToken: first.nextPageToken });
    expect(second.entries.map(({ after }) => after)).toEqual([created.flag]);
    expect(second.entries[0]).not.toHaveProperty("before");
    expect(second.nextPageToken).toBe("");
  });

  it("refuses page tokens that it did not issue", async () => {
    const { client } = await rig();
    await client.createFlag({ flag: { name: "a" } });
    const invalid = { code: "InvalidArgument", reason: "PAGE_TOKEN_INVALID" };
    expect(await failure(client.listFlags({ pageToken: "nonsense" }))).toMatchObject(invalid);
    const ofAnotherList = Buffer.from("after:a").toString("base64url");
    for (const pageToken of ["nonsense", ofAnotherList]) {
      expect(await failure(client.listFlagHistory({ name: "a", pageToken }))).toMatchObject(invalid);
    }
  });
});

describe("FlagService: errors", () => {
  it("answers FLAG_NOT_FOUND in every RPC for a flag that does not exist", async () => {
    const { client, feed } = await rig();
    const name = "nope";
    const endTime = timestampFromMs(2e12);
    const before = feed.revision;
    for (const call of [
      client.getFlag({ name }),
      client.updateFlag({ flag: { name } }),
      client.deleteFlag({ name }),
      client.enableFlag({ name }),
      client.disableFlag({ name }),
      client.setPercentage({ name, percentage: 5 }),
      client.setGradual({ name, targetPercentage: 5, endTime }),
      client.addToWhitelist({ name, entries: ["x"] }),
      client.removeFromWhitelist({ name, entries: ["x"] }),
      client.evaluateFlag({ name }),
      client.listFlagHistory({ name }),
    ]) {
      expect(await failure(call)).toEqual({ code: "NotFound", reason: "FLAG_NOT_FOUND", metadata: { name } });
    }
    expect(feed.revision).toBe(before);
  });

  it("answers FLAG_ALREADY_EXISTS for an existing name", async () => {
    const { client } = await rig();
    await client.createFlag({ flag: { name: "a" } });
    expect(await failure(client.createFlag({ flag: { name: "a" } }))).toEqual({
      code: "AlreadyExists",
      reason: "FLAG_ALREADY_EXISTS",
      metadata: { name: "a" },
    });
  });

  it("answers ETAG_MISMATCH in every mutation with a stale etag", async () => {
    const { client } = await rig();
    const { flag } = await client.createFlag({ flag: { name: "a" } });
    await client.updateFlag({ flag: { name: "a", description: "x" } });
    const stale = { name: "a", etag: flag?.etag ?? "" };
    for (const call of [
      client.updateFlag({ flag: { name: "a" }, etag: stale.etag }),
      client.deleteFlag(stale),
      client.enableFlag(stale),
      client.disableFlag(stale),
      client.setPercentage({ ...stale, percentage: 5 }),
      client.setGradual({ ...stale, targetPercentage: 5, endTime: timestampFromMs(2e12) }),
      client.addToWhitelist({ ...stale, entries: ["x"] }),
      client.removeFromWhitelist({ ...stale, entries: ["x"] }),
    ]) {
      expect(await failure(call)).toMatchObject({ code: "Aborted", reason: "ETAG_MISMATCH" });
    }
  });

  it.each([
    ["flag", (client: Rig["client"]) => client.createFlag({})],
    ["flag.name", (client: Rig["client"]) => client.createFlag({ flag: { name: "a b" } })],
    ["flag.percentage", (client: Rig["client"]) => client.createFlag({ flag: { name: "a", percentage: 101 } })],
    ["flag.percentage", (client: Rig["client"]) => client.createFlag({ flag: { name: "a", percentage: Number.NaN } })],
    ["percentage", (client: Rig["client"]) => client.setPercentage({ name: "a" })],
    ["target_percentage", (client: Rig["client"]) => client.setGradual({ name: "a", endTime: timestampFromMs(2e12) })],
    ["end_time", (client: Rig["client"]) => client.setGradual({ name: "a", targetPercentage: 5 })],
    ["entries", (client: Rig["client"]) => client.addToWhitelist({ name: "a" })],
    ["strategy", (client: Rig["client"]) => client.enableFlag({ name: "a", strategy: 9 as Strategy })],
    ["gradual", (client: Rig["client"]) => client.createFlag({ flag: { name: "a", strategy: Strategy.GRADUAL } })],
  ])("names the field %s", async (field, call) => {
    const { client } = await rig();
    expect(await failure(call(client))).toMatchObject({
      code: "InvalidArgument",
      reason: "ARGUMENT_INVALID",
      metadata: { field },
    });
  });

  it("runs two requests with one request_id once", async () => {
    const { client } = await rig();
    const request = { flag: { name: "a" }, requestId: "6f0e3d8e-6a39-4a57-8f0e-0d6b3c7a1b11" };
    const first = await client.createFlag(request);
    expect((await client.createFlag(request)).flag).toEqual(first.flag);
    expect(await failure(client.createFlag({ ...request, flag: { name: "b" } }))).toMatchObject({
      reason: "REQUEST_ID_REUSED",
    });
  });
});

describe("FlagService: WatchFlags", () => {
  async function next(frames: AsyncIterator<WatchFlagsResponse>): Promise<WatchFlagsResponse> {
    const { value, done } = await frames.next();
    if (done) throw new Error("the watch ended");
    return value;
  }

  it("sends a snapshot, then changes with their actors, and a deletion", async () => {
    const { client } = await rig();
    await client.createFlag({ flag: { name: "gone" } });
    await client.deleteFlag({ name: "gone" });
    const { flag } = await client.createFlag({ flag: { name: "a" } });
    const stop = new AbortController();
    const frames = client
      .watchFlags({ heartbeatInterval: { seconds: 5n } }, { signal: stop.signal })
      [Symbol.asyncIterator]();
    const snapshot = await next(frames);
    expect(snapshot.frame).toMatchObject({ case: "snapshot", value: { flags: [flag], complete: true } });
    expect(snapshot.revision).toBe(flag?.revision);
    expect(snapshot.heartbeatInterval?.seconds).toBe(5n);
    const enabled = await client.enableFlag({ name: "a", ...who });
    const changed = await next(frames);
    expect(changed.frame).toMatchObject({
      case: "changes",
      value: {
        changes: [
          {
            change: { case: "put", value: enabled.flag },
            cause: { action: "EnableFlag", actor: "ana", reason: "because" },
          },
        ],
      },
    });
    expect(changed.revision).toBe(enabled.flag?.revision);
    const { revision } = await client.deleteFlag({ name: "a" });
    expect((await next(frames)).frame).toMatchObject({
      case: "changes",
      value: {
        changes: [{ change: { case: "deleted", value: { name: "a", revision } }, cause: { action: "DeleteFlag" } }],
      },
    });
    stop.abort();
  });

  it("resumes after the token of the last frame, for the requested names", async () => {
    const { client } = await rig();
    await client.createFlag({ flag: { name: "a" } });
    const first = client.watchFlags({ names: ["a"] })[Symbol.asyncIterator]();
    const { resumeToken } = await next(first);
    await first.return?.();
    await client.enableFlag({ name: "b", allowMissing: true });
    const { flag } = await client.enableFlag({ name: "a" });
    const stop = new AbortController();
    const second = client.watchFlags({ names: ["a"], resumeToken }, { signal: stop.signal })[Symbol.asyncIterator]();
    expect((await next(second)).frame).toMatchObject({
      case: "changes",
      value: { changes: [{ change: { case: "put", value: flag } }] },
    });
    stop.abort();
  });

  it("sends heartbeats while nothing changes", async () => {
    const { client, clock, delays } = await rig();
    const stop = new AbortController();
    const frames = client.watchFlags({}, { signal: stop.signal })[Symbol.asyncIterator]();
    await next(frames);
    const beat = next(frames);
    await until(() => delays.length > 0);
    clock.advance(delays[0] ?? 0);
    const { frame } = await beat;
    expect(frame.case).toBe("heartbeat");
    stop.abort();
  });

  it("ends with REVISION_COMPACTED for a token of another store, on request", async () => {
    const { client } = await rig();
    const resumeToken = btoa("1:another:1").replaceAll("=", "");
    const asked = client.watchFlags({ resumeToken, onCompacted: OnCompacted.ERROR })[Symbol.asyncIterator]();
    expect(await failure(next(asked))).toMatchObject({ code: "OutOfRange", reason: "REVISION_COMPACTED" });
    const stop = new AbortController();
    const lenient = client.watchFlags({ resumeToken }, { signal: stop.signal })[Symbol.asyncIterator]();
    expect((await next(lenient)).frame.case).toBe("snapshot");
    stop.abort();
    const broken = client.watchFlags({ resumeToken: "nonsense" })[Symbol.asyncIterator]();
    expect(await failure(next(broken))).toMatchObject({ code: "InvalidArgument", reason: "RESUME_TOKEN_INVALID" });
  });
});
