import { afterEach, beforeEach, describe, expect, it } from "vitest";
import {
  createEngine,
  type Engine,
  encodedSize,
  fitReport,
  isReason,
  MAX_REPORT_BYTES,
  type RunRecord,
} from "../../src/core/index.ts";
import { ROOT } from "./modules/rig.ts";

const MIB = 1024 * 1024;
/** One character with six bytes in JSON. */
const CONTROL = "\u0001";
/** One number with eleven bytes in protobuf and two in JSON. */
const numbers = (count: number): number[] => Array.from({ length: count }, () => 1);
const entries = (count: number, length: number, from = 0): string[] =>
  Array.from({ length: count }, (_, at) => `${from + at} `.padEnd(length, "€").trim());

let engine: Engine;
let files: Record<"flags" | "modules", string>;

beforeEach(async () => {
  files = { flags: "{}", modules: "{}" };
  engine = await createEngine({
    modulesRoot: ROOT,
    flagsFile: { name: "flags.json", read: async () => files.flags },
    modulesFile: { name: "modules.json", read: async () => files.modules },
  });
});

afterEach(() => engine.close());

/** The reason of the refusal. */
async function refusal(work: () => Promise<unknown>) {
  const before = engine.revision();
  const error = await work().then(
    () => new Error("it was not refused"),
    (thrown: unknown) => thrown,
  );
  expect(engine.revision()).toBe(before);
  return error;
}

const tooLarge = (what: string, name: string, limit: number) =>
  expect.objectContaining({
    reason: "RESOURCE_TOO_LARGE",
    code: "INVALID_ARGUMENT",
    metadata: { what, name, limit: String(limit), size: expect.stringMatching(/^\d+$/) },
  });

describe("a flag", () => {
  const flag = tooLarge("flag", "large", MIB);
  const variants = Array.from({ length: 16 }, (_, at) => ({ name: `v${at}`, weight: 1, value: numbers(8000) }));

  it("is refused in every request if its lists or values take more than 1 MiB in JSON or in protobuf", async () => {
    const { flags } = engine;
    expect(await refusal(() => flags.create("large", { whitelist: entries(10_000, 40) }))).toEqual(flag);
    expect(await refusal(() => flags.create("large", { variants }))).toEqual(flag);
    await flags.create("large", { whitelist: entries(1000, 40) });
    expect(await refusal(() => flags.update("large", { whitelist: entries(10_000, 40) }))).toEqual(flag);
    expect(await refusal(() => flags.update("large", { whitelist: entries(5000, 40, 9000), variants }))).toEqual(flag);
  });

  it("cannot exceed 1 MiB by many small changes: the one that would is refused, and changes nothing", async () => {
    const { flags } = engine;
    await flags.create("large", {});
    let count = 0;
    const error = await (async () => {
      for (;;) {
        try {
          await flags.addToWhitelist("large", entries(1000, 200, count));
        } catch (thrown) {
          return thrown;
        }
        count += 1000;
      }
    })();
    expect(error).toEqual(flag);
    expect(flags.get("large").record.whitelist).toHaveLength(count);
    expect(encodedSize(flags.get("large").record)).toBeLessThanOrEqual(MIB);
    await flags.disable("large", { kill: true }, { reason: "even a full one" });
  });

  it("a flag in a file is refused with its line, and nothing of that file is loaded", async () => {
    const large = { enabled: true, strategy: "whitelist", whitelist: entries(10_000, 40) };
    files.flags = JSON.stringify({ small: { enabled: true, strategy: "all_on" }, large });
    for (const dryRun of [true, false]) {
      expect(await refusal(() => engine.flags.reload({ dryRun }))).toMatchObject({
        reason: "FLAGS_FILE_INVALID",
        metadata: { key: "large", expected: `at most ${MIB}`, problem: expect.stringContaining("bytes") },
      });
    }
  });

  it("a flag that is larger, from an earlier version, can be switched off and made smaller, but not larger", async () => {
    const { flags, store } = engine;
    await flags.create("large", { enabled: true, strategy: "WHITELIST", whitelist: ["alice"] });
    const record = { ...flags.get("large").record, whitelist: ["alice", ...entries(9000, 250)] };
    const { revision } = await store.put("flag/large", JSON.stringify(record), { cause: { action: "Earlier" } });
    expect(await refusal(() => flags.addToWhitelist("large", ["bob"]))).toEqual(flag);
    await flags.disable("large", {}, { reason: "it is wrong" });
    expect(flags.get("large").record).toMatchObject({ enabled: false });
    await flags.update("large", { whitelist: ["alice"] });
    expect(await refusal(() => flags.revert("large", revision))).toEqual(flag);
  });
});

