import { describe, expect, it } from "vitest";
import { HeliosError } from "../../../../src/core/errors/error.ts";
import { parseModulesFile } from "../../../../src/core/modules/record/modules-file.ts";
import { withDefaults } from "../../../../src/core/modules/record/registration.ts";

function mistakeIn(text: string): Readonly<Record<string, string>> {
  try {
    parseModulesFile(text, "modules.json");
  } catch (error) {
    if (error instanceof HeliosError && error.reason === "MODULES_FILE_INVALID") return error.metadata;
    throw error;
  }
  throw new Error("it was not refused");
}

describe("a modules file", () => {
  it("registers modules by name, with defaults for missing fields", () => {
    const { modules } = parseModulesFile('{ "b": { "module_path": "src.b" }, "a": { "module_path": "a.ts" } }', "f");
    expect(modules).toEqual([
      { name: "b", registration: withDefaults({ modulePath: "src.b" }), load: false },
      { name: "a", registration: withDefaults({ modulePath: "a.ts" }), load: false },
    ]);
  });

  it("may set every field of a registration", () => {
    const text = JSON.stringify({
      m: {
        module_path: "src.m",
        version: "1.2.3",
        assets: ["weights.bin", "data"],
        dependencies: ["b", "a"],
        hot_reloadable: false,
        isolation: "thread",
        config: { deep: [1] },
        env: { KEY: "value" },
        sha256: "0".repeat(64),
        grants: { fs_read: ["/data"], fs_write: ["/tmp"], net: true, child_process: true },
        start_timeout: "20s",
        call_timeout: "0.25s",
        block_timeout: "2s",
        health_interval: "0.5s",
        max_heap_mb: 64,
        concurrency: 2,
        test_suite: "trading",
        reload_hooks: [{ method: "warm" }, { method: "predict", input: { n: 1 } }],
        pure_methods: ["predict"],
        test_stubs: { a: { quote: { bid: 1 } }, b: "fakes.b" },
        test_allow_dependencies: ["b", "a"],
        breaker: {
          failure_threshold: 2,
          timeout: "3s",
          success_threshold: 4,
          probe_concurrency: 5,
          probe_timeout: "6s",
          failure_rate: 0.5,
          slow_call_rate: 0.25,
          slow_call_duration: "0.5s",
          window_calls: 50,
          window_duration: "20s",
          minimum_calls: 7,
          timeout_multiplier: 1.5,
          max_timeout: "120s",
          jitter: 0.1,
          probe_failure_rate: 0.2,
          min_reporters: 3,
          warm_up: "0s",
        },
        fallback_module: "old",
        load: true,
      },
    });
    expect(parseModulesFile(text, "f").modules).toEqual([
      {
        name: "m",
        load: true,
        registration: {
          modulePath: "src.m",
          version: "1.2.3",
          assets: ["data", "weights.bin"],
          dependencies: ["a", "b"],
          hotReloadable: false,
          isolation: "THREAD",
          config: { deep: [1] },
          env: { KEY: "value" },
          sha256: "0".repeat(64),
          grants: { fsRead: ["/data"], fsWrite: ["/tmp"], net: true, childProcess: true },
          startTimeoutMs: 20_000,
          callTimeoutMs: 250,
          blockTimeoutMs: 2000,
          healthIntervalMs: 500,
          maxHeapMb: 64,
          concurrency: 2,
          testSuite: "trading",
          pureMethods: ["predict"],
          testStubs: { a: { quote: { bid: 1 } }, b: "fakes.b" },
          testAllowDependencies: ["a", "b"],
          reloadHooks: [
            { method: "warm", input: null },
            { method: "predict", input: { n: 1 } },
          ],
          breaker: {
            failureThreshold: 2,
            timeoutMs: 3000,
            successThreshold: 4,
            probeConcurrency: 5,
            probeTimeoutMs: 6000,
            failureRate: 0.5,
            slowCallRate: 0.25,
            slowCallDurationMs: 500,
            windowCalls: 50,
            windowMs: 20_000,
            minimumCalls: 7,
            timeoutMultiplier: 1.5,
            maxTimeoutMs: 120_000,
            jitter: 0.1,
            probeFailureRate: 0.2,
            minReporters: 3,
            warmUpMs: 0,
          },
          fallbackModule: "old",
        },
      },
    ]);
  });

  it.each([
    ["[]", "1", "(top level)", "a list is not allowed", "an object of modules by name"],
    ['{\n"m": 5 }', "2", "m", "5 is not allowed", "an object"],
    ['{\n"m": {} }', "2", "m.module_path", "missing", 'the key "module_path"'],
    ['{ "m": {\n"module_path": "" } }', "2", "m.module_path", '"" is not allowed', "a path below the modules root"],
    ['{ "m": {\n"modul_path": "a" } }', "2", "m.modul_path", "unknown key", '"module_path"'],
    ['{ "m": { "module_path": "a",\n"load": 1 } }', "2", "m.load", "1 is not allowed", "true or false"],
    [
      '{ "m": { "module_path": "a",\n"isolation": "PROCESS" } }',
      "2",
      "m.isolation",
      '"PROCESS" is not allowed',
      "one of process, thread",
    ],
    [
      '{ "m": { "module_path": "a",\n"call_timeout": 5 } }',
      "2",
      "m.call_timeout",
      "5 is not allowed",
      'seconds, such as "10s" or "0.25s"',
    ],
    [
      '{ "m": { "module_path": "a",\n"grants": {\n"fsRead": [] } } }',
      "3",
      "m.grants.fsRead",
      "unknown key",
      '"fs_read"',
    ],
    [
      '{ "m": { "module_path": "a", "dependencies": [\n"b",\n"b"] } }',
      "3",
      "m.dependencies[1]",
      "b comes twice",
      "each name once",
    ],
    [
      '{ "m": { "module_path": "a", "breaker": {\n"timeout": "0s" } } }',
      "2",
      "m.breaker.timeout",
      "must be from 1 ms to 86400 s, not 0",
      "a breaker's configuration",
    ],
    ['{ "m": {\n"module_path": "a" ', "2", "m", "the text ends here", '"," or "}"'],
    [
      '{ "a b": { "module_path": "a" } }',
      "1",
      '["a b"]',
      '"a b" is not allowed',
      "1 to 120 letters, digits and _ . -, a letter or digit first",
    ],
  ])(
    "a modules file with a mistake is refused with line, key and expectation: %s",
    (text, line, key, problem, expected) => {
      expect(mistakeIn(text)).toEqual({ file: "modules.json", line, key, problem, expected });
    },
  );

  it("a modules file with a wrong environment is refused without revealing the value", () => {
    const mistake = mistakeIn('{ "m": { "module_path": "a", "env": { "1KEY": "secret" } } }');
    expect(JSON.stringify(mistake)).not.toContain("secret");
  });
});

