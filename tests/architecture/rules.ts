import { COMPUTED, type Import, type SourceFile } from "./imports.ts";

/** The allowed imports of the files in one layer. */
export interface LayerRule {
  readonly name: string;
  /** Whether the rule applies to the file. */
  of(path: string): boolean;
  allows(imported: Import, path: string): boolean;
}

const isNode = ({ target }: Import): boolean => target.startsWith("node:");
const isPackage = (imported: Import, ...names: readonly string[]): boolean =>
  names.some((name) => imported.target === name || imported.target.startsWith(`${name}/`));
const isRelative = ({ specifier }: Import): boolean => specifier.startsWith(".");
const below = (directory: string) => (path: string) => path.startsWith(`${directory}/`);

const inCore = below("src/core");
const ON_DISK = ["sqlite/open", "sqlite/backup", "make-directory"].map((name) => `src/core/store/${name}.ts`);
const mayUseNode = (path: string): boolean => ON_DISK.includes(path) || below("src/core/modules/host")(path);

/** The files that find out what a module's code imports. */
const followsImports = (imported: Import, path: string): boolean =>
  isPackage(imported, "es-module-lexer", "import-meta-resolve") && below("src/core/modules/host/artifact")(path);

/** The files that run inside a module's own process or thread. They import the module, wherever it is. */
const loadsModules = below("src/core/modules/host/inside");

/** The decision code that the service and its clients share. */
const inKernel = below("src/kernel");

/** The parts of Node that a client needs for its own connection. */
const SOCKETS: readonly string[] = ["node:http", "node:https", "node:http2", "node:net", "node:tls"];

/** The parts of Node that a client needs for its snapshot file. */
const FILES: readonly string[] = ["node:crypto", "node:fs/promises", "node:path"];

/** The files that may convert between protobuf messages and the engine's types. */
const mayMap = (path: string): boolean => below("src/server/map")(path) || below("src/server/services")(path);
const isMessage = ({ target }: Import): boolean => below("gen/helios")(target) && !target.endsWith("_service_pb.ts");

const LAYER_RULES: readonly LayerRule[] = [
  {
    name: "src/core imports nothing but src/core and src/kernel; Node's own modules only in store/sqlite/open.ts, store/sqlite/backup.ts, store/make-directory.ts and modules/host, and there es-module-lexer and import-meta-resolve only in artifact",
    of: inCore,
    allows: (imported, path) =>
      inCore(imported.target) ||
      inKernel(imported.target) ||
      (isNode(imported) && mayUseNode(path)) ||
      followsImports(imported, path) ||
      (imported.specifier === COMPUTED && loadsModules(path)),
  },
  {
    name: "src/kernel imports nothing but itself",
    of: inKernel,
    allows: (imported) => inKernel(imported.target),
  },
  {
    name: "a test of the kernel imports the kernel and its neighbours, vitest, fast-check, the effort and texts of random tests, the watched clock, turns, and what reads testdata",
    of: below("tests/kernel"),
    allows: (imported) =>
      inKernel(imported.target) ||
      below("tests/kernel")(imported.target) ||
      ["tests/effort.ts", "tests/support/texts.ts", "tests/support/clocks.ts", "tests/support/turns.ts"].includes(
        imported.target,
      ) ||
      isPackage(imported, "vitest", "fast-check", "node:fs"),
  },
  {
    name: "src/server imports gen and src/server, and reaches src/core through core/index.ts and core/async/index.ts",
    of: below("src/server"),
    allows: ({ target, specifier }) =>
      !specifier.startsWith(".") ||
      ["src/core/index.ts", "src/core/async/index.ts"].includes(target) ||
      below("src/server")(target) ||
      below("gen")(target),
  },
  {
    name: "src imports no test tool and no other package of this repository",
    of: below("src"),
    allows: (imported) => !isPackage(imported, "vitest", "fast-check", "helios"),
  },
  {
    name: "a client imports gen, the RPC runtime and src/kernel, nothing else of src; those of Node for connections only in connection, and for files only in snapshot",
    of: below("clients/typescript"),
    allows: (imported, path) =>
      SOCKETS.includes(imported.target)
        ? below("clients/typescript/src/connection")(path)
        : FILES.includes(imported.target)
          ? below("clients/typescript/src/snapshot")(path)
          : isRelative(imported)
            ? below("clients/typescript")(imported.target) || below("gen")(imported.target) || inKernel(imported.target)
            : isPackage(imported, "@connectrpc", "@bufbuild"),
  },
  {
    name: "gen imports nothing but gen and the protobuf runtime",
    of: below("gen"),
    allows: (imported) => below("gen")(imported.target) || isPackage(imported, "@bufbuild"),
  },
  {
    name: "an example module imports its neighbours, Node's own modules and helios/module",
    of: below("examples/modules"),
    allows: (imported) =>
      below("examples/modules")(imported.target) || isNode(imported) || imported.target === "helios/module",
  },
];

/** Returns the violations of a file, one line each, with the rule and the import. */
export function violations({ path, imports }: SourceFile): string[] {
  const broken = LAYER_RULES.filter((rule) => rule.of(path)).flatMap((rule) =>
    imports
      .filter((imported) => !rule.allows(imported, path))
      .map((imported) => `${path} imports ${imported.specifier}, but ${rule.name}`),
  );
  const meets = imports.some(({ target }) => target === "src/core/index.ts") && imports.some(isMessage);
  if (!below("src/server")(path) || !meets || mayMap(path)) return broken;
  return [...broken, `${path} imports messages of gen/helios and src/core, but they meet only in map and services`];
}
