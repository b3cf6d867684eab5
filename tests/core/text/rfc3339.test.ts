import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { EARLIEST_TIME, LATEST_TIME, parseTime, printTime } from "../../../src/core/text/rfc3339.ts";

describe("parseTime", () => {
  it("reads every time that printTime prints", () => {
    fc.assert(
      fc.property(fc.integer({ min: EARLIEST_TIME, max: LATEST_TIME }), (ms) => {
        expect(parseTime(printTime(ms))).toBe(ms);
      }),
      { examples: [[EARLIEST_TIME], [LATEST_TIME], [0]] },
    );
  });

  it.each([
    ["2025-01-16T10:00:00Z", Date.UTC(2025, 0, 16, 10)],
    ["2025-01-16t10:00:00z", Date.UTC(2025, 0, 16, 10)],
    ["2025-01-16T10:00:00+02:00", Date.UTC(2025, 0, 16, 8)],
    ["2025-01-16T10:00:00.123456789Z", Date.UTC(2025, 0, 16, 10, 0, 0, 123)],
    ["2024-02-29T00:00:00Z", Date.UTC(2024, 1, 29)],
  ])("reads %s", (text, ms) => {
    expect(parseTime(text)).toBe(ms);
  });

  it.each([
    "2025-01-16",
    "2025-01-16 10:00:00Z",
    "2025-01-16T10:00:00",
    "2025-02-29T00:00:00Z",
    "1900-02-29T00:00:00Z",
    "2025-04-31T00:00:00Z",
    "2025-13-01T00:00:00Z",
    "2025-00-01T00:00:00Z",
    "2025-01-00T00:00:00Z",
    "2025-01-01T24:00:00Z",
    "2025-01-01T10:60:00Z",
    "2025-01-01T10:00:60Z",
    "2025-01-01T10:00:00+24:00",
    "0000-01-01T00:00:00Z",
    "0001-01-01T00:00:00+01:00",
    "yesterday",
    "",
  ])("does not read %j as a time", (text) => {
    expect(parseTime(text)).toBeUndefined();
  });
});

describe("printTime", () => {
  it("prints a fraction only if there is one", () => {
    expect(printTime(Date.UTC(2025, 0, 16, 10))).toBe("2025-01-16T10:00:00Z");
    expect(printTime(Date.UTC(2025, 0, 16, 10) + 5)).toBe("2025-01-16T10:00:00.005Z");
  });
});