describe("several mistakes of a modules file", () => {
  const text = `{
    "a": { "module_path": "a.ts", "load": 1, "call_timeout": 5, "grants": { "net": 1, "fsRead": [] }, "concurrency": 0 },
    "b": { "modul_path": "b.ts",
      "version": "1", "version": "2",
      "config": { "id": 9007199254740993, "text": "\\ud800" } },
    "c": [],
    "d": { "breaker": { "timeout": 1, "jitter": 2 }, "isolation": "PROCESS", "env": { "1": "x" }, "dependencies": "a" },
    "fine": { "module_path": "fine.ts" },
    "-": { "module_path": "x.ts", "config": 5 },
    "fine": { "module_path": "finer.ts" }
  }`;

  it("are all reported with line and key, in the order of the lines", () => {
    const { line, key, more = "", mistakes } = mistakeIn(text);
    const reported = [
      `line ${line}, ${key}`,
      ...more
        .trim()
        .split("\n")
        .map((each) => each.split(": ")[0]),
    ];
    expect(reported).toEqual([
      "line 2, a.call_timeout",
      "line 2, a.grants.fsRead",
      "line 2, a.load",
      "line 2, a.grants.net",
      "line 2, a.concurrency",
      "line 3, b.modul_path",
      "line 4, b.version",
      "line 5, b.config.id",
      "line 5, b.config.text",
      "line 6, c",
      "line 7, d.breaker.timeout",
      "line 7, d.isolation",
      "line 7, d.module_path",
      "line 7, d.dependencies",
      "line 7, d.env.1",
      "line 7, d.breaker.jitter",
      "line 9, -",
      "line 9, -.config",
      "line 10, fine",
    ]);
    expect(mistakes).toBe(String(reported.length));
  });

  it("are counted if they are too many for the error", () => {
    const many = Object.fromEntries(
      Array.from({ length: 2000 }, (_, at) => [`m${at}`, { module_path: "a", load: 1, other: 1 }]),
    );
    const { more = "", mistakes } = mistakeIn(JSON.stringify(many));
    expect(mistakes).toBe("4000");
    expect(more).toMatch(/^(\nline 1, .+){99}\nand 3900 more$/);
  });

  it("are counted if they are mistakes of the text", () => {
    const {
      key,
      more = "",
      mistakes,
    } = mistakeIn(`{ "m": { "module_path": "a", "config": { "ids": [${"1e999,".repeat(1999)}1e999] } } }`);
    expect([key, mistakes]).toEqual(["m.config.ids[0]", "2000"]);
    expect(more).toMatch(/^(\nline 1, .+){99}\nand 1900 more$/);
  });
});
