import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { COMPUTED, filesBelow, importsOf, readSources } from "./imports.ts";
import { violations } from "./rules.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const MOST_LINES = 500;

const sources = ["src", "clients/typescript", "gen", "examples", "tests/kernel"].flatMap((directory) =>
  readSources(ROOT, directory),
);

describe("the layers", () => {
  it("import only what the rules allow", () => {
    expect(sources.flatMap(violations)).toEqual([]);
  });

  it("each have files with imports, so that the check has something to read", () => {
    for (const directory of [
      "src/core/store",
      "src/core/flags",
      "src/server/map",
      "clients/typescript/src",
      "gen/helios",
      "examples/modules",
      "tests/kernel",
    ]) {
      const found = sources.filter(({ path }) => path.startsWith(`${directory}/`));
      expect(found.length).toBeGreaterThan(1);
      expect(found.flatMap(({ imports }) => imports).length).toBeGreaterThan(1);
    }
  });
});

describe("source files", () => {
  it(`below src and clients have at most ${MOST_LINES} lines`, () => {
    const long = ["src", "clients"]
      .flatMap((directory) => filesBelow(ROOT, directory))
      .filter((path) => /\.(ts|js|mjs|py|go)$/.test(path) && !/_pb2(_grpc)?\.pyi?$/.test(path))
      .map((path) => ({ path, lines: readFileSync(join(ROOT, path), "utf8").split("\n").length }))
      .filter(({ lines }) => lines > MOST_LINES)
      .map(({ path, lines }) => `${path} has ${lines} lines`);
    expect(long).toEqual([]);
  });
});

