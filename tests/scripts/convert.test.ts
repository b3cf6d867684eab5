import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { describe, expect, it } from "vitest";
import { convert } from "../../scripts/convert/convert.ts";
import { createFlagCompiler } from "../../src/core/flags/compile.ts";
import { parseFlagsFile } from "../../src/core/flags/file/parse.ts";
import type { EvaluationContext, Flag } from "../../src/core/index.ts";
import { silentLog } from "../../src/core/index.ts";
import { compileCondition } from "../../src/server/cel/condition.ts";

/** The converted file, loaded and evaluated. */
function loaded(source: object, environment?: string) {
  const { text, ...rest } = convert(JSON.stringify(source), undefined, environment);
  const { flags } = parseFlagsFile(text, "converted", compileCondition);
  const stored = new Map(
    flags.map(({ name, definition: record }): [string, Flag] => [
      name,
      { name, record, revision: 1, etag: "", size: 0, createTime: 0, updateTime: 0 },
    ]),
  );
  const compiler = createFlagCompiler((name) => stored.get(name), compileCondition, silentLog);
  const ask = (name: string, context: EvaluationContext = {}) => compiler.compiled(name)?.evaluate(context, 0);
  return { ...rest, ask, entries: JSON.parse(text) as Record<string, Record<string, unknown>> };
}

const BOOLEANS = { on: true, off: false };
const flagd = (fields: object): object => ({
  $schema: "https://flagd.dev/schema/v0/flags.json",
  flags: { f: { state: "ENABLED", variants: BOOLEANS, defaultVariant: "off", ...fields } },
});

describe("the conversion from flagd", () => {
  it.each([
    ["on", { defaultVariant: "on" }, {}, true],
    ["off", {}, {}, false],
    ["not enabled", { state: "DISABLED", defaultVariant: "on" }, {}, false],
    ["equal", { targeting: { if: [{ "===": [{ var: "desk" }, "fx"] }, "on", "off"] } }, { desk: "fx" }, true],
    ["not equal, absent", { targeting: { if: [{ "!==": [{ var: "desk" }, "fx"] }, "on"] } }, {}, true],
    ["not equal", { targeting: { if: [{ "!==": [{ var: "desk" }, "fx"] }, "on"] } }, { desk: "fx" }, false],
    ["in a list", { targeting: { if: [{ in: [{ var: "desk" }, ["a", "fx"]] }, "on"] } }, { desk: "fx" }, true],
    ["in a list, absent", { targeting: { if: [{ in: [{ var: "desk" }, ["a"]] }, "on"] } }, {}, false],
    [
      "not, and, or",
      { targeting: { if: [{ or: [{ "!": { in: [{ var: "x" }, ["a"]] } }, { "==": [{ var: "y" }, "b"] }] }, "on"] } },
      { x: "a" },
      false,
    ],
  ] as const)("gives flags with the same answers: %s", (_, fields, attributes, on) => {
    const { ask, isLossy, system } = loaded(flagd(fields));
    expect([system, isLossy, ask("f", { attributes })?.enabled]).toEqual(["flagd", false, on]);
  });

  it("keeps shares and variants, and says that other sessions get them", () => {
    const share = loaded(
      flagd({
        targeting: {
          fractional: [
            ["on", 25],
            ["off", 75],
          ],
        },
      }),
    );
    expect(share.entries.f).toMatchObject({ strategy: "percentage", percentage: 25 });
    expect(share.report).toEqual([expect.stringContaining("who is in it is not")]);
    const forms = { variants: { a: "x", b: "y" }, defaultVariant: "a", metadata: { owner: "ana" } };
    const { ask, entries } = loaded(flagd(forms));
    expect(ask("f")).toMatchObject({ enabled: true, variant: "a", value: "x" });
    expect(entries.f?.metadata).toEqual({ owner: "ana" });
  });

  it.each([
    ["sem_ver", { targeting: { if: [{ sem_ver: [{ var: "v" }, ">=", "1.0.0"] }, "on"] } }],
    ["a loose number", { targeting: { if: [{ "==": [{ var: "v" }, 5] }, "on"] } }],
    ["off for some", { defaultVariant: "on", targeting: { if: [{ "===": [{ var: "v" }, "x"] }, "off"] } }],
    [
      "variants by rule",
      { variants: { a: 1, b: 2 }, defaultVariant: "a", targeting: { if: [{ "===": [{ var: "v" }, "x"] }, "b"] } },
    ],
  ])("switches a flag off, and reports it, if its rule has no counterpart: %s", (_, fields) => {
    const { ask, report, isLossy } = loaded(flagd(fields));
    expect([isLossy, ask("f")?.enabled]).toEqual([true, false]);
    expect(report[0]).toMatch(/^f: .+: it is switched off here$/);
  });
});

