import type { BreakerConfig } from "../../../kernel/breakers/config.ts";
import { completeConfig } from "../../breakers/validate.ts";
import { isReason } from "../../errors/error.ts";
import { show, type Violation, violation } from "../../errors/violation.ts";
import type { JsonPath } from "../../json/path.ts";
import { isPlainObject, jsonViolation } from "../../json/value.ts";
import { isSuiteFile } from "../../text/names.ts";
import type { Registration } from "./record.ts";
import { standInsViolation, strangerViolation } from "./stand-ins.ts";
import {
  LIST_LIMIT,
  list,
  methodViolation,
  nameViolation,
  PATH_LIMIT,
  pathViolation,
  text,
  tooMany,
} from "./validate-parts.ts";

/** Length of a `version` that a caller gives; a longer one is refused with `ARGUMENT_INVALID`. @limit characters */
const VERSION_LIMIT = 64;
/**
 * Length of the name of a suite, and of the ids `swap_id` and `test_run`; a longer one is refused with
 * `ARGUMENT_INVALID`. @limit characters
 */
const SUITE_NAME_LIMIT = 128;
/** Length of the name of a variable in `env`; a longer one is refused with `ARGUMENT_INVALID`. @limit characters */
const ENV_NAME_LIMIT = 128;
/** Length of a path that a module is granted; a longer one is refused with `ARGUMENT_INVALID`. @limit characters */
const GRANTED_PATH_LIMIT = 4096;
/** Longest `start_timeout`; a longer one is refused with `ARGUMENT_INVALID`. @limit ms */
const MAX_START_TIMEOUT_MS = 600_000;
/** Longest `call_timeout`; a longer one is refused with `ARGUMENT_INVALID`. @limit ms */
const MAX_CALL_TIMEOUT_MS = 3_600_000;
/** Longest `block_timeout`; a longer one is refused with `ARGUMENT_INVALID`. @limit ms */
const MAX_BLOCK_TIMEOUT_MS = 3_600_000;
/** Shortest `health_interval` except 0; a shorter one is refused with `ARGUMENT_INVALID`. @limit ms */
const MIN_HEALTH_INTERVAL_MS = 100;
/** Longest `health_interval`; a longer one is refused with `ARGUMENT_INVALID`. @limit ms */
const MAX_HEALTH_INTERVAL_MS = 3_600_000;
/** Smallest `max_heap_mb`; a smaller one is refused with `ARGUMENT_INVALID`. @limit MB */
const MIN_HEAP_MB = 16;
/** Largest `max_heap_mb`; a larger one is refused with `ARGUMENT_INVALID`. @limit MB */
const MAX_HEAP_MB = 65_536;
/** Largest `concurrency`; a larger one is refused with `ARGUMENT_INVALID`. @limit calls */
const MAX_CONCURRENCY = 10_000;
/** Length of the value of a variable in `env`; a longer one is refused with `ARGUMENT_INVALID`. @limit characters */
const MAX_ENV_CHARS = 32_768;
/** Variables that make Node or the loader load other code, open a channel, or write to files that are not granted. */
const CHANGES_CODE = new RegExp(
  `^(${[
    "NODE_(OPTIONS|PATH|REPL_EXTERNAL_MODULE|PRESERVE_SYMLINKS(_MAIN)?|COMPILE_CACHE(_PORTABLE)?|V8_COVERAGE)",
    "NODE_(CHANNEL_FD|CHANNEL_SERIALIZATION_MODE|UNIQUE_ID|TEST_CONTEXT|REDIRECT_WARNINGS)",
    "(LD|DYLD)_.*",
    "GCONV_PATH|OPENSSL_(CONF|MODULES|ENGINES)",
  ].join("|")})$`,
);
const ISOLATIONS = ["PROCESS", "THREAD"] as const;

/** Returns the first rule that the paths of a module's assets violate. Does not check whether the files exist. */
export function assetsViolation(path: JsonPath, assets: unknown): Violation | undefined {
  return list(path, assets, pathViolation);
}

