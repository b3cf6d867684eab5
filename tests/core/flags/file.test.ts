import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { HeliosError } from "../../../src/core/errors.ts";
import { DEFAULT_FLAGS } from "../../../src/core/flags/defaults.ts";
import { type FlagFields, withFields } from "../../../src/core/flags/definition.ts";
import { type FileFlag, parseFlagsFile } from "../../../src/core/flags/file.ts";
import { printFlagsFile } from "../../../src/core/flags/file-entry.ts";
import { gradual, percentage } from "./reference.ts";

function mistake(text: string): Readonly<Record<string, string>> {
  try {
    parseFlagsFile(text, "config/feature_flags.json");
  } catch (error) {
    if (error instanceof HeliosError && error.reason === "FLAGS_FILE_INVALID") return error.metadata;
    throw error;
  }
  throw new Error(`no error for ${text}`);
}

/** A file of one flag, one key on each line from line 3. */
const oneFlag = (...lines: string[]): string => `{\n"a": {\n${lines.join(",\n")}\n}}`;
const ON = ['"enabled": true', '"strategy": "all_on"'];

const definition = fc.record<FlagFields>(
  {
    enabled: fc.boolean(),
    strategy: fc.constantFrom("ALL_ON", "ALL_OFF", "PERCENTAGE", "WHITELIST"),
    percentage,
    whitelist: fc.uniqueArray(fc.string({ minLength: 1 })),
    gradual,
    description: fc.string({ unit: "grapheme" }),
    bucketBy: fc.constantFrom("SESSION_ID", "USER_ID", "SYMBOL", "SYSTEM"),
    salt: fc.string({ maxLength: 20 }),
  },
  { requiredKeys: [] },
);

const fileFlags = fc
  .dictionary(
    fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9_.:-]{0,12}$/),
    fc.tuple(definition, fc.option(fc.integer({ min: -62_135_596_800_000, max: 253_402_300_799_999 }))),
  )
  .map((flags): FileFlag[] =>
    Object.entries(flags).map(([name, [fields, updatedAt]]) => ({
      name,
      definition: withFields(name, undefined, fields.gradual ? { ...fields, strategy: "GRADUAL" } : fields),
      ...(updatedAt === null ? {} : { updatedAt }),
    })),
  );

const byName = (flags: readonly FileFlag[]): FileFlag[] => [...flags].sort((a, b) => (a.name < b.name ? -1 : 1));

