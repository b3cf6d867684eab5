import { expect, it } from "vitest";
import { errorOf } from "../../../support/errors.ts";
import { describeInEach } from "../../../support/isolations.ts";
import { SOAK } from "../../../support/soak.ts";
import { type Files, hostOf, launch, run, tree } from "../artifact-rig.ts";

/** The file, and further files that it needs. `run` answers with its configured name. */
const FORMS: readonly (readonly [string, string, Files])[] = [
  ["module.exports of a .cjs file", "m.cjs", { "m.cjs": "module.exports = class { run() { return 'it' } }" }],
  [
    "the compiled form of a default export",
    "m.cjs",
    {
      "m.cjs": `"use strict"; Object.defineProperty(exports, "__esModule", { value: true });
        class It { run() { return "it" } } exports.default = It; exports.other = 1;`,
    },
  ],
  [
    "a class with a property named default",
    "m.cjs",
    { "m.cjs": "class It { run() { return 'it' } } It.default = class Other {}; module.exports = It" },
  ],
  ["exports.default of a .ts file", "m.ts", { "m.ts": "exports.default = class { run(): string { return 'it' } }" }],
  [
    "exports.default of a .js file whose package is CommonJS",
    "m.js",
    { "m.js": "exports.default = class { run() { return 'it' } }", "package.json": '{ "type": "commonjs" }' },
  ],
  [
    "a constructor function with a prototype",
    "m.cjs",
    {
      "m.cjs":
        "function It(ctx) { this.name = ctx.name } It.prototype.run = function () { return this.name && 'it' }; module.exports = It",
    },
  ],
  ["a factory", "m.cjs", { "m.cjs": "module.exports = function (ctx) { return { run: () => ctx.name && 'it' } }" }],
  ["an async factory", "m.mjs", { "m.mjs": "export default async function () { return { run: () => 'it' } }" }],
  [
    "a class behind a proxy",
    "m.mjs",
    { "m.mjs": "class It { run() { return 'it' } }\nexport default new Proxy(It, {})" },
  ],
];
const MORE_FORMS: typeof FORMS = [
  ["exports.default of a .cjs file", "m.cjs", { "m.cjs": "exports.default = class { run() { return 'it' } }" }],
  [
    "a compiled default export beside a function",
    "m.cjs",
    {
      "m.cjs": `module.exports = function other() {}; module.exports.__esModule = true;
        module.exports.default = class { run() { return "it" } };`,
    },
  ],
  [
    "module.exports with a default",
    "m.cjs",
    { "m.cjs": "module.exports = { default: class { run() { return 'it' } } }" },
  ],
  [
    "exports.default of a .cts file",
    "m.cts",
    { "m.cts": "class It { run(): string { return 'it' as string } }\nexports.default = It;" },
  ],
  [
    "module.exports of a .cts file",
    "m.cts",
    { "m.cts": "module.exports = class { run(_: null): string { return 'it' } }" },
  ],
  [
    "a constructor function of an ES module",
    "m.mjs",
    { "m.mjs": "export default function It() { this.it = 'it' }\nIt.prototype.run = function () { return this.it }" },
  ],
  [
    "a constructor function whose prototype was replaced",
    "m.cjs",
    { "m.cjs": "function It() {} It.prototype = { run() { return 'it' } }; module.exports = It" },
  ],
  [
    "a constructor function that inherits",
    "m.cjs",
    {
      "m.cjs": `const { inherits } = require("node:util"); const Base = require("./base.cjs");
        function It() { Base.call(this, "it") } inherits(It, Base); exports.default = It;`,
      "base.cjs":
        "function Base(what) { this.what = what } Base.prototype.run = function () { return this.what }; module.exports = Base",
    },
  ],
  [
    "a constructor function with methods of the object only",
    "m.cjs",
    { "m.cjs": "module.exports = function () { this.run = () => 'it' }" },
  ],
  [
    "a factory that returns a promise",
    "m.cjs",
    { "m.cjs": "module.exports = function () { return Promise.resolve({ run: () => 'it' }) }" },
  ],
  ["an arrow function", "m.mjs", { "m.mjs": "export default (ctx) => ({ run: () => ctx.name && 'it' })" }],
  ["a method", "m.mjs", { "m.mjs": "export default { make() { return { run: () => 'it' } } }.make" }],
  ["a bound class", "m.mjs", { "m.mjs": "class It { run() { return 'it' } }\nexport default It.bind(null)" }],
  [
    "a class whose instances have a method `then`",
    "m.mjs",
    { "m.mjs": "export default class { then(go) { go({}) } run() { return 'it' } }" },
  ],
];

