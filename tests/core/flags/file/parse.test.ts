import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { HeliosError } from "../../../../src/core/errors/error.ts";
import { ConditionError } from "../../../../src/core/flags/condition.ts";
import { DEFAULT_FLAGS } from "../../../../src/core/flags/file/defaults.ts";
import { parseFlagsFile } from "../../../../src/core/flags/file/parse.ts";
import { printFlagsFile } from "../../../../src/core/flags/file/print.ts";
import type { FileFlag } from "../../../../src/core/flags/file/read-flag.ts";
import { fileFlags } from "./file-flags.ts";

const compileCondition = (source: string) => {
  if (source === "true") return () => true;
  throw new ConditionError("ctx is not known", "context", "line 1, column 1");
};

function mistake(text: string): Readonly<Record<string, string>> {
  try {
    parseFlagsFile(text, "config/feature_flags.json", compileCondition);
  } catch (error) {
    if (error instanceof HeliosError && error.reason === "FLAGS_FILE_INVALID") return error.metadata;
    throw error;
  }
  throw new Error(`no error for ${text}`);
}

/** A file with one flag, whose keys begin at line 3, one per line. */
const oneFlag = (...lines: string[]): string => `{\n"a": {\n${lines.join(",\n")}\n}}`;
const ON = ['"enabled": true', '"strategy": "all_on"'];

const byName = (flags: readonly FileFlag[]): FileFlag[] => [...flags].sort((a, b) => (a.name < b.name ? -1 : 1));

