import { create, toBinary } from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";
import { Usage, type UsageReport } from "../../../clients/typescript/src/flags/usage.ts";
import { ErrorCode, Reason } from "../../../gen/helios/v1/flag_pb.ts";
import { ReportUsageRequestSchema } from "../../../gen/helios/v1/flag_service_pb.ts";
import { createManualClock } from "../../../src/kernel/clock.ts";
import { answer, type Evaluation } from "../../../src/kernel/flags/evaluation.ts";
import { turn } from "../../support/turns.ts";

const on = (name: string, variant = "on"): Evaluation => ({
  ...answer({ name, revision: 1 }, true, "SPLIT"),
  variant,
});

interface Sent {
  readonly seq: bigint;
  readonly periodMs: number;
  readonly reports: readonly UsageReport[];
}

function rig() {
  const clock = createManualClock();
  const sent: Sent[] = [];
  let isDown = false;
  const usage = new Usage({
    clock,
    random: () => 0.5,
    async send(seq, periodMs, reports) {
      sent.push({ seq, periodMs, reports });
      if (isDown) throw new Error("the service is away");
    },
  });
  const minute = async (): Promise<void> => {
    clock.advance(60_000);
    await turn();
  };
  return { usage, sent, minute, setDown: (down: boolean) => (isDown = down) };
}

describe("the usage of flags", () => {
  it("is counted by flag and answer, and reported once a minute", async () => {
    const { usage, sent, minute } = rig();
    for (let n = 0; n < 3; n += 1) usage.count("x", on("x"));
    usage.count("x", on("x", "deep"));
    usage.count("y", answer({ name: "y", revision: 1 }, false, "ERROR", "TARGETING_KEY_MISSING"));
    usage.count("z", "UNSUPPORTED");
    expect(sent).toEqual([]);
    await minute();
    const split = { reason: Reason.SPLIT, errorCode: ErrorCode.UNSPECIFIED };
    expect(sent).toEqual([
      {
        seq: 1n,
        periodMs: 60_000,
        reports: [
          {
            name: "x",
            answers: [
              { variant: "on", ...split, count: 3n },
              { variant: "deep", ...split, count: 1n },
            ],
          },
          {
            name: "y",
            answers: [{ variant: "off", reason: Reason.ERROR, errorCode: ErrorCode.TARGETING_KEY_MISSING, count: 1n }],
          },
          { name: "z", answers: [{ variant: "", reason: Reason.ERROR, errorCode: ErrorCode.UNSUPPORTED, count: 1n }] },
        ],
      },
    ]);
    await minute();
    expect(sent).toHaveLength(1);
  });

  it("is sent again unchanged if it is not known to have arrived, and grows meanwhile", async () => {
    const { usage, sent, minute, setDown } = rig();
    usage.count("x", on("x"));
    setDown(true);
    await minute();
    usage.count("x", on("x"));
    usage.count("x", on("x"));
    await minute();
    setDown(false);
    await minute();
    await minute();
    expect(sent.map(({ seq, reports }) => [seq, reports[0]?.answers[0]?.count])).toEqual([
      [1n, 1n],
      [1n, 1n],
      [1n, 1n],
      [2n, 2n],
    ]);
  });

  it("is divided into requests that the service accepts", async () => {
    const { usage, sent, minute } = rig();
    for (let n = 0; n < 5000; n += 1) usage.count(`${"n".repeat(120)}${n}`, on("x", `${"v".repeat(100)}${n % 7}`));
    for (let n = 0; n < 1000; n += 1) usage.count("many", on("many", `${"v".repeat(100)}${n}`));
    await minute();
    const requests = sent.map(({ seq, reports }) =>
      create(ReportUsageRequestSchema, {
        clientId: "c",
        seq,
        reports: reports.map(({ name, answers }) => ({ name, answers: [...answers] })),
      }),
    );
    expect(requests.length).toBeGreaterThan(10);
    for (const request of requests) {
      expect(toBinary(ReportUsageRequestSchema, request).length).toBeLessThan(64 * 1024);
      expect(request.reports.length).toBeLessThanOrEqual(1000);
    }
    const all = requests.flatMap(({ reports }) => reports);
    expect(all.filter(({ name }) => name !== "many")).toHaveLength(5000);
    expect(all.filter(({ name }) => name === "many").flatMap(({ answers }) => answers)).toHaveLength(256);
  });

  it("is reported a last time when the client closes, whether or not the service answers", async () => {
    for (const down of [false, true]) {
      const { usage, sent, minute, setDown } = rig();
      setDown(down);
      usage.count("x", on("x"));
      await usage.close();
      await minute();
      expect(sent).toHaveLength(1);
    }
  });
});