describe("a feature of another system that Helios lacks", () => {
  const states = (more: object = {}): object[] => [{ featureName: "f", environment: "prod", enabled: true, ...more }];
  const exported = (more: object): object => ({
    features: [{ name: "f" }, { name: "other" }],
    featureEnvironments: states(),
    ...more,
  });
  const client = (more: object): object => ({ features: [{ name: "f", enabled: true, ...more }] });
  const forms = (payload: object): object => ({ variants: [{ name: "v", weight: 1, payload }] });

  it.each<[string, object]>([
    [
      "a dependency, in an export",
      exported({ dependencies: [{ feature: "f", dependencies: [{ feature: "other" }] }] }),
    ],
    ["a dependency, of the client API", client({ dependencies: [{ feature: "other" }] })],
    ["strategies that are all inactive", client({ strategies: [{ name: "default", disabled: true }] })],
    ["a payload that is not a number", client(forms({ type: "number", value: "n/a" }))],
    ["two features with one name", { features: [{ name: "f", enabled: true }, { name: "f" }] }],
    ["two entries with one name in a list", [{ name: "f", enabled: true }, "f"]],
    ["a missing default variant", flagd({ defaultVariant: "gone" })],
    [
      "a share of a missing variant",
      flagd({
        variants: { a: "x", b: "y" },
        targeting: {
          fractional: [
            ["a", 1],
            ["gone", 1],
          ],
        },
      }),
    ],
    [
      "a share that would round to all",
      flagd({
        targeting: {
          fractional: [
            ["on", 999_999],
            ["off", 1],
          ],
        },
      }),
    ],
    [
      "a negative share",
      flagd({
        targeting: {
          fractional: [
            ["on", 5],
            ["off", -1],
          ],
        },
      }),
    ],
  ])("is reported, and the flag is off: %s", (_, source) => {
    const { ask, isLossy, report } = loaded(source);
    expect(ask("f", { sessionId: "s", userId: "u" })?.enabled).toBe(false);
    expect([isLossy, report[0]]).toEqual([true, expect.stringMatching(/^f: .+: it is switched off here$/)]);
  });

  it("the variants of an environment are converted, with the usual stickiness if none is given", () => {
    const both = { featureEnvironments: states({ variants: [{ name: "v", weight: 1, payload: { value: "x" } }] }) };
    expect(loaded(exported(both)).ask("f", { sessionId: "s" })?.value).toBe("x");
    const rollout = { name: "flexibleRollout", parameters: { rollout: "30" } };
    expect(loaded(client({ strategies: [rollout] })).entries.f).toMatchObject({ percentage: 30 });
  });

  it("an environment that is not in the file is refused", () => {
    expect(() => loaded(exported({}), "staging")).toThrow(
      'no environment "staging"; the file has the environments "prod"',
    );
    expect(() => loaded(client({}), "prod")).toThrow("the file has no environments");
  });
});

