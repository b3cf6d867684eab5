import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { DescMethod } from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";
import { type Constant, constantsOf, limitsOf } from "../../scripts/limits-doc/constants.ts";
import { limitsPage } from "../../scripts/limits-doc.ts";
import { ERRORS } from "../../src/core/index.ts";
import { SETTINGS } from "../../src/server/config/settings.ts";
import { SERVICES } from "../../src/server/contract.ts";
import { filesBelow } from "./imports.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const LIMIT_NAME = /(^|_)(MAX|MIN|MOST|LIMIT|KEPT|LONGEST|SHORTEST|DEEPEST)(_|$)|_(BYTES|CHARS|MS|LIMIT|MAX)$/;

/** Constants with the name of a limit that no user can reach. */
const INTERNAL: Readonly<Record<string, readonly string[]>> = {
  "the size of a part, used to estimate sizes": [
    "src/core/modules/host/wire/answer-size.ts ENVELOPE_BYTES",
    "src/core/modules/host/wire/answer-size.ts MOST_BYTES_PER_BYTE",
    "src/core/modules/host/wire/answer-size.ts MOST_BYTES_PER_CHARACTER",
    "src/core/modules/host/wire/posts.ts PACKET_BYTES",
    "src/kernel/flags/condition/build.ts MEMBER_BYTES",
    "src/kernel/flags/condition/operations.ts ELEMENT_BYTES",
    "src/kernel/flags/condition/texts.ts TEXT_UNIT_BYTES",
    "src/core/json/size.ts LONGEST_NUMBER",
    "src/core/json/size.ts SCALAR_BYTES",
    "src/core/store/collection.ts MOST_BYTES_PER_CHARACTER",
    "src/server/map/abridged.ts MODULE_BYTES",
    "src/server/map/size.ts TIME_BYTES",
    "src/server/map/status.ts EVENT_BYTES",
    "src/server/map/status.ts RECENT_BYTES",
    "src/server/map/watch.ts CHANGE_BYTES",
    "src/server/services/whole.ts MOST_LOOSE",
    "src/server/services/whole.ts SURE_BYTES",
  ],
  "a part of a format": [
    "src/core/modules/host/wire/frames.ts FIXED_BYTES",
    "src/core/modules/host/wire/frames.ts HEAD_BYTES",
    "src/core/modules/calls/delivery.ts TIMER_ROUNDING_MS",
    "src/core/modules/host/wire/frames.ts KIND_BYTES",
    "src/core/modules/host/inside/link.ts FULL_READ_BYTES",
    "src/core/modules/host/bounds/memory.ts PAGE_BYTES",
    "src/server/http/envelopes.ts HEAD_BYTES",
    "src/server/transport/frame-reader.ts PREFACE_BYTES",
    "src/server/transport/frame-gate.ts PING_BYTES",
    "src/server/transport/frame-gate.ts SMALL_DATA_BYTES",
    "src/server/transport/direct/settings.ts SETTING_BYTES",
    "src/server/transport/direct/shared-window.ts INITIAL_WINDOW_BYTES",
    "src/server/transport/direct/sender.ts TURN_BYTES",
    "src/server/transport/direct/connection.ts WINDOW_STEP_BYTES",
    "src/server/transport/direct/frames.ts CHUNK_BYTES",
    "src/server/transport/direct/frames.ts FIRST_CHUNK_BYTES",
    "src/server/transport/direct/frames.ts FRAME_HEAD_BYTES",
    "src/server/transport/direct/frames.ts MAX_FRAME_BYTES",
    "src/server/transport/grpc/body.ts PREFIX_BYTES",
    "src/server/transport/header-block.ts INITIAL_TABLE_BYTES",
    "src/server/http/refusals.ts HEADER_BYTES",
    "src/server/http/strict-json.ts ENVELOPE_BYTES",
  ],
  "the range of a type": [
    "src/kernel/flags/condition/values.ts MAX_INT",
    "src/kernel/flags/condition/values.ts MAX_TIMESTAMP",
    "src/kernel/flags/condition/values.ts MAX_UINT",
    "src/kernel/flags/condition/values.ts MIN_TIMESTAMP",
    "src/server/map/message.ts MOST_INT64",
    "src/server/map/common.ts MAX_SPAN_MS",
    "src/server/interceptors/accept/rules.ts MOST_SECONDS",
  ],
  "a copy of another constant, or of a limit in the contract": [
    "clients/typescript/src/breaker/pending.ts MOST_IN_RUN",
    "clients/typescript/src/breaker/pending.ts MOST_RUNS_IN_REPORT",
    "clients/typescript/src/flags/usage.ts OVERHEAD_BYTES",
    "clients/typescript/src/flags/usage.ts UTF8_BYTES",
    "clients/typescript/src/snapshot/format.ts DIGEST_BYTES",
    "clients/typescript/src/snapshot/format.ts LENGTH_BYTES",
    "src/core/store/requests.ts REPLAY_WINDOW_MS",
    "src/server/map/json.ts MAX_DEPTH",
    "src/server/map/values.ts MAX_SPAN_SECONDS",
  ],
  "a division of work that does not affect the result": [
    "clients/typescript/src/breaker/feed.ts HEARD_MS",
    "src/kernel/async/retry.ts MOST_DOUBLINGS",
    "src/kernel/clock.ts LONGEST_PLATFORM_DELAY_MS",
    "src/core/flags/file/digest.ts STEP_CHARS",
    "src/core/modules/host/bounds/memory.ts LOST_LOOK_MS",
    "src/core/modules/host/wire/turns.ts LOOK_MS",
    "src/core/store/sqlite/answers.ts SWEEP_LIMIT",
    "src/core/store/sqlite/daily.ts SWEEP_LIMIT",
    "src/core/store/sqlite/store.ts COMPACTION_LIMIT",
    "src/core/store/sqlite/sweeper.ts FIRST_SWEEP_MS",
    "src/server/cel/fold.ts KEPT_TEXT",
    "src/server/map/encode/output.ts FIRST_BYTES",
    "src/server/map/encode/output.ts KEPT_BYTES",
    "src/server/process/end.ts LOOK_MS",
    "src/server/transport/hpack/header-list.ts SHARED_CHARS",
  ],
};

