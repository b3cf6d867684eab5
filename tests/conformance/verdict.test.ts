import { describe, expect, it } from "vitest";
import { measuresTime, nameOf, readVerdict } from "./verdict.ts";

const ADDED = "\tactual error contain 1 details; expecting 0\n";
const DEBUG =
  '\tconnect error JSON: details[0]: could not check debug data because message type "google.rpc.ErrorInfo" could not be resolved: proto:\u00a0not found\n\t; actual error contain 1 details; expecting 0\n';
const WRONG = '\tactual error {code: 3 (invalid_argument), message: "no"} does not match expected code 13 (internal)\n';

function report(reasons: readonly string[], passed = 5, { cases = passed + reasons.length, unrun = 0 } = {}): string {
  const failed = reasons.map((reason, index) => `FAILED: Basic/Protocol:PROTOCOL_GRPC/case-${index}:\n${reason}`);
  const totals = `Total cases: ${cases}\n${passed} passed, ${reasons.length} failed\n`;
  const rest =
    unrun === 0 ? "" : `Another ${unrun} could not be run due to client timing out or exiting prematurely.\n`;
  return `${failed.join("")}\n\n${totals}${rest}`;
}

describe("the verdict on a report of the suite", () => {
  it("is that all cases have passed, if none failed", () => {
    expect(readVerdict(report([]))).toEqual({ cases: 5, passed: 5, withReason: 0, failures: [] });
  });

  it("counts cases apart that differ only by the added reason", () => {
    expect(readVerdict(report([ADDED, DEBUG]))).toEqual({ cases: 7, passed: 5, withReason: 2, failures: [] });
  });

  it.each([
    ["another code", WRONG],
    ["another code beside the added reason", WRONG + ADDED],
    ["two added details", "\tactual error contain 2 details; expecting 0\n"],
    ["a missing detail", "\tactual error contain 0 details; expecting 1\n"],
    ["no text at all", ""],
    ["an unexpected pass", ""],
  ])("counts a failure with %s", (_, reason) => {
    const { withReason, failures } = readVerdict(report([ADDED, reason]));
    expect(withReason).toBe(1);
    expect(failures).toEqual([`FAILED: Basic/Protocol:PROTOCOL_GRPC/case-1:\n${reason}`.trimEnd()]);
  });

  it("counts cases that could not be run as a failure", () => {
    expect(readVerdict(report([], 5, { unrun: 3 })).failures).toEqual([expect.stringContaining("Another 3")]);
  });

  it.each([
    ["empty", ""],
    ["without a case", report([], 0)],
    ["cut off", report([ADDED, ADDED]).split("\n").slice(2).join("\n")],
    ["without the results of some cases", report([], 5, { cases: 6 })],
  ])("is refused if the report is %s", (_, printed) => {
    expect(() => readVerdict(printed)).toThrow("the report of the suite is not complete");
  });
});

describe("a failure", () => {
  const late = "FAILED: Timeouts/HTTPVersion:2/Protocol:PROTOCOL_GRPC/(grpc client impl)/unary:\n\ttoo late";
  const wrong = "FAILED: Basic/HTTPVersion:2/Timeouts/unary:\n\twrong";

  it("has the name of its case", () => {
    expect(nameOf(late)).toBe("Timeouts/HTTPVersion:2/Protocol:PROTOCOL_GRPC/(grpc client impl)/unary");
  });

  it("is about time only in the suites that measure it", () => {
    const others = [wrong, "Another 3 could not be run due to client timing out or exiting prematurely."];
    expect([late, ...others].map(measuresTime)).toEqual([true, false, false]);
  });
});
