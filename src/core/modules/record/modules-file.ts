import { CONFIG_FIELDS } from "../../breakers/validate.ts";
import type { HeliosError } from "../../errors/error.ts";
import { type Violation, violation } from "../../errors/violation.ts";
import { objectAt, type Report, reportUnknown, wordAt } from "../../json/fields.ts";
import { fileError, invalidAs, parseFile } from "../../json/file.ts";
import { type JsonPath, pathText } from "../../json/path.ts";
import type { Registration, RegistrationFields } from "./record.ts";
import { withDefaults } from "./registration.ts";
import { registrationSizeViolation } from "./size.ts";
import { registrationViolations } from "./validate.ts";
import { nameViolation } from "./validate-parts.ts";

/** A module in a modules file. */
export interface FileModule {
  readonly name: string;
  readonly registration: Registration;
  /** Whether to load it. */
  readonly load: boolean;
}

/** The content of a modules file, and the errors for places in it. */
export interface ModulesFile {
  readonly modules: readonly FileModule[];
  /** Creates the error for a mistake at that place. */
  invalid(path: JsonPath, problem: string, expected: string, cause?: unknown): HeliosError;
}

/** Converts a value of the file to one of the engine. If the value is wrong, reports that and returns undefined. */
type Read = (value: unknown, path: JsonPath, report: Report) => unknown;

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
  assets: ["assets", asIs],
  dependencies: ["dependencies", asIs],
  hot_reloadable: ["hotReloadable", asIs],
  isolation: ["isolation", (value, path, report) => wordAt(value, path, ["PROCESS", "THREAD"], report)],
  config: ["config", asIs],
  env: ["env", asIs],
  sha256: ["sha256", asIs],
  grants: ["grants", (value, path, report) => fields(value, path, GRANTS, report)],
  start_timeout: ["startTimeoutMs", duration],
  call_timeout: ["callTimeoutMs", duration],
  block_timeout: ["blockTimeoutMs", duration],
  health_interval: ["healthIntervalMs", duration],
  max_heap_mb: ["maxHeapMb", asIs],
  concurrency: ["concurrency", asIs],
  test_suite: ["testSuite", asIs],
  reload_hooks: ["reloadHooks", asIs],
  pure_methods: ["pureMethods", asIs],
  test_stubs: ["testStubs", asIs],
  test_allow_dependencies: ["testAllowDependencies", asIs],
  breaker: ["breaker", (value, path, report) => fields(value, path, BREAKER, report)],
  fallback_module: ["fallbackModule", asIs],
  load: ["load", asIs],
};

/**
 * Reads a modules file: a JSON object of modules by name, each with the fields of RegisterModule (durations as `"10s"`,
 * `isolation` in lower case) and `load`: whether to load it (false). Does not check whether the modules' files exist.
 *
 * @param file the name to give in errors.
 * @throws MODULES_FILE_INVALID with the line and key of every mistake.
 */
export function parseModulesFile(text: string, file: string): ModulesFile {
  const source = parseFile(text, file, fileInvalid);
  const invalid: ModulesFile["invalid"] = (path, problem, expected, cause) =>
    fileInvalid(file, source.lineOf(path), pathText(path), problem, expected, cause);
  const wrong: Violation[] = [];
  const report: Report = (found) => wrong.push(found);
  const entries = Object.entries(objectAt(source.value, [], "an object of modules by name", report) ?? {});
  const modules = entries.flatMap(([name, entry]) => readModule(name, entry, report) ?? []);
  const error = fileError("MODULES_FILE_INVALID", file, source, wrong);
  if (error !== undefined) throw error;
  return { modules, invalid };
}

/** Creates the error for a modules file. `line` 0 stands for the file as a whole. */
export const fileInvalid = invalidAs("MODULES_FILE_INVALID");

/**
 * Reads a module. If it is wrong, reports that and returns undefined. Further checks use the default in place of a wrong value.
 */
function readModule(name: string, entry: unknown, report: Report): FileModule | undefined {
  const wrong: Violation[] = [];
  const found: Report = (one) => wrong.push(one);
  const named = nameViolation([name], name);
  if (named !== undefined) found(named);
  const read = fields(entry, [name], MODULE, found);
  if (read !== undefined) {
    const { load = false, ...rest } = read;
    if (typeof load !== "boolean") found(violation([name, "load"], load, "true or false"));
    const isReported = wrong.some(({ path }) => path[1] === "module_path");
    const hasPath = "modulePath" in rest;
    // A misspelled key is reported as such.
    const isMissing = !hasPath && !isReported && !wrong.some(({ expected }) => expected === '"module_path"');
    if (isMissing) found(violation([name, "module_path"], undefined, 'the key "module_path"'));
    // The validation checks the types, and names the fields as the file does.
    const registration = withDefaults({ modulePath: "none", ...rest } as unknown as RegistrationFields);
    const rules = registrationViolations(named === undefined ? name : "none", registration);
    for (const one of rules) found({ ...one, path: [name, ...one.path] });
    const tooLarge = rules.length === 0 ? registrationSizeViolation(registration) : undefined;
    if (tooLarge !== undefined) found({ ...tooLarge, path: [name, ...tooLarge.path] });
    if (wrong.length === 0) return { name, registration, load: load === true };
  }
  for (const one of wrong) report(one);
  return undefined;
}

/** Returns the valid members of an object, by the engine's names. Undefined if the value is not an object. */
function fields(
  value: unknown,
  path: JsonPath,
  known: Readonly<Record<string, readonly [string, Read]>>,
  report: Report,
): Record<string, unknown> | undefined {
  const entry = objectAt(value, path, "an object", report);
  if (entry === undefined) return undefined;
  reportUnknown(Object.keys(entry), path, Object.keys(known), report);
  const read: Record<string, unknown> = {};
  for (const [key, member] of Object.entries(entry)) {
    const [name, readOne] = (Object.hasOwn(known, key) && known[key]) || [];
    const one = readOne?.(member, [...path, key], report);
    if (name !== undefined && one !== undefined) read[name] = one;
  }
  return read;
}

/** A duration in the form of protobuf's JSON, such as `10s` or `0.25s`. */
function duration(value: unknown, path: JsonPath, report: Report): number | undefined {
  const match = typeof value === "string" ? /^(\d{1,12}(?:\.\d{1,9})?)s$/.exec(value) : null;
  if (match?.[1] !== undefined) return Number(match[1]) * 1000;
  report(violation(path, value, 'seconds, such as "10s" or "0.25s"'));
  return undefined;
}