const sources = ["src", "clients/typescript/src"]
  .flatMap((directory) => filesBelow(ROOT, directory))
  .filter((path) => path.endsWith(".ts") && !path.endsWith(".test.ts"))
  .map((path) => ({ path, text: readFileSync(join(ROOT, path), "utf8") }));
const limits = sources.flatMap(({ path, text }) => limitsOf(path, text));
/** The fields of all messages that the methods take and return. */
function fieldNames(methods: readonly DescMethod[]): string[] {
  const messages = new Set(methods.flatMap(({ input, output }) => [input, output]));
  // A loop over a set also visits the items that are added during the loop.
  for (const { fields } of messages) for (const { message } of fields) if (message !== undefined) messages.add(message);
  return [...messages].flatMap(({ fields }) => fields.map(({ name }) => name));
}

const isUnmarked = ({ name, comment }: Constant): boolean => LIMIT_NAME.test(name) && !comment.includes("@limit");

describe("constants with the name of a limit", () => {
  it("say what they bound and have a @limit tag, or are listed here as internal", () => {
    const unmarked = sources.flatMap(({ path, text }) =>
      constantsOf(text)
        .filter(isUnmarked)
        .map(({ name }) => `${path} ${name}`),
    );
    expect(unmarked.sort()).toEqual(Object.values(INTERNAL).flat().sort());
  });

  it("are found both in the service and in the client", () => {
    const below = (folder: string): number => limits.filter(({ path }) => path.startsWith(folder)).length;
    expect(below("src/core/")).toBeGreaterThan(100);
    expect(below("src/server/")).toBeGreaterThan(50);
    expect(below("clients/")).toBeGreaterThan(20);
  });
});

describe("the page of limits", () => {
  const page = limitsPage();

  it("has a row for each tagged constant", () => {
    const row = ({ name, path, value }: (typeof limits)[number]): RegExp =>
      new RegExp(`^\\| .+ \\| ${RegExp.escape(value)} \\| .* \\| \`${name}\` in \`${RegExp.escape(path)}\` \\|$`, "m");
    expect(limits.filter((limit) => !row(limit).test(page)).map(({ name, path }) => `${path} ${name}`)).toEqual([]);
  });

  it("names only reasons, settings and constants that exist", () => {
    const known = new Set([
      // Messages for answers, as opposed to errors.
      "CONDITION_FAILED",
      "TOO_MANY_PREREQUISITES",
      ...Object.keys(ERRORS),
      ...SETTINGS.map(({ name }) => name),
      ...limits.map(({ name }) => name),
    ]);
    const named = limits.flatMap(({ meaning, setting }) => [
      ...(meaning.match(/(?<=`)[A-Z][A-Z0-9]*(_[A-Z0-9]+)+(?=`)/g) ?? []),
      ...(setting === "" ? [] : [setting]),
    ]);
    expect(named.length).toBeGreaterThan(100);
    expect(named.filter((name) => !known.has(name))).toEqual([]);
  });

  it("names only RPCs and fields that exist in the contract", () => {
    const methods = SERVICES.flatMap((service) => service.methods);
    const known = new Set(["ErrorInfo", "request_id", ...methods.map(({ name }) => name), ...fieldNames(methods)]);
    const named = limits.flatMap(
      ({ meaning }) => meaning.match(/(?<=`)([A-Z][a-z]+[A-Z]\w+|[a-z]+(_[a-z]+)+)(?=`)/g) ?? [],
    );
    expect(named.length).toBeGreaterThan(30);
    expect(named.filter((name) => !known.has(name))).toEqual([]);
  });

  it("lists the settings with their ranges", () => {
    for (const name of [
      "HELIOS_JOURNAL_MAX_CHANGES",
      "HELIOS_JOURNAL_MAX_AGE",
      "HELIOS_LOG_MAX_BYTES",
      "HELIOS_GRACE_MS",
    ]) {
      expect(page).toMatch(new RegExp(`^\\| \`${name}\`, .* from \\S+ .*to \\S+`, "m"));
    }
  });
});

