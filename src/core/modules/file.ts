import { CONFIG_FIELDS } from "../breakers/config.ts";
import { HeliosError } from "../errors.ts";
import { type JsonPath, pathText } from "../json-source.ts";
import { nearest } from "../nearest.ts";
import { Mistake, parseFile } from "../source-file.ts";
import { show, type Violation, violation } from "../violation.ts";
import type { Registration, RegistrationFields } from "./record.ts";
import { withDefaults } from "./registration.ts";
import { registrationSizeViolation } from "./size.ts";
import { nameViolation, registrationViolation } from "./validate.ts";

/** A module as a file tells it. */
export interface FileModule {
  readonly name: string;
  readonly registration: Registration;
  /** Whether it is to run. */
  readonly load: boolean;
}

/** A modules file, with the means to say where in it something is wrong. */
export interface ModulesFile {
  readonly modules: readonly FileModule[];
  /** The error for what is wrong at a place in it. */
  invalid(path: JsonPath, problem: string, expected: string, cause?: unknown): HeliosError;
}

/** Reads a value of the file as one of the engine's; throws `Mistake`. */
type Read = (value: unknown, path: JsonPath) => unknown;

const asIs: Read = (value) => value;

const BREAKER: Readonly<Record<string, readonly [string, Read]>> = Object.fromEntries(
  Object.entries(CONFIG_FIELDS).map(([name, key]) => [name, [key, key.endsWith("Ms") ? duration : asIs]]),
);

const GRANTS: Readonly<Record<string, readonly [string, Read]>> = {
  fs_read: ["fsRead", asIs],
  fs_write: ["fsWrite", asIs],
  net: ["net", asIs],
  child_process: ["childProcess", asIs],
};

const MODULE: Readonly<Record<string, readonly [string, Read]>> = {
  module_path: ["modulePath", asIs],
  version: ["version", asIs],
  dependencies: ["dependencies", asIs],
  hot_reloadable: ["hotReloadable", asIs],
  isolation: ["isolation", (value, path) => word(value, path, ["process", "thread"])],
  config: ["config", asIs],
  env: ["env", asIs],
  sha256: ["sha256", asIs],
  grants: ["grants", (value, path) => fields(value, path, GRANTS)],
  start_timeout: ["startTimeoutMs", duration],
  call_timeout: ["callTimeoutMs", duration],
  block_timeout: ["blockTimeoutMs", duration],
  max_heap_mb: ["maxHeapMb", asIs],
  concurrency: ["concurrency", asIs],
  test_suite: ["testSuite", asIs],
  reload_hooks: ["reloadHooks", asIs],
  pure_methods: ["pureMethods", asIs],
  breaker: ["breaker", (value, path) => fields(value, path, BREAKER)],
  fallback_module: ["fallbackModule", asIs],
  load: ["load", asIs],
};

/**
 * Reads a modules file: a JSON object of modules by name, each with the fields of RegisterModule (durations as `"10s"`,
 * `isolation` in lower case) and `load`: whether to load it (false). Everything is checked but whether its files are there.
 *
 * @param file the name to give in errors.
 * @throws MODULES_FILE_INVALID with the line and key of the first mistake.
 */
export function parseModulesFile(text: string, file: string): ModulesFile {
  const source = parseFile(text, file, fileInvalid);
  const invalid: ModulesFile["invalid"] = (path, problem, expected, cause) =>
    fileInvalid(file, source.lineOf(path), pathText(path), problem, expected, cause);
  try {
    const entries = Object.entries(object(source.value, [], "an object of modules by name"));
    return { modules: entries.map(([name, entry]) => readModule(name, entry)), invalid };
  } catch (error) {
    if (!(error instanceof Mistake)) throw error;
    throw invalid(error.violation.path, error.violation.problem, error.violation.expected);
  }
}

/** The error for a modules file. `line` 0: the file as a whole. */
export function fileInvalid(
  file: string,
  line: number,
  key: string,
  problem: string,
  expected: string,
  cause?: unknown,
): HeliosError {
  return HeliosError.of("MODULES_FILE_INVALID", { file, line, key, problem, expected }, { cause });
}

function readModule(name: string, entry: unknown): FileModule {
  mustHold(nameViolation([name], name));
  const { load = false, ...rest } = fields(entry, [name], MODULE);
  if (typeof load !== "boolean") throw new Mistake(violation([name, "load"], load, "true or false"));
  if (!("modulePath" in rest)) throw new Mistake(violation([name, "module_path"], undefined, 'the key "module_path"'));
  // The types are looked at by the validation, which tells them in the file's own words.
  const registration = withDefaults(rest as unknown as RegistrationFields);
  const found = registrationViolation(name, registration) ?? registrationSizeViolation(registration);
  mustHold(found && { ...found, path: [name, ...found.path] });
  return { name, registration, load };
}

function fields(
  value: unknown,
  path: JsonPath,
  known: Readonly<Record<string, readonly [string, Read]>>,
): Record<string, unknown> {
  const found = Object.entries(object(value, path, "an object"));
  return Object.fromEntries(
    found.map(([key, member]) => {
      const target = Object.hasOwn(known, key) ? known[key] : undefined;
      if (target === undefined) {
        const guess = nearest(key, Object.keys(known));
        const expected = guess === undefined ? `one of ${Object.keys(known).join(", ")}` : `"${guess}"`;
        throw new Mistake({ path: [...path, key], problem: "unknown key", expected });
      }
      return [target[0], target[1](member, [...path, key])];
    }),
  );
}

/** As protobuf writes durations in JSON: `10s`, `0.25s`. */
function duration(value: unknown, path: JsonPath): number {
  const match = typeof value === "string" ? /^(\d{1,12}(?:\.\d{1,9})?)s$/.exec(value) : null;
  if (!match?.[1]) throw new Mistake(violation(path, value, 'seconds, such as "10s" or "0.25s"'));
  return Number(match[1]) * 1000;
}

function word(value: unknown, path: JsonPath, words: readonly string[]): string {
  if (typeof value === "string" && words.includes(value)) return value.toUpperCase();
  throw new Mistake(violation(path, value, `one of ${words.join(", ")}`));
}

function object(value: unknown, path: JsonPath, expected: string): Readonly<Record<string, unknown>> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new Mistake({ path, problem: `${show(value)} is not allowed`, expected });
  }
  return value as Readonly<Record<string, unknown>>;
}

function mustHold(found: Violation | undefined): void {
  if (found !== undefined) throw new Mistake(found);
}