export function versionViolation(path: JsonPath, value: unknown): Violation | undefined {
  return text(path, value, VERSION_LIMIT);
}

export function digestViolation(path: JsonPath, value: unknown): Violation | undefined {
  if (typeof value === "string" && /^([0-9a-f]{64})?$/.test(value)) return undefined;
  return violation(path, value, "64 hex digits in lower case, or nothing");
}

/** Returns the first rule that the name or path of a suite violates. Does not check whether the suite exists. */
export function suiteViolation(path: JsonPath, value: unknown): Violation | undefined {
  const limit = typeof value === "string" && isSuiteFile(value) ? PATH_LIMIT : SUITE_NAME_LIMIT;
  return text(path, value, limit);
}

/** Returns the first rule that a registration violates. */
export function registrationViolation(name: string, registration: Registration): Violation | undefined {
  return registrationViolations(name, registration)[0];
}

/**
 * The rules that a registration breaks, the first one of each field. Types are checked too: the values may come from a
 * file.
 */
export function registrationViolations(name: string, registration: Registration): readonly Violation[] {
  const { dependencies, hotReloadable, isolation, config, grants, reloadHooks, fallbackModule } = registration;
  const found = [
    nameViolation(["name"], name),
    pathViolation(["module_path"], registration.modulePath),
    versionViolation(["version"], registration.version),
    assetsViolation(["assets"], registration.assets),
    dependenciesViolation(name, dependencies),
    flag(["hot_reloadable"], hotReloadable),
    ISOLATIONS.includes(isolation) ? undefined : violation(["isolation"], isolation, ISOLATIONS.join(" or ")),
    jsonObjectViolation(["config"], config),
    envViolation(registration.env),
    digestViolation(["sha256"], registration.sha256),
    pathsViolation(["grants", "fs_read"], grants.fsRead),
    pathsViolation(["grants", "fs_write"], grants.fsWrite),
    flag(["grants", "net"], grants.net),
    flag(["grants", "child_process"], grants.childProcess),
    milliseconds(["start_timeout"], registration.startTimeoutMs, MAX_START_TIMEOUT_MS),
    milliseconds(["call_timeout"], registration.callTimeoutMs, MAX_CALL_TIMEOUT_MS),
    registration.blockTimeoutMs === 0
      ? undefined
      : milliseconds(["block_timeout"], registration.blockTimeoutMs, MAX_BLOCK_TIMEOUT_MS),
    healthIntervalViolation(registration.healthIntervalMs),
    whole(["max_heap_mb"], registration.maxHeapMb, MIN_HEAP_MB, MAX_HEAP_MB),
    whole(["concurrency"], registration.concurrency, 1, MAX_CONCURRENCY),
    suiteViolation(["test_suite"], registration.testSuite),
    list(["reload_hooks"], reloadHooks, hookViolation),
    list(["pure_methods"], registration.pureMethods, methodViolation),
    testStandInsViolation(registration),
    breakerViolation(registration.breaker),
    fallbackModule === "" ? undefined : otherName(["fallback_module"], name, fallbackModule),
  ];
  return found.filter((each) => each !== undefined);
}

const TEST_STAND_INS = { stubs: ["test_stubs"], allow: ["test_allow_dependencies"] } as const;

function testStandInsViolation({
  testStubs,
  testAllowDependencies,
  dependencies,
}: Registration): Violation | undefined {
  const standIns = { stubs: testStubs, allowDependencies: testAllowDependencies };
  const found = standInsViolation(standIns, TEST_STAND_INS);
  if (found !== undefined || !Array.isArray(dependencies)) return found;
  return strangerViolation(standIns, dependencies, TEST_STAND_INS);
}

