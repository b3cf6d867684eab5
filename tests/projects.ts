import { readFileSync } from "node:fs";
import { join } from "node:path";
import { readSources, type SourceFile } from "./architecture/imports.ts";

const ROOT = join(import.meta.dirname, "..");

/** The names that `vitest --project` and the scripts `test:unit` and `test:soak` use. */
export type Project = "unit" | "process" | "soak";

/** Starts the server. */
const SERVER = "src/server/server.ts";
/** Modules that start processes and threads, or open sockets. */
export const STARTS: readonly (string | RegExp)[] = [
  /^node:(child_process|cluster|dgram|http|http2|https|net|tls|worker_threads)$/,
  "@connectrpc/connect-node",
  "@grpc/grpc-js",
  "src/core/modules/host/index.ts",
  SERVER,
];
/** The engine starts modules. The core's index itself does not count, because it is imported for much else. */
const STARTS_ENGINE = /\bcreateEngine\(/;
/** Files that take 5 s and more. If one of these began last, the run would wait for it alone. */
export const SLOW: readonly string[] = [
  "tests/soak/matrix/candidate.test.ts",
  "tests/soak/realistic/realistic.test.ts",
  "tests/soak/matrix/acting.test.ts",
  "tests/soak/host/memory.test.ts",
  "tests/soak/wire/watch-faults.test.ts",
  "tests/soak/matrix/old.test.ts",
  "tests/soak/wire/swap-kill.test.ts",
  "tests/soak/wire/acting-kill.test.ts",
  "tests/soak/wire/pages.test.ts",
  "tests/soak/wire/kill.test.ts",
  "tests/wire/readme.test.ts",
  "tests/core/modules/host/host.test.ts",
  "tests/core/testing/suites/suites.test.ts",
  "tests/wire/drain.test.ts",
  "tests/wire/sizes/sizes.test.ts",
  "tests/core/store/sqlite/store.test.ts",
];
/** Says how often random tests are repeated. */
export const EFFORT = "tests/effort.ts";

/** The tags of tests. */
export const TAGS = [
  {
    name: "soak",
    description: "Takes long, or repeats in another way what npm test does: npm run test:soak runs it.",
  },
];

export interface TestFiles {
  /**
   * The test files of each project. `soak`: files below tests/soak. `process`: files that import code, directly or
   * indirectly, that starts processes and threads or opens sockets. `unit`: all other files.
   */
  readonly projects: Readonly<Record<Project, readonly string[]>>;
  /** Those with random tests that are repeated more often in `npm run test:long`. */
  readonly long: readonly string[];
  /** Those that start the server in their own process, and so can be told by which path it serves (tests/parity). */
  readonly serving: readonly string[];
}

/** The test files, from the repository's root. */
export function readTestFiles(): TestFiles {
  const files = ["tests", "scripts", "clients/typescript", "bench"].flatMap((directory) =>
    readSources(ROOT, directory),
  );
  const starts = reaching(
    files,
    (target) => STARTS.some((one) => (typeof one === "string" ? one === target : one.test(target))),
    (path) => STARTS_ENGINE.test(readFileSync(join(ROOT, path), "utf8")),
  );
  const projectOf = (path: string): Project => {
    if (path.startsWith("tests/soak/")) return "soak";
    return starts(path) ? "process" : "unit";
  };
  const tests = files.map(({ path }) => path).filter(isTest);
  const of = (project: Project): string[] => tests.filter((path) => projectOf(path) === project);
  return {
    projects: { unit: of("unit"), process: of("process"), soak: of("soak") },
    long: tests.filter(reaching(files, (target) => target === EFFORT)),
    serving: tests.filter(reaching(files, (target) => target === SERVER)),
  };
}

/** The tests of other clients (tests/foreign) and those of tests/parity have configurations of their own. */
export function isTest(path: string): boolean {
  return path.endsWith(".test.ts") && !/^tests\/(foreign|parity)\//.test(path);
}

/** Returns whether a file imports such a module, directly or through other files, or imports a file that is one itself. */
function reaching(
  files: readonly SourceFile[],
  isImported: (target: string) => boolean,
  isItself: (path: string) => boolean = () => false,
): (path: string) => boolean {
  const byPath = new Map(files.map((file) => [file.path, file]));
  const known = new Map<string, boolean>();
  const reaches = (path: string): boolean => {
    const before = known.get(path);
    if (before !== undefined) return before;
    known.set(path, false);
    const targets = (byPath.get(path)?.imports ?? []).filter(({ typeOnly }) => !typeOnly).map(({ target }) => target);
    const does =
      targets.some(isImported) || isItself(path) || targets.some((target) => byPath.has(target) && reaches(target));
    known.set(path, does);
    return does;
  };
  return reaches;
}