describe("parseFlagsFile", () => {
  it("reads the shape of the specification", () => {
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

  it("reads its own output, and prints the same again", () => {
    fc.assert(
      fc.property(fileFlags, (flags) => {
        const text = printFlagsFile(flags);
        const read = parseFlagsFile(text, "f", () => () => true).flags;
        expect(byName(read)).toEqual(byName(flags));
        expect(printFlagsFile(read)).toBe(text);
      }),
    );
  });

  it.each([
    ["[]", "1", "(top level)", "a list is not allowed", "an object of flags by name"],
    [
      '{\n"a b": true}',
      "2",
      '["a b"]',
      '"a b" is not allowed',
      "1 to 128 letters, digits and _ . : -, a letter or digit first",
    ],
    ['{\n"a": 1}', "2", "a", "1 is not allowed", "an object with the flag's keys, or true or false"],
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
    [oneFlag(...ON, '"percentage": NaN'), "5", "a.percentage", '"NaN" is not JSON', "a JSON value"],
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
    [oneFlag(...ON, '"description": 5'), "5", "a.description", "5 is not allowed", "a string"],
    [oneFlag(...ON, `"salt": "${"x".repeat(129)}"`), "5", "a.salt", "129 characters", "at most 128"],
    [oneFlag(...ON, '"whitelist": "BTCZAR"'), "5", "a.whitelist", '"BTCZAR" is not allowed', "a list of texts"],
    [oneFlag(...ON, '"whitelist": ["x",\n7]'), "6", "a.whitelist[1]", "7 is not allowed", "a string"],
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
    [oneFlag(...ON, '"variants": {}'), "5", "a.variants", "an object is not allowed", "a list of variants"],
    [
      oneFlag(...ON, '"variants": [1]'),
      "5",
      "a.variants[0]",
      "1 is not allowed",
      "an object with name, weight and value",
    ],
    [
      oneFlag(...ON, '"variants": [\n{"name": "x", "wieght": 1}]'),
      "6",
      "a.variants[0].wieght",
      "unknown key",
      '"weight"',
    ],
    [oneFlag(...ON, '"variants": [\n{"name": "x"}]'), "6", "a.variants[0].weight", "missing", 'the key "weight"'],
    [
      oneFlag(...ON, '"variants": [{"name": "x", "weight": 1},\n{"name": "x", "weight": 1}]'),
      "6",
      "a.variants[1].name",
      '"x" comes twice',
      "each name once",
    ],
    [
      oneFlag(...ON, '"variants": [{"name": "off", "weight": 1}]'),
      "5",
      "a.variants[0].name",
      '"off" is not allowed',
      '1 to 128 letters, digits and _ . : -, a letter or digit first; not "off"',
    ],
    [
      oneFlag(...ON, '"variants": [{"name": "x", "weight": 1.5}]'),
      "5",
      "a.variants[0].weight",
      "1.5 is not allowed",
      "a whole number from 0 to 100000",
    ],
    [
      oneFlag(...ON, '"variants": [{"name": "x", "weight": 0}]'),
      "5",
      "a.variants",
      "the weights are all 0",
      "a weight above 0",
    ],
    [
      oneFlag(...ON, '"variants": [{"name": "x", "weight": 1, "value": 1},\n{"name": "y", "weight": 1, "value": "1"}]'),
      "6",
      "a.variants[1].value",
      'is a string, and the value of "x" is a number',
      "values of one type",
    ],
    [oneFlag(...ON, '"condition": "ctx.symbol"'), "5", "a.condition", "line 1, column 1: ctx is not known", "context"],
    [oneFlag(...ON, '"condiiton": "true"'), "5", "a.condiiton", "unknown key", '"condition"'],
    [oneFlag(...ON, '"prerequisites": "b"'), "5", "a.prerequisites", '"b" is not allowed', "a list of names of flags"],
    [oneFlag(...ON, '"prerequisites": ["b",\n"b"]'), "6", "a.prerequisites[1]", '"b" comes twice', "each name once"],
    [
      oneFlag(...ON, '"prerequisites": ["no name"]'),
      "5",
      "a.prerequisites[0]",
      '"no name" is not allowed',
      "the name of a flag",
    ],
    [oneFlag(...ON, '"on_stale": "KEEP"'), "5", "a.on_stale", '"KEEP" is not allowed', "one of keep, off"],
    [oneFlag(...ON, '"on_stale": "off"'), "2", "a.max_staleness", "missing", "a duration, because on_stale is OFF"],
    [
      oneFlag(...ON, '"max_staleness": 30'),
      "5",
      "a.max_staleness",
      "30 is not allowed",
      'seconds with at most three decimals, such as "30s" or "1.5s"',
    ],
    [
      oneFlag(...ON, '"max_staleness": "0.5s"'),
      "5",
      "a.max_staleness",
      "500 is not allowed",
      "a duration from 1 s to 365 days, in whole milliseconds",
    ],
    [oneFlag(...ON, '"killed": "yes"'), "5", "a.killed", '"yes" is not allowed', "true or false"],
    [oneFlag(...ON, '"killed": true'), "3", "a.enabled", "true, and the flag is killed", "false while killed is true"],
    [
      oneFlag(
        ...ON,
        '"gradual": {"initial_percentage": 1, "target_percentage": 2,\n"paused_at": "2025-01-16T10:00:00Z"}',
      ),
      "6",
      "a.gradual.paused_at",
      "without times",
      "start_time and end_time beside it",
    ],
    [
      oneFlag(
        ...ON,
        '"gradual": {"initial_percentage": 1, "target_percentage": 2, "pause_at": "2025-01-16T10:00:00Z"}',
      ),
      "5",
      "a.gradual.pause_at",
      "unknown key",
      '"paused_at"',
    ],
  ])("reports line, key, problem and expectation for %s", (text, line, key, problem, expected) => {
    expect(mistake(text)).toEqual({ file: "config/feature_flags.json", line, key, problem, expected });
  });
});

describe("a flags file with several mistakes", () => {
  it("reports all of them with line and key, in the order of the lines", () => {
    const text = `{
"a": { "enabled": "yes", "strategy": "all_on", "percentage": 101 },
"b c": true,
"c": {
  "enabled": true,
  "strategy": "gradual",
  "gradual": { "initial_percentage": -1, "target_percentage": 200,
    "start_time": "2025-02-30T00:00:00Z" },
  "whitelist": ["x", " y", "x"],
  "variants": [{ "name": "off", "weight": -1 }, 5],
  "prerequisites": ["no name", 7],
  "condition": "nonsense",
  "on_stale": "Off",
  "tags": ["t", "t"],
  "metadata": []
},
"d": []
}`;
    const { file, line, key, more = "", mistakes, ...first } = mistake(text);
    expect([file, line, key, first.problem]).toEqual([
      "config/feature_flags.json",
      "2",
      "a.enabled",
      '"yes" is not allowed',
    ]);
    const places = more
      .split("\n")
      .slice(1)
      .map((each) => each.split(": ")[0]);
    expect(places).toEqual([
      "line 2, a.percentage",
      'line 3, ["b c"]',
      "line 7, c.gradual.initial_percentage",
      "line 7, c.gradual.target_percentage",
      "line 8, c.gradual.start_time",
      "line 9, c.whitelist[1]",
      "line 9, c.whitelist[2]",
      "line 10, c.variants[1]",
      "line 10, c.variants[0].name",
      "line 10, c.variants[0].weight",
      "line 11, c.prerequisites[0]",
      "line 11, c.prerequisites[1]",
      "line 12, c.condition",
      "line 13, c.on_stale",
      "line 14, c.tags[1]",
      "line 15, c.metadata",
      "line 17, d",
    ]);
    expect(mistakes).toBe("18");
  });

  it("also reports the mistakes of its text: duplicate names, numbers, and half surrogate pairs", () => {
    const text = `{ "a": { "enabled": true, "strategy": "all_on", "strategy": "all_off" },
      "b": { "enabled": 1, "strategy": "all_on", "metadata": { "id": 9007199254740993, "id": 2, "id": 3 } },
      "c": { "enabled": true, "strategy": "all_on", "description": "\\ud800", "percentage": 1e999 },
      "a": false }`;
    const { line, key, more = "", mistakes } = mistake(text);
    expect([
      `line ${line}, ${key}`,
      ...more
        .trim()
        .split("\n")
        .map((each) => each.split(": ")[0]),
    ]).toEqual([
      "line 1, a.strategy",
      "line 2, b.metadata.id",
      "line 2, b.metadata.id",
      "line 2, b.metadata.id",
      "line 2, b.enabled",
      "line 3, c.description",
      "line 3, c.percentage",
      "line 4, a",
    ]);
    expect(mistakes).toBe("8");
  });

  it("counts the mistakes that are too many for the error", () => {
    const many = Object.fromEntries(Array.from({ length: 5000 }, (_, index) => [`flag-${index}`, { enabled: 1 }]));
    const { more = "", mistakes } = mistake(JSON.stringify(many));
    expect(mistakes).toBe("10000");
    expect(more).toMatch(/^(\nline 1, .+){99}\nand 9900 more$/);
  });
});

describe("a flags file as people write it", () => {
  const read = (text: string): readonly FileFlag[] => parseFlagsFile(text, "f", compileCondition).flags;

  it("may have true or false for a whole flag", () => {
    const flags = read('{"a": true, "b": false}').map(({ name, definition: { enabled, strategy } }) => [
      name,
      enabled,
      strategy,
    ]);
    expect(flags).toEqual([
      ["a", true, "ALL_ON"],
      ["b", false, "ALL_OFF"],
    ]);
  });

  it("may have comments: keys that begin with _ or $, wherever the file has keys of its own", () => {
    const [flag, ...none] = read(`{
      "$schema": "x", "_comment": ["any", {"thing": 1}], "_": null,
      "a": { "enabled": true, "strategy": "gradual", "_why": 1, "$id": 2,
        "gradual": { "initial_percentage": 1, "target_percentage": 2, "_by": "ana" },
        "variants": [{ "name": "x", "weight": 1, "_note": 1, "value": { "_kept": 1 } }],
        "metadata": { "_kept": 1 } } }`);
    expect([flag?.name, none]).toEqual(["a", []]);
    expect(flag?.definition.variants).toEqual([{ name: "x", weight: 1, value: { _kept: 1 } }]);
    expect(flag?.definition.metadata).toEqual({ _kept: 1 });
  });

  it("may have owner, tags and metadata, which are kept", () => {
    const entry = { enabled: true, strategy: "all_on", description: "" };
    const more = { owner: "desk 7", tags: ["a", "b"], metadata: { ticket: 12, links: ["x", { y: null }] } };
    const text = printFlagsFile(read(JSON.stringify({ a: { ...entry, ...more } })));
    expect(JSON.parse(text)).toEqual({ a: { ...entry, ...more } });
  });

  it.each([
    ["2025-01-16T10:00:00", "2025-01-16T10:00:00Z"],
    ["2025-01-16 10:00:00", "2025-01-16T10:00:00Z"],
    ["2025-01-16T10:00:00.123456", "2025-01-16T10:00:00.123Z"],
    ["2025-01-16T12:00:00+02:00", "2025-01-16T10:00:00Z"],
  ])("may have the time %s, which is UTC if it has no zone", (written, meant) => {
    const [flag] = read(oneFlag(...ON, `"updated_at": "${written}"`));
    expect(flag?.updatedAt).toBe(Date.parse(meant));
  });

  it.each([
    "2025-02-29T10:00:00",
    "2025-13-01T00:00:00",
    "2025-01-01T24:00:00",
    "2025-01-01T10:00:00ZZ",
    "2025-01-01",
    "T",
  ])("may not have the time %s, which does not exist", (written) => {
    expect(mistake(oneFlag(...ON, `"updated_at": "${written}"`))).toMatchObject({ line: "5", key: "a.updated_at" });
  });

  const FLAG = '{"enabled": true, "strategy": "all_on"}';
  it.each([
    ["flags", `{"flags": {"a": ${FLAG}}}`, 'without "flags" around them'],
    ["feature_flags", `{"feature_flags": {"a": true, "b": ${FLAG}}}`, 'without "feature_flags" around them'],
    [
      "flags",
      '{"$schema": "x", "flags": {"a": {"state": "ENABLED", "variants": {}, "defaultVariant": "on"}}}',
      "npm run convert",
    ],
    ["flags", '{"flags": {}}', "at the top level"],
    ["our_flags", `{"our_flags": {"a": ${FLAG}, "b": ${FLAG}}}`, "at the top level"],
    ["features", '{"features": [{"name": "x_1", "strategies": []}]}', '{"x_1": {"enabled": true'],
    ["(top level)", `[{"name": "x_1", "enabled": true}]`, '{"x_1": {"enabled": true'],
  ])("is refused with a hint if %s is a wrapper or a list: %s", (key, text, hint) => {
    const received = mistake(text);
    expect(received).toMatchObject({ key, line: "1" });
    expect(received.expected).toContain(hint);
  });

  it("may have a flag with the name of a wrapper", () => {
    expect(read(`{"flags": ${FLAG}, "features": false}`).map(({ name }) => name)).toEqual(["flags", "features"]);
  });
});

describe("the flags file of the repository", () => {
  it("equals the built-in defaults", () => {
    const text = readFileSync(new URL("../../../../config/feature_flags.json", import.meta.url), "utf8");
    const { flags } = parseFlagsFile(text, "config/feature_flags.json");
    expect(flags.map(({ name, definition }) => ({ name, definition }))).toEqual(DEFAULT_FLAGS);
  });

  it("has the eight flags of the specification", () => {
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