function healthIntervalViolation(interval: unknown): Violation | undefined {
  const [least, most] = [MIN_HEALTH_INTERVAL_MS, MAX_HEALTH_INTERVAL_MS];
  if (interval === 0 || (typeof interval === "number" && interval >= least && interval <= most)) return undefined;
  const shown = typeof interval === "number" ? `${interval} ms` : show(interval);
  const expected = `${least} ms to ${most / 1000} s, or 0: it is not asked`;
  return { path: ["health_interval"], problem: `${shown} is not allowed`, expected };
}

function breakerViolation(config: BreakerConfig): Violation | undefined {
  try {
    completeConfig(config);
    return undefined;
  } catch (error) {
    if (!isReason(error, "ARGUMENT_INVALID")) throw error;
    const { field = "", problem = "" } = error.metadata;
    return { path: ["breaker", field], problem, expected: "a breaker's configuration" };
  }
}

function dependenciesViolation(name: string, dependencies: readonly string[]): Violation | undefined {
  const seen = new Set<unknown>();
  return list(["dependencies"], dependencies, (path, one) => {
    if (seen.has(one)) return { ...violation(path, one, "each name once"), problem: `${String(one)} comes twice` };
    seen.add(one);
    return otherName(path, name, one);
  });
}

/** Returns the first rule that the name of another module violates. */
function otherName(path: JsonPath, name: string, other: unknown): Violation | undefined {
  if (other === name) return { path, problem: "the module itself", expected: "another module" };
  return nameViolation(path, other);
}

function envViolation(env: unknown): Violation | undefined {
  if (!isPlainObject(env)) return violation(["env"], env, "an object of texts by name");
  const entries = Object.entries(env);
  if (entries.length > LIST_LIMIT) return tooMany(["env"], entries.length);
  for (const [key, value] of entries) {
    const path = ["env", key];
    if (key.length > ENV_NAME_LIMIT || !/^[A-Za-z_][A-Za-z0-9_]*$/.test(key)) {
      return { path, problem: "no name for a variable", expected: "letters, digits and _, no digit first" };
    }
    if (CHANGES_CODE.test(key)) {
      const problem = `${key} would change which code runs, or what it may do`;
      return { path, problem, expected: "variables that the module itself reads" };
    }
    // The value may be a secret, so no message shows it.
    if (typeof value !== "string" || value.length > MAX_ENV_CHARS || value.includes("\0")) {
      return { path, problem: "not allowed", expected: `a text of at most ${MAX_ENV_CHARS} characters` };
    }
  }
  return undefined;
}

function hookViolation(path: JsonPath, hook: unknown): Violation | undefined {
  if (!isPlainObject(hook)) return violation(path, hook, "an object with method and input");
  const { method, input } = hook as { method?: unknown; input?: unknown };
  return methodViolation([...path, "method"], method) ?? jsonViolation([...path, "input"], input);
}

function pathsViolation(path: JsonPath, paths: unknown): Violation | undefined {
  return list(path, paths, (at, one) =>
    typeof one === "string" && one.startsWith("/") && one.length <= GRANTED_PATH_LIMIT
      ? undefined
      : violation(at, one, "an absolute path"),
  );
}

/** The first rule that a JSON object breaks. */
export function jsonObjectViolation(path: JsonPath, value: unknown): Violation | undefined {
  return isPlainObject(value) ? jsonViolation(path, value) : violation(path, value, "an object");
}

function flag(path: JsonPath, value: unknown): Violation | undefined {
  return typeof value === "boolean" ? undefined : violation(path, value, "true or false");
}

function milliseconds(path: JsonPath, value: unknown, most: number): Violation | undefined {
  if (typeof value === "number" && value >= 1 && value <= most) return undefined;
  const shown = typeof value === "number" ? `${value} ms` : show(value);
  return { path, problem: `${shown} is not allowed`, expected: `1 ms to ${most / 1000} s` };
}

function whole(path: JsonPath, value: unknown, least: number, most: number): Violation | undefined {
  const valid = Number.isInteger(value) && Number(value) >= least && Number(value) <= most;
  return valid ? undefined : violation(path, value, `a whole number from ${least} to ${most}`);
}