describe("a module", () => {
  const config = tooLarge("the config of module", "echo", 256 * 1024);

  it("a module with a configuration of more than 256 KiB, or more than 1 MiB in all, is refused", async () => {
    const { modules } = engine;
    const register = (fields: object) => () => modules.register("echo", { modulePath: "echo_v1", ...fields });
    expect(await refusal(register({ config: { text: CONTROL.repeat(50_000) } }))).toEqual(config);
    expect(await refusal(register({ config: { list: numbers(30_000) } }))).toEqual(config);
    const reloadHooks = [{ method: "warm", input: numbers(100_000) }];
    expect(await refusal(register({ reloadHooks }))).toEqual(tooLarge("module", "echo", MIB));
    const fsRead = Array.from({ length: 100 }, () => `/${CONTROL.repeat(4000)}`);
    expect(await refusal(register({ grants: { fsRead } }))).toEqual(tooLarge("module", "echo", MIB));
  });

  it("is not swapped with a configuration that is too large", async () => {
    await engine.modules.register("echo", { modulePath: "echo_v1" });
    const large = { list: numbers(30_000) };
    expect(await refusal(() => engine.modules.swap("echo", { config: large }))).toEqual(config);
    expect(await refusal(() => engine.modules.swapAll([{ name: "echo", config: large }]))).toEqual(config);
  });

  it("a module in a file is refused with its line", async () => {
    const modules = JSON.stringify({ echo: { module_path: "echo_v1", config: { list: numbers(30_000) } } });
    const starting = createEngine({
      modulesRoot: ROOT,
      modulesFile: { name: "modules.json", read: async () => modules },
    });
    await expect(starting).rejects.toMatchObject({
      reason: "MODULES_FILE_INVALID",
      metadata: { key: "echo.config", expected: `at most ${256 * 1024}` },
    });
  });
});

describe("a suite", () => {
  it("a suite of more than 1 MiB is refused", async () => {
    const test = { name: "t", method: "m", input: numbers(100_000) };
    const suite = tooLarge("test suite", "large", MIB);
    expect(await refusal(() => engine.testing.createSuite("large", { tests: [test] }))).toEqual(suite);
  });

  it("is not run with a configuration of more than 256 KiB", async () => {
    await engine.modules.register("echo", { modulePath: "echo_v1" });
    const config = { symbols: Array.from({ length: 60_000 }, (_, at) => `S${at}`) };
    const error = await refusal(() => engine.testing.run("echo", "trading", { config }));
    expect(error).toEqual(tooLarge("the config of a test run of module", "echo", 256 * 1024));
  });
});

describe("a report", () => {
  const report = (tests: RunRecord["tests"]): RunRecord => ({
    ...{ module: "m", suite: "s", target: "FRESH", config: {}, state: "COMPLETED", passed: true },
    ...{ totalTests: tests.length, tests, durationMs: 1, modulePath: "m", version: "1", sha256: "", artifact: "" },
    ...{ startTime: 0, cause: { action: "RunTests" } },
  });
  const test = { outcome: "PASSED", required: true, durationMs: 1 } as const;

  it.each([
    ["outputs", { message: "", output: numbers(2048) }],
    ["messages", { message: CONTROL.repeat(1000) }],
    ["both", { message: "é".repeat(1000), output: "x".repeat(4090) }],
  ])("a report with %s in a thousand tests is shortened to 1 MiB, and says so", (_, more) => {
    const tests = Array.from({ length: 1000 }, (_, at) => ({ ...test, ...more, name: `${at}${CONTROL.repeat(120)}` }));
    const fitted = fitReport(report(tests));
    expect(encodedSize(fitted)).toBeLessThanOrEqual(MAX_REPORT_BYTES);
    expect(fitted).toMatchObject({ shortened: true, totalTests: 1000, passed: true });
    expect(fitted.tests.map(({ name }) => name)).toEqual(tests.map(({ name }) => name));
  });

  it("is kept unchanged if it is smaller", () => {
    const small = report([{ ...test, name: "t", message: "fine", output: numbers(1000) }]);
    expect(fitReport(small)).toBe(small);
  });
});

describe("an actor and a reason", () => {
  it.each([
    ["actor", { actor: "x".repeat(257) }],
    ["reason", { reason: "x".repeat(1025) }],
  ])("are refused if they are too long, also in calls of the library: %s", async (field, by) => {
    const ways: (() => Promise<unknown>)[] = [
      () => engine.flags.create("a", {}, {}, by),
      () => engine.breakers.getOrCreate("a", {}, by),
      () => engine.modules.register("a", { modulePath: "echo_v1" }, {}, by),
      () => engine.testing.createSuite("a", { tests: [{ name: "t", method: "m" }] }, by),
    ];
    for (const way of ways) {
      const error = await refusal(way);
      expect(isReason(error, "ARGUMENT_INVALID") && error.metadata.field).toBe(field);
    }
  });

  it("are counted in characters, as the contract says", async () => {
    const by = { actor: "💥".repeat(256), reason: "💥".repeat(1024) };
    await engine.flags.create("a", {}, {}, by);
  });
});