describe("the conversion from Unleash", () => {
  const unleash = (...strategies: object[]): object => ({
    version: 1,
    features: [{ name: "f", enabled: true, description: "d", strategies }],
  });
  const rollout = (more: object = {}): object => ({
    name: "flexibleRollout",
    parameters: { rollout: "30", stickiness: "userId", groupId: "g" },
    ...more,
  });

  it("keeps lists, shares, and both of them together", () => {
    const listed = { name: "userWithId", parameters: { userIds: "ana, eve" } };
    expect(loaded(unleash(listed)).ask("f", { userId: "eve" })?.enabled).toBe(true);
    expect(loaded(unleash(listed)).ask("f", { sessionId: "eve" })?.enabled).toBe(false);
    const share = { strategy: "percentage", percentage: 30, bucket_by: "user_id", salt: "g" };
    expect(loaded(unleash(rollout())).entries.f).toMatchObject(share);
    const both = loaded(unleash(rollout(), listed));
    expect(both.entries.f).toMatchObject({
      ...share,
      whitelist_first: true,
      whitelist: ["user_id:ana", "user_id:eve"],
    });
    expect(both.isLossy).toBe(false);
  });

  it("reports where it makes a difference that the usual stickiness is by session only", () => {
    const usual = (more: object): object => rollout({ parameters: { rollout: "30", groupId: "g", ...more } });
    const losses = [expect.stringMatching(/^f: the default stickiness is the user, /), expect.any(String)];
    for (const stickiness of [{}, { stickiness: "default" }]) {
      const { entries, report, isLossy } = loaded(unleash(usual(stickiness)));
      expect([entries.f?.percentage, entries.f?.bucket_by, isLossy, report]).toEqual([30, undefined, true, losses]);
    }
    const all = loaded(unleash(usual({ rollout: "100" }), rollout()));
    expect([all.ask("f")?.enabled, all.report]).toEqual([true, []]);
    const forms = (stickiness?: string) => ({
      variants: ["v", "w"].map((name) => ({ name, weight: 500, ...(stickiness === undefined ? {} : { stickiness }) })),
    });
    const split = (stickiness?: string, ...strategies: object[]) =>
      loaded({ features: [{ name: "f", enabled: true, strategies, ...forms(stickiness) }] });
    expect(split().report).toEqual(losses);
    expect(split("userId").entries.f).toMatchObject({ bucket_by: "user_id" });
    expect([split("userId").isLossy, split(undefined, rollout()).isLossy]).toEqual([false, false]);
    expect(split("random").report[0]).toBe('f: the stickiness "random" of variants: it is switched off here');
    expect(split("sessionId", rollout()).entries.f).toMatchObject({ enabled: false });
  });

  it("keeps constraints, which an absent field does not meet", () => {
    const constraint = (operator: string): object => ({ contextName: "userId", operator, values: ["ana"] });
    const ask = (operator: string, userId?: string) =>
      loaded(unleash({ name: "default", constraints: [constraint(operator)] })).ask("f", { userId })?.enabled;
    expect([ask("IN", "ana"), ask("IN", "eve"), ask("IN")]).toEqual([true, false, false]);
    expect([ask("NOT_IN", "ana"), ask("NOT_IN", "eve"), ask("NOT_IN")]).toEqual([false, true, true]);
  });

  it("reports what it omits, and switches off flags without a counterpart", () => {
    const { report, entries, isLossy } = loaded({
      features: [
        { name: "old", enabled: true, archived: true, strategies: [] },
        { name: "r", enabled: true, strategies: [{ name: "remoteAddress", parameters: {} }] },
        { name: "no name", enabled: true, strategies: [] },
      ],
    });
    expect(isLossy).toBe(true);
    expect(Object.keys(entries)).toEqual(["r"]);
    expect(entries.r).toMatchObject({ enabled: false });
    expect(report.map((line) => line.split(":")[0])).toEqual(["old", "r", "no name"]);
  });

  it("converts one environment, which must be named if there are several", () => {
    const states = ["dev", "prod"].map((environment) => ({
      featureName: "f",
      environment,
      enabled: environment === "dev",
    }));
    const source = { features: [{ name: "f" }], featureEnvironments: states, featureStrategies: [] };
    expect(loaded(source).isLossy).toBe(true);
    expect(loaded(source, "dev").ask("f")?.enabled).toBe(true);
    expect(loaded(source, "prod").ask("f")?.enabled).toBe(false);
  });
});