describe("the reader of limits", () => {
  const shownOf = (expression: string, unit: string, rest = ""): string | undefined =>
    limitsOf("a.ts", `/** Size of a thing. @limit ${unit} */\nconst THING = ${expression};\n${rest}`)[0]?.value;

  it("reads comments of several lines, including the name of the setting", () => {
    const text = [
      "/**",
      " * Size of a thing, with all",
      " * that is in it; a larger one is refused. @limit bytes, HELIOS_THING",
      " */",
      "export const MAX_THING: number = 2 * 1024;",
    ].join("\n");
    expect(limitsOf("a.ts", text)).toEqual([
      {
        path: "a.ts",
        name: "MAX_THING",
        value: "2 KiB",
        meaning: "Size of a thing, with all that is in it; a larger one is refused.",
        setting: "HELIOS_THING",
      },
    ]);
  });

  it.each([
    ["4 * 1024 * 1024", "bytes", "4 MiB"],
    ["1.75 * 1024 * 1024", "bytes", "1.75 MiB"],
    ["2 ** 10 * 3", "bytes", "3 KiB"],
    ["1000", "bytes", "1,000 bytes"],
    ["86_400_000", "ms", "1 day"],
    ["30 * 86_400_000", "ms", "30 days"],
    ["90_000", "ms", "1.5 min"],
    ["250", "ms", "250 ms"],
    ["10_000n", "entries", "10,000 entries"],
    ["4", "times `concurrency`", "4 times `concurrency`"],
    ["1_000_000", "-", "1,000,000"],
    ["Number.POSITIVE_INFINITY", "ms", "no limit"],
  ])("shows %s %s as %s", (expression, unit, shown) => {
    expect(shownOf(expression, unit)).toBe(shown);
  });

  it("evaluates expressions that use other constants of the file and members of its tables", () => {
    expect(shownOf("3 * MIB", "bytes", "const MIB = 1024 ** 2;")).toBe("3 MiB");
    expect(shownOf("2 * UNITS.h", "ms", "const UNITS = { m: 60_000, h: 3_600_000 } as const;")).toBe("2 h");
  });

  it.each(["OTHER * 2", "MIB - 1", "3 * OTHER.h", "Math.max(1, 2)", "-1"])(
    "refuses %s, because it cannot compute the value",
    (expression) => {
      expect(() => shownOf(expression, "bytes", "const MIB = 1024 ** 2;")).toThrow(/^a\.ts: THING: .*neither/);
    },
  );

  it.each(["@limit bytes", "Size. @limit bytes\n * Others.", "Size. @limit"])("refuses the comment %j", (comment) => {
    expect(() => limitsOf("a.ts", `/** ${comment} */\nconst THING = 1;\n`)).toThrow("a.ts: THING: expected a comment");
  });

  it.each([
    "/** Size. @limit bytes */\n\nconst THING = 1;\n",
    "/** Size. @limit bytes */\nlet THING = 1;\n",
    "/** Size. @limit bytes @limit ms */\nconst THING = 1;\n",
    "function f() {\n  /** Size. @limit bytes */\n  const THING = 1;\n}\n",
    "// Size. @limit bytes\nconst THING = 1;\n",
  ])("refuses a tag in a place where it would be overlooked: %j", (text) => {
    expect(() => limitsOf("a.ts", text)).toThrow("a.ts: a @limit is not in the doc comment right above");
  });

  it("ignores constants without a tag and values that are not numbers", () => {
    const text = '/** A name. */\nconst NAME = "a";\n/** A thing. */\nconst THING = 3;\nconst OTHER = 4;\n';
    expect(limitsOf("a.ts", text)).toEqual([]);
    expect(constantsOf(text).map(({ name }) => name)).toEqual(["THING", "OTHER"]);
  });
});
