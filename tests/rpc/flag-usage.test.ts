import { toBinary } from "@bufbuild/protobuf";
import { durationFromMs, timestampFromMs, timestampMs } from "@bufbuild/protobuf/wkt";
import { describe, expect, it } from "vitest";
import { ErrorCode, Reason } from "../../gen/helios/v1/flag_pb.ts";
import { ReportUsageRequestSchema } from "../../gen/helios/v1/flag_service_pb.ts";
import { PAGE_BYTES } from "../../src/core/index.ts";
import { make } from "../../src/server/map/message.ts";
import { type Rig, rig } from "./flag-rig.ts";
import { failure } from "./served.ts";

const DAY = 86_400_000;
const START = 1.7e12;

const split = (count = 1n, variant = "on") => ({ variant, reason: Reason.SPLIT, count });
const refused = (field: string) => ({ reason: "ARGUMENT_INVALID", metadata: { field } });

async function withFlag(): Promise<Rig> {
  const made = await rig();
  await made.client.createFlag({ flag: { name: "f", enabled: true } });
  return made;
}

describe("FlagService's usage", () => {
  it("tells which answers the service and its clients gave", async () => {
    const { client, clock } = await withFlag();
    await client.evaluateFlag({ name: "f" });
    clock.advance(1000);
    await client.evaluateFlags({ names: ["f"] });
    const revision = (await client.getFlag({ name: "f" })).flag?.revision ?? 0n;
    await client.evaluateFlag({ name: "f", asOfRevision: revision });
    await client.explainFlag({ name: "f" });
    clock.advance(1000);
    const report = {
      clientId: "trader-1",
      reporterId: "run",
      seq: 1n,
      period: durationFromMs(60_000),
      reports: [
        {
          name: "f",
          answers: [split(7n), { variant: "", reason: Reason.ERROR, errorCode: ErrorCode.CONDITION_FAILED, count: 2n }],
        },
        { name: "none", answers: [split()] },
      ],
    };
    expect(await client.reportUsage(report)).toMatchObject({ duplicate: false, unknownNames: ["none"] });
    expect(await client.reportUsage(report)).toMatchObject({ duplicate: true, unknownNames: ["none"] });
    const { usage } = await client.getFlagUsage({ name: "f" });
    expect(usage).toMatchObject({ name: "f", clients: 1, clientsCapped: false, count: 11n });
    expect(usage?.lastTime).toEqual(timestampFromMs(START + 2000));
    expect(usage?.recordedSince).toEqual(timestampFromMs(START));
    expect(usage?.windowStart && timestampMs(usage.windowStart)).toBe(Math.floor(START / DAY) * DAY - 30 * DAY);
    expect(usage?.answers).toMatchObject([
      { variant: "on", reason: Reason.SPLIT, errorCode: 0, count: 7n, lastTime: timestampFromMs(START + 2000) },
      { variant: "", reason: Reason.ERROR, errorCode: ErrorCode.CONDITION_FAILED, count: 2n },
      { variant: "on", reason: Reason.STATIC, errorCode: 0, count: 2n, lastTime: timestampFromMs(START + 1000) },
    ]);
  });

  it("counts what it does not know, of a client newer than the service, as unspecified", async () => {
    const { client } = await withFlag();
    const answers = [{ variant: "pink", reason: 99 as Reason, errorCode: 99 as ErrorCode, count: 4n }];
    await client.reportUsage({ clientId: "c", seq: 1n, reports: [{ name: "f", answers }] });
    const { usage } = await client.getFlagUsage({ name: "f" });
    expect(usage?.answers).toMatchObject([{ variant: "(other)", reason: 0, errorCode: 0, count: 4n }]);
  });

  it("lists flags with their usage, in the same order, if it is asked for", async () => {
    const { client, clock } = await withFlag();
    for (const name of ["a", "z"]) await client.createFlag({ flag: { name } });
    clock.advance(5);
    await client.evaluateFlag({ name: "z" });
    expect((await client.listFlags({})).usages).toEqual([]);
    const first = await client.listFlags({ pageSize: 2, includeUsage: true });
    const { pageSize, pageToken } = { pageSize: 2, pageToken: first.nextPageToken };
    const second = await client.listFlags({ pageSize, pageToken, includeUsage: true });
    const usages = [...first.usages, ...second.usages];
    expect([...first.flags, ...second.flags].map(({ name }) => name)).toEqual(["a", "f", "z"]);
    expect(usages.map(({ name, count }) => [name, count])).toEqual([
      ["a", 0n],
      ["f", 0n],
      ["z", 1n],
    ]);
    expect(usages[1]?.lastTime).toBeUndefined();
    expect(usages[2]).toEqual((await client.getFlagUsage({ name: "z" })).usage);
    expect(second.nextPageToken).toBe("");
  });

  it("cuts a page by the size of flags and usages together", async () => {
    const { client } = await rig();
    const names = Array.from({ length: 40 }, (_, n) => `flag-${n + 10}`);
    const variants = Array.from({ length: 100 }, (_, n) => ({ name: `v${n}`.padEnd(128, "x"), weight: 1 }));
    let seq = 0n;
    for (const name of names) {
      await client.createFlag({ flag: { name, variants } });
      const answers = variants.flatMap((variant) =>
        [Reason.SPLIT, Reason.TARGETING_MATCH].map((reason) => ({ variant: variant.name, reason, count: 1n })),
      );
      seq += 1n;
      await client.reportUsage({ clientId: "c", seq, reports: [{ name, answers }] });
    }
    const found: string[] = [];
    const counts: bigint[] = [];
    let pages = 0;
    for (let pageToken = ""; ; ) {
      const page = await client.listFlags({ pageSize: 1000, pageToken, includeUsage: true });
      expect(page.usages.map(({ name }) => name)).toEqual(page.flags.map(({ name }) => name));
      found.push(...page.flags.map(({ name }) => name));
      counts.push(...page.usages.map(({ count }) => count));
      const text = JSON.stringify(page, (_, value) => (typeof value === "bigint" ? String(value) : value));
      pages += 1;
      expect(text.length).toBeLessThan(4 * PAGE_BYTES);
      pageToken = page.nextPageToken;
      if (pageToken === "") break;
    }
    expect(found).toEqual(names);
    expect(new Set(counts)).toEqual(new Set([200n]));
    expect(pages).toBeGreaterThan(1);
  });

  it("says FLAG_NOT_FOUND for a flag that does not exist, or was deleted", async () => {
    const { client } = await withFlag();
    expect(await failure(client.getFlagUsage({ name: "none" }))).toMatchObject({ reason: "FLAG_NOT_FOUND" });
    await client.deleteFlag({ name: "f" });
    expect(await failure(client.getFlagUsage({ name: "f" }))).toMatchObject({ reason: "FLAG_NOT_FOUND" });
  });

  it.each([
    ["name", { name: "no spaces" }],
    ["window", { name: "f", window: durationFromMs(0) }],
    ["window", { name: "f", window: durationFromMs(90 * DAY + 1) }],
  ])("refuses a wrong %s of GetFlagUsage", async (field, request) => {
    const { client } = await withFlag();
    expect(await failure(client.getFlagUsage(request))).toMatchObject(refused(field));
  });

  const reports = [{ name: "f", answers: [split()] }];
  it.each([
    ["client_id", { clientId: "" }],
    ["client_id", { clientId: "c".repeat(129) }],
    ["reporter_id", { reporterId: "r".repeat(129) }],
    ["seq", { seq: 0n }],
    ["period", { period: durationFromMs(-1) }],
    ["period", { period: durationFromMs(DAY + 1) }],
    ["reports", { reports: [] }],
    ["reports", { reports: Array.from({ length: 1001 }, () => reports[0] as (typeof reports)[number]) }],
    ["reports[0].name", { reports: [{ name: "", answers: [split()] }] }],
    ["reports[0].answers", { reports: [{ name: "f", answers: [] }] }],
    ["reports[0].answers", { reports: [{ name: "f", answers: Array.from({ length: 257 }, () => split()) }] }],
    ["reports[0].answers[0].variant", { reports: [{ name: "f", answers: [split(1n, "v".repeat(129))] }] }],
    ["reports[0].answers[0].count", { reports: [{ name: "f", answers: [split(0n)] }] }],
    ["reports[0].answers[0].count", { reports: [{ name: "f", answers: [split(10n ** 12n + 1n)] }] }],
  ])("refuses a wrong %s of ReportUsage, and counts nothing", async (field, wrong) => {
    const { client } = await withFlag();
    expect(await failure(client.reportUsage({ clientId: "c", seq: 1n, reports, ...wrong }))).toMatchObject(
      refused(field),
    );
    expect((await client.getFlagUsage({ name: "f" })).usage?.count).toBe(0n);
  });

  it("takes a report of 64 KiB, and none that is a byte larger", async () => {
    const { client } = await withFlag();
    const unknown = Array.from({ length: 489 }, (_, n) => ({
      name: `unknown-${n}`.padEnd(119, "x"),
      answers: [split()],
    }));
    const request = (seq: bigint, padding: number) => ({ clientId: "c".repeat(padding), seq, reports: unknown });
    const sizeOf = (padding: number): number =>
      toBinary(ReportUsageRequestSchema, make(ReportUsageRequestSchema, request(1n, padding))).length;
    const left = 64 * 1024 - sizeOf(1);
    expect(left).toBeGreaterThan(0);
    expect(left).toBeLessThan(126);
    expect(sizeOf(1 + left)).toBe(64 * 1024);
    expect((await client.reportUsage(request(1n, 1 + left))).unknownNames).toHaveLength(489);
    expect(await failure(client.reportUsage(request(2n, 2 + left)))).toMatchObject(refused("reports"));
  });
});
