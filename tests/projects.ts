import { readFileSync } from "node:fs";
import { join } from "node:path";
import { readSources, type SourceFile } from "./architecture/imports.ts";

const ROOT = join(import.meta.dirname, "..");

/** The names that `vitest --project` and the scripts `test:unit` and `test:soak` use. */
export type Project = "unit" | "process" | "soak";

/** Modules that start processes and threads, or open sockets. */
const STARTS: readonly (string | RegExp)[] = [
  /^node:(child_process|cluster|dgram|http|http2|https|net|tls|worker_threads)$/,
  "@connectrpc/connect-node",
  "@grpc/grpc-js",
  "src/core/modules/host/index.ts",
  "src/server/server.ts",
];
/** The engine starts modules. The core's index itself does not count, because it is imported for much else. */
const STARTS_ENGINE = /\bcreateEngine\(/;

/**
 * The project of each test file. `soak`: files below tests/soak. `process`: files that import code, directly or indirectly,
 * that starts processes and threads or opens sockets. `unit`: all other files.
 */
function projectsOf(files: readonly SourceFile[], textOf: (path: string) => string): Map<string, Project> {
  const byPath = new Map(files.map((file) => [file.path, file]));
  const known = new Map<string, boolean>();
  const starts = (path: string): boolean => {
    const before = known.get(path);
    if (before !== undefined) return before;
    known.set(path, false);
    const targets = (byPath.get(path)?.imports ?? []).filter(({ typeOnly }) => !typeOnly).map(({ target }) => target);
    const does =
      targets.some((target) => STARTS.some((one) => (typeof one === "string" ? one === target : one.test(target)))) ||
      STARTS_ENGINE.test(textOf(path)) ||
      targets.some((target) => byPath.has(target) && starts(target));
    known.set(path, does);
    return does;
  };
  const projectOf = (path: string): Project => {
    if (path.startsWith("tests/soak/")) return "soak";
    return starts(path) ? "process" : "unit";
  };
  const tests = files.map(({ path }) => path).filter(isTest);
  return new Map(tests.map((path) => [path, projectOf(path)]));
}

/** The tests of other clients (tests/foreign) have their own configuration. */
function isTest(path: string): boolean {
  return path.endsWith(".test.ts") && !path.startsWith("tests/foreign/");
}

/** The test files of each project, from the repository's root. */
export function readProjects(): Record<Project, string[]> {
  const helpers = ["tests", "scripts", "clients/typescript"].flatMap((directory) => readSources(ROOT, directory));
  const projects = projectsOf(helpers, (path) => readFileSync(join(ROOT, path), "utf8"));
  const of = (project: Project): string[] => [...projects].filter(([, one]) => one === project).map(([path]) => path);
  return { unit: of("unit"), process: of("process"), soak: of("soak") };
}