describe("a file with inexact numbers or half surrogate pairs", () => {
  it("is converted except for the flags that have them, which are reported by line and key", () => {
    const flag = (id: string) =>
      `{ "state": "ENABLED", "variants": { "on": true, "off": false }, "defaultVariant": "on", "metadata": { "id": ${id} } }`;
    const source = `{ "flags": {\n"a": ${flag("1")},\n"b": ${flag("9007199254740993")},\n"c": ${flag('"\\ud800"')},\n"d": ${flag("2")} } }`;
    const { text, report, isLossy } = convert(source);
    expect(Object.keys(JSON.parse(text) as object)).toEqual(["a", "d"]);
    expect(isLossy).toBe(true);
    expect(report.map((line) => line.split(": ")[0])).toEqual([
      "line 3, flags.b.metadata.id",
      "line 4, flags.c.metadata.id",
      "b",
      "c",
    ]);
  });

  it("is converted except for flags whose numbers JSON would print as another number or as null", () => {
    const flag = (value: string) =>
      `{ "state": "ENABLED", "variants": { "on": true, "off": false }, "defaultVariant": "on", "metadata": { "id": ${value} } }`;
    const source = `{ "flags": {\n"a": ${flag("1")},\n"b": ${flag("1e999")},\n"c": ${flag("1000000000000000000001")} } }`;
    const { text, isLossy } = convert(source);
    expect([Object.keys(JSON.parse(text) as object), isLossy]).toEqual([["a"], true]);
  });

  it("is refused if it has duplicate names, after any quantity of numbers", () => {
    const numbers = Array.from({ length: 1500 }, (_, at) => `"n${at}": 1e999`).join();
    expect(() => convert(`{ "other": {${numbers}}, "a": true, "a": false }`)).toThrow("names come twice");
    expect(() => convert(`{ "a": true, "a": false, "other": {${numbers}}, "a": true }`)).toThrow(
      "line 1, a: comes twice, first in line 1\nand 1 more such mistakes",
    );
  });

  it("is refused with all duplicate members, because it is unclear which of them are valid", () => {
    const twice = '{ "flags": {\n"a": true, "a": false,\n"b": true,\n"b": true, "b": 1e999 } }';
    expect(() => convert(twice)).toThrow(
      ["line 2, flags.a: comes twice", "line 4, flags.b: comes twice", "line 4, flags.b: comes twice"]
        .map((line, at) => `${line}, first in line ${[2, 3, 3][at]}`)
        .join("\n"),
    );
  });
});

describe("npm run convert", () => {
  it("writes the file, reports losses, and has an exit code for them", async () => {
    const directory = mkdtempSync(join(tmpdir(), "helios-convert-"));
    const out = join(directory, "out.json");
    const [simple, lossy, unreadable, wrong] = await Promise.all([
      run(directory, '{"feature_flags": {"a": true, "b": false}}', "--out", out),
      run(directory, '{"a": true, "b": 5}'),
      run(directory, "{"),
      run(directory, "{}", "--from", "nobody"),
    ]);
    const names = loaded(["a", "b"]);
    expect([names.ask("a")?.enabled, names.ask("b")?.enabled, names.isLossy]).toEqual([false, false, true]);
    expect(names.report[0]).toBe("a: nothing says whether it is on: it is switched off here");
    expect([simple.status, simple.stdout]).toEqual([0, ""]);
    expect(JSON.parse(readFileSync(out, "utf8"))).toMatchObject({ a: { enabled: true }, b: {} });
    expect([lossy.status, Object.keys(JSON.parse(lossy.stdout) as object)]).toEqual([3, ["a"]]);
    expect(lossy.stderr).toContain("b: it is neither true nor false");
    expect([unreadable.status, wrong.status]).toEqual([1, 2]);
    rmSync(directory, { recursive: true, force: true });
  });
});

let runs = 0;

/** Runs the program on a file with that content. */
async function run(directory: string, source: string, ...args: string[]) {
  const file = join(directory, `source-${++runs}.json`);
  writeFileSync(file, source);
  const child = spawn(process.execPath, [join(import.meta.dirname, "../../scripts/convert.ts"), file, ...args]);
  const [stdout, stderr, [status]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, "close")]);
  return { status: status as number, stdout, stderr };
}