describe("messages of answers", () => {
  const MAKES = /(?<![.\w])(create|BigInt|timestampFromMs)\(/g;
  const MAY = ["message.ts: create", "message.ts: BigInt", "scalars.ts: BigInt"];
  /** Made from requests or from constants, so that they contain no count. */
  const COMES_IN = ["canonical.ts: create", "values.ts: BigInt"];

  it("are made by map/message.ts and encoded by map/encode alone, which keep every number in the range of its field", () => {
    const found = sources
      .filter(({ path }) => /^src\/server\/(map|services)\//.test(path))
      .flatMap(({ path }) =>
        [...readFileSync(join(ROOT, path), "utf8").matchAll(MAKES)].map(
          ([, name]) => `${path.split("/").at(-1)}: ${name}`,
        ),
      );
    expect([...new Set(found)].sort()).toEqual([...MAY, ...COMES_IN].sort());
  });
});

describe("the core", () => {
  const USES =
    /\b(Date\.now|performance\.now|setTimeout|setInterval|Math\.random|randomUUID|console\.\w+)\b|\bnew Date\(\)/g;
  const MAY = ["src/kernel/clock.ts", "src/core/engine.ts"];

  it("gets time, ids and randomness as arguments: only the clock, the engine's defaults and the hosts read them", () => {
    const found = sources
      .filter(
        ({ path }) => path.startsWith("src/core/") && !path.startsWith("src/core/modules/host/") && !MAY.includes(path),
      )
      .flatMap(({ path }) =>
        [...readFileSync(join(ROOT, path), "utf8").matchAll(USES)].map(([use]) => `${path} uses ${use}`),
      );
    expect(found).toEqual([]);
  });
});

describe("timers", () => {
  const TIMERS = /\b(setTimeout|setInterval|AbortSignal\.timeout|timers\/promises|node:timers|scheduler\.wait)\b/g;

  /** The first may not import the second, because it runs inside a module's process. */
  const OWN = ["src/core/modules/host/inside/link.ts", "src/kernel/clock.ts"];

  it("are created by the clock alone, because the platform's timers turn a delay of more than 24.8 days into 1 ms", () => {
    const found = sources
      .filter(({ path }) => /^(src|clients)\//.test(path) && !OWN.includes(path))
      .flatMap(({ path }) =>
        [...readFileSync(join(ROOT, path), "utf8").matchAll(TIMERS)].map(([use]) => `${path} uses ${use}`),
      );
    expect(found).toEqual([]);
  });
});

describe("waits", () => {
  const BY_HAND = /Promise\.(?:race|any)\(|addEventListener\("abort"|AbortSignal\.any\(/g;

  /** The second asks whether a promise is settled by now. */
  const MAY = ["src/kernel/async/signal.ts", "src/core/modules/calls/keyed/keyed-calls.ts"];

  it("end at a deadline or with a signal by src/kernel/async alone, which leaves no timer and no listener behind", () => {
    const found = sources
      .filter(({ path }) => /^(src|clients)\//.test(path) && !MAY.includes(path))
      .flatMap(({ path }) =>
        [...readFileSync(join(ROOT, path), "utf8").matchAll(BY_HAND)].map(([use]) => `${path} uses ${use}`),
      );
    expect(found).toEqual([]);
  });
});

describe("the reader of imports", () => {
  it("finds every form of import, and ignores comments and strings", () => {
    const text = `
      import "a1";
      import a from 'a2';import { b,
        type c } from "../a3.ts";
      // import x from "no1";
      /* import x from "no2"; */ import type { d } from "./a4.ts";
      export { e } from "a5"; export type { f } from "a6"
      export * from "a7";
      import * as g from "a8";
      import h, { i } from "node:a9";
      const text = 'import x from "no3"; /*', glob = "src/**/*.ts", more = \`
        import x from "no4";\`;
      const j = await import("a10"), k = import(\`a11\`), l = import(text);
      export const m = { from: "no5" }, n = "no6";
      export type O = "no7"; // */ import x from "no8"
    `;
    const found = importsOf("src/core/x.ts", text);
    const specifiers = ["a1", "a2", "../a3.ts", "./a4.ts", "a5", "a6", "a7", "a8", "node:a9", "a10", "a11", COMPUTED];
    expect(found.map(({ specifier }) => specifier)).toEqual(specifiers);
    expect(found.filter(({ typeOnly }) => typeOnly).map(({ specifier }) => specifier)).toEqual(["./a4.ts", "a6"]);
    expect(found[2]?.target).toBe("src/a3.ts");
    expect(found[3]?.target).toBe("src/core/a4.ts");
  });

  it("finds at least every source line that plainly ends in an import", () => {
    for (const { path, imports } of sources) {
      const plain = [...readFileSync(join(ROOT, path), "utf8").matchAll(/^(?:import|export|\}).* from "([^"]+)";$/gm)];
      const known = imports.map(({ specifier }) => specifier);
      expect(known, path).toEqual(expect.arrayContaining(plain.map(([, specifier]) => specifier)));
    }
  });
});

describe("the layer rules", () => {
  const check = (path: string, ...lines: string[]): string[] =>
    violations({ path, imports: importsOf(path, lines.join("\n")) });

  it.each([
    ["src/core/engine.ts", 'import { x } from "@connectrpc/connect";'],
    ["src/core/engine.ts", 'import type { x } from "@bufbuild/protobuf";'],
    ["src/core/engine.ts", 'import pino from "pino";'],
    ["src/core/engine.ts", 'import { x } from "../../gen/helios/v1/flag_pb.ts";'],
    ["src/core/engine.ts", 'import { x } from "../server/config/config.ts";'],
    ["src/core/engine.ts", 'import { x } from "node:fs";'],
    ["src/core/engine.ts", 'const x = await import("node:fs");'],
    ["src/core/engine.ts", "const x = await import(name);"],
    ["src/core/store/sqlite/store.ts", 'import type { x } from "node:sqlite";'],
    ["src/core/store/sqlite/open.ts", 'export { x } from "pino";'],
    ["src/core/modules/host/instance/thread.ts", 'import { x } from "../../../../server/config/config.ts";'],
    ["src/core/modules/host/instance/start.ts", 'import { x } from "es-module-lexer";'],
    ["src/core/modules/host/inside/main.ts", 'import { x } from "import-meta-resolve";'],
    ["src/core/modules/host/artifact/build.ts", 'import { x } from "pino";'],
    ["src/kernel/flags/evaluate.ts", 'import { x } from "../../core/errors/error.ts";'],
    ["src/kernel/flags/bucket.ts", 'import { type x } from "../../core/flags/record.ts";'],
    ["src/kernel/breakers/breaker.ts", 'import { x } from "node:fs";'],
    ["src/kernel/breakers/policy/rate.ts", 'export * from "../../../core/breakers/breakers.ts";'],
    ["tests/kernel/clock.test.ts", 'import { x } from "../../src/core/index.ts";'],
    ["tests/kernel/flags/bucket.test.ts", 'import { x } from "../../core/flags/world.ts";'],
    ["src/server/main.ts", 'import { x } from "../core/store/store.ts";'],
    ["src/server/main.ts", 'import { x } from "../../clients/typescript/src/client.ts";'],
    ["src/server/main.ts", 'import { x } from "vitest";'],
    [
      "src/server/config/config.ts",
      'import { x } from "../../core/index.ts";\nimport { y } from "../../../gen/helios/v1/flag_pb.ts";',
    ],
    ["clients/typescript/src/client.ts", 'import { x } from "../../../src/core/index.ts";'],
    ["clients/typescript/src/client.ts", 'import type { x } from "../../../src/core/flags/record.ts";'],
    ["clients/typescript/src/client.ts", 'import { x } from "node:fs";'],
    ["clients/typescript/src/client.ts", 'import { x } from "node:http2";'],
    ["clients/typescript/src/connection/session.ts", 'import { x } from "node:fs";'],
    ["clients/typescript/src/flags.test.ts", 'import { x } from "vitest";'],
    ["gen/helios/v1/flag_pb.ts", 'import { x } from "../../../src/core/index.ts";'],
    ["examples/modules/src/x.ts", 'import { x } from "../../../src/core/index.ts";'],
  ])("refuse %s: %s", (path, text) => {
    expect(check(path, text)).toHaveLength(1);
    expect(check(path, text)[0]).toContain(path);
  });

  it.each([
    ["src/core/engine.ts", 'import { x } from "./store/store.ts";'],
    ["src/core/store/sqlite/open.ts", 'import { x } from "node:sqlite";'],
    ["src/core/modules/host/process/child.ts", 'import { x } from "node:child_process";'],
    ["src/core/modules/host/inside/main.ts", "const x = await import(url);"],
    [
      "src/core/modules/host/artifact/build.ts",
      'import { x } from "import-meta-resolve";\nimport { y } from "es-module-lexer";',
    ],
    ["src/kernel/flags/evaluate.ts", 'import { x } from "./bucket.ts";\nimport type { y } from "../clock.ts";'],
    ["src/kernel/breakers/breaker.ts", 'import { x } from "./policy/rate.ts";'],
    ["tests/kernel/clock.test.ts", 'import { x } from "../../src/kernel/clock.ts";\nimport fc from "fast-check";'],
    [
      "src/server/map/flag/flag.ts",
      'import { x } from "../../../core/index.ts";\nimport { y } from "../../../../gen/helios/v1/flag_pb.ts";',
    ],
    [
      "src/server/server.ts",
      'import { x } from "../core/index.ts";\nimport { y } from "../../gen/helios/v1/flag_service_pb.ts";',
    ],
    ["clients/typescript/src/flags.ts", 'import { x } from "../../../src/kernel/flags/evaluate.ts";'],
    ["clients/typescript/src/connection/session.ts", 'import type { x } from "node:http2";'],
  ] satisfies [string, string][])("allow %s: %s", (path, text) => {
    expect(check(path, text)).toEqual([]);
  });

  it("name the file, the import and the rule in the message", () => {
    const [message]: (string | undefined)[] = check(
      "src/server/main.ts",
      'import { x } from "../core/store/store.ts";',
    );
    expect(message).toBe(
      "src/server/main.ts imports ../core/store/store.ts, but src/server imports gen and src/server, and reaches src/core through core/index.ts and core/async/index.ts",
    );
  });
});