describe("parseFlagsFile", () => {
  it("reads the mission's shape", () => {
    const text = `{
      "neural_network_v2": {
        "enabled": false,
        "strategy": "percentage",
        "percentage": 25.0,
        "description": "New neural network architecture",
        "updated_at": "2025-01-16T10:00:00Z"
      }
    }`;
    expect(parseFlagsFile(text, "f").flags).toEqual([
      {
        name: "neural_network_v2",
        definition: {
          enabled: false,
          strategy: "PERCENTAGE",
          percentage: 25,
          whitelist: [],
          description: "New neural network architecture",
          bucketBy: "SESSION_ID",
          salt: "neural_network_v2",
          bucketingVersion: 1,
        },
        updatedAt: Date.UTC(2025, 0, 16, 10),
      },
    ]);
  });

  it("reads back what was printed, and prints the same again", () => {
    fc.assert(
      fc.property(fileFlags, (flags) => {
        const text = printFlagsFile(flags);
        const read = parseFlagsFile(text, "f").flags;
        expect(byName(read)).toEqual(byName(flags));
        expect(printFlagsFile(read)).toBe(text);
      }),
    );
  });

  it.each([
    ["[]", "1", "(top level)", "a list is not allowed", "an object of flags by name"],
    [
      '{\n"a b": {}}',
      "2",
      '["a b"]',
      '"a b" is not allowed',
      "1 to 128 letters, digits and _ . : -, a letter or digit first",
    ],
    ['{\n"a": true}', "2", "a", "true is not allowed", "an object with the flag's keys"],
    [oneFlag('"strategy": "all_on"'), "2", "a.enabled", "missing", 'the key "enabled"'],
    [oneFlag('"enabled": true'), "2", "a.strategy", "missing", 'the key "strategy"'],
    [oneFlag(...ON, '"percentag": 5'), "5", "a.percentag", "unknown key", '"percentage"'],
    [oneFlag(...ON, '"Percentage": 5'), "5", "a.Percentage", "unknown key", '"percentage"'],
    [oneFlag('"enabled": "true"', ON[1] ?? ""), "3", "a.enabled", '"true" is not allowed', "true or false"],
    [oneFlag('"enabled": null', ON[1] ?? ""), "3", "a.enabled", "null is not allowed", "true or false"],
    [
      oneFlag(...ON, '"percentage": "25"'),
      "5",
      "a.percentage",
      '"25" is not allowed',
      "a number from 0 to 100 with at most three decimals",
    ],
    [
      oneFlag(...ON, '"percentage": 100.001'),
      "5",
      "a.percentage",
      "100.001 is not allowed",
      "a number from 0 to 100 with at most three decimals",
    ],
    [
      oneFlag(...ON, '"percentage": -0.1'),
      "5",
      "a.percentage",
      "-0.1 is not allowed",
      "a number from 0 to 100 with at most three decimals",
    ],
    [
      oneFlag(...ON, '"percentage": 0.0001'),
      "5",
      "a.percentage",
      "0.0001 is not allowed",
      "a number from 0 to 100 with at most three decimals",
    ],
    [oneFlag(...ON, '"percentage": NaN'), "5", "a.percentage", '"NaN" is no JSON', "a JSON value"],
    [oneFlag(...ON, '"enabled": false'), "5", "a.enabled", "comes twice, first in line 3", "each name once"],
    [
      oneFlag('"enabled": true', '"strategy": "ALL_ON"'),
      "4",
      "a.strategy",
      '"ALL_ON" is not allowed',
      "one of all_on, all_off, percentage, whitelist, gradual",
    ],
    [
      oneFlag(...ON, '"bucket_by": "session"'),
      "5",
      "a.bucket_by",
      '"session" is not allowed',
      "one of session_id, user_id, symbol, system",
    ],
    [oneFlag(...ON, '"bucketing_version": 2'), "5", "a.bucketing_version", "2 is not allowed", "1"],
    [oneFlag(...ON, '"description": 5'), "5", "a.description", "5 is not allowed", "a text"],
    [oneFlag(...ON, `"salt": "${"x".repeat(129)}"`), "5", "a.salt", "129 characters", "at most 128"],
    [oneFlag(...ON, '"whitelist": "BTCZAR"'), "5", "a.whitelist", '"BTCZAR" is not allowed', "a list of texts"],
    [oneFlag(...ON, '"whitelist": ["x",\n7]'), "6", "a.whitelist[1]", "7 is not allowed", "a text"],
    [oneFlag(...ON, '"whitelist": ["x",\n"x"]'), "6", "a.whitelist[1]", '"x" comes twice', "each entry once"],
    [oneFlag(...ON, '"whitelist": [""]'), "5", "a.whitelist[0]", '"" is not allowed', "a text of 1 to 256 characters"],
    [
      oneFlag(...ON, '"updated_at": "2025-02-30T10:00:00Z"'),
      "5",
      "a.updated_at",
      '"2025-02-30T10:00:00Z" is not allowed',
      "an RFC 3339 time, such as 2025-01-16T10:00:00Z",
    ],
    [
      oneFlag('"enabled": true', '"strategy": "gradual"'),
      "2",
      "a.gradual",
      "missing",
      "a schedule, or an initial_percentage, for the strategy GRADUAL",
    ],
    [
      oneFlag(...ON, '"gradual": null'),
      "5",
      "a.gradual",
      "null is not allowed",
      "an object with initial_percentage and target_percentage",
    ],
    [
      oneFlag(...ON, '"gradual": {"initial_percentage": 1}'),
      "5",
      "a.gradual.target_percentage",
      "missing",
      "a number from 0 to 100 with at most three decimals",
    ],
    [
      oneFlag(...ON, '"gradual": {"target": 1}'),
      "5",
      "a.gradual.target",
      "unknown key",
      "one of initial_percentage, target_percentage, start_time, end_time, paused_at",
    ],
    [
      oneFlag(
        ...ON,
        '"gradual": {"initial_percentage": 1, "target_percentage": 2,\n"start_time": "2025-01-16T10:00:00Z"}',
      ),
      "5",
      "a.gradual.end_time",
      "missing",
      "both start_time and end_time, or neither",
    ],
    [
      oneFlag(
        ...ON,
        '"gradual": {"initial_percentage": 1, "target_percentage": 2,\n"start_time": "2025-01-16T10:00:00Z",\n"end_time": "2025-01-16T12:00:00+02:00"}',
      ),
      "7",
      "a.gradual.end_time",
      "not after start_time",
      "a later time",
    ],
  ])("says line, key, problem and what was expected of %s", (text, line, key, problem, expected) => {
    expect(mistake(text)).toEqual({ file: "config/feature_flags.json", line, key, problem, expected });
  });
});

describe("the flags file of the repository", () => {
  it("says the same as the built-in defaults", () => {
    const text = readFileSync(new URL("../../../config/feature_flags.json", import.meta.url), "utf8");
    const { flags } = parseFlagsFile(text, "config/feature_flags.json");
    expect(flags.map(({ name, definition }) => ({ name, definition }))).toEqual(DEFAULT_FLAGS);
  });

  it("has the mission's eight flags", () => {
    expect(DEFAULT_FLAGS.map(({ name, definition: { enabled, strategy } }) => [name, enabled, strategy])).toEqual([
      ["neural_network_v2", false, "PERCENTAGE"],
      ["llm_enhanced_decisions", true, "ALL_ON"],
      ["paper_trading_v2", false, "GRADUAL"],
      ["advanced_risk_engine", false, "WHITELIST"],
      ["multi_timeframe_analysis", true, "ALL_ON"],
      ["websocket_v2", false, "PERCENTAGE"],
      ["portfolio_optimizer_v2", false, "ALL_OFF"],
      ["hot_reload_modules", true, "ALL_ON"],
    ]);
  });
});