const UNFIT: readonly (readonly [string, string, string, string])[] = [
  ["nothing", "m.cjs", "", "it default-exports an object, not a class or a function"],
  [
    "a file with named exports only",
    "m.cjs",
    "exports.It = class {}; exports.other = 1",
    "it default-exports an object with It, other, not a class or a function",
  ],
  [
    "a promise",
    "m.mjs",
    "export default Promise.resolve(class {})",
    "it default-exports a promise, not a class or a function",
  ],
  [
    "a generator",
    "m.mjs",
    "export default function* () {}",
    "it default-exports a generator function, not a class or a function that returns an object",
  ],
  ["a factory that returns nothing", "m.mjs", "export default () => {}", "its factory must return an object"],
  [
    "a function that does nothing",
    "m.cjs",
    "module.exports = function () {}",
    "its function must return an object, have a prototype with methods, or set members on `this`",
  ],
];
const MORE_UNFIT: typeof UNFIT = [
  [
    "an ES module without exports",
    "m.mjs",
    "export const a = 1",
    "it default-exports nothing, not a class or a function",
  ],
  ["null", "m.cjs", "module.exports = null", "it default-exports null, not a class or a function"],
  [
    "a number as default",
    "m.cjs",
    "exports.default = 7",
    "it default-exports a value of type number, not a class or a function",
  ],
  ["a list", "m.cjs", "module.exports = []", "it default-exports a list, not a class or a function"],
  [
    "an async generator",
    "m.cjs",
    "module.exports = async function* () {}",
    "it default-exports a generator function, not a class or a function that returns an object",
  ],
  ["a factory that returns a number", "m.mjs", "export default async () => 7", "its factory must return an object"],
];

describeInEach("a module in a %s", (isolation) => {
  const answers = async (path: string, files: Files): Promise<void> => {
    const host = hostOf(tree(files));
    expect(await run(await launch(host, await host.resolve(path), isolation))).toBe("it");
  };
  const isRefused = async (path: string, text: string, problem: string): Promise<void> => {
    const host = hostOf(tree({ [path]: text }));
    const error = await errorOf(launch(host, await host.resolve(path), isolation));
    expect(error).toMatchObject({ reason: "MODULE_INVALID", metadata: { module_path: path, problem } });
  };

  it.each(FORMS)("may be %s", (_, path, files) => answers(path, files));

  it.each(MORE_FORMS)("may be %s", SOAK, (_, path, files) => answers(path, files));

  it.each(UNFIT)("is refused with a description if it is %s", (_, path, text, problem) =>
    isRefused(path, text, problem),
  );

  it.each(MORE_UNFIT)("is refused with a description if it is %s", SOAK, (_, path, text, problem) =>
    isRefused(path, text, problem),
  );

  it("has the version and the schema of a constructor function, as of a class", async () => {
    const host = hostOf(
      tree({
        "m.cjs":
          "function It() {} It.version = '1.2.3'; It.stateSchema = 4; It.prototype = { run() {} }; module.exports = It",
      }),
    );
    const { shape } = await launch(host, await host.resolve("m"), isolation);
    expect(shape).toMatchObject({ version: "1.2.3", stateSchema: 4, methods: ["run"] });
  });

  it("a module in CommonJS includes everything that it requires by literal names", async () => {
    const files = {
      "m.cjs": `
        const { name } = require("./lib");
        const load = require("node:module").createRequire(__filename);
        module.exports = class {
          async run() {
            return [
              name, require("./inner/"), require(\`./data.json\`).of, load("./loaded.cjs"), module.require("./own.cjs"),
              require("./typed.cts").typed, require("./es.mjs").default, (await import("./late.mjs")).default,
              require(/* this */ "./commented.cjs"), require.resolve("./named.cjs").split("/").pop(), require("pkg"),
            ];
          }
        }`,
      "lib.js": 'exports.name = "lib"',
      "inner/index.js": 'module.exports = "inner"',
      "data.json": '{ "of": "data" }',
      "loaded.cjs": 'module.exports = "loaded"',
      "own.cjs": 'module.exports = "own"',
      "typed.cts": 'const typed: string = "typed"; exports.typed = typed;',
      "es.mjs": 'export default "es"',
      "late.mjs": 'export default "late"',
      "commented.cjs": 'module.exports = "commented"',
      "named.cjs": "",
      "node_modules/pkg/package.json": '{ "main": "main.cjs" }',
      "node_modules/pkg/main.cjs": 'module.exports = "pkg"',
    };
    const host = hostOf(tree(files));
    expect(await run(await launch(host, await host.resolve("m"), isolation))).toEqual([
      "lib",
      "inner",
      "data",
      "loaded",
      "own",
      "typed",
      "es",
      "late",
      "commented",
      "named.cjs",
      "pkg",
    ]);
  });
});

it.each([
  ["m.cjs", "m.cjs"],
  ["m", "m.cjs"],
  ["deep.m", "deep/m.cts"],
])("the path %s finds %s", async (path, file) => {
  const host = hostOf(tree({ [file]: "module.exports = class { run() { return 'it' } }" }));
  expect(await run(await launch(host, await host.resolve(path), "THREAD"))).toBe("it");
});
