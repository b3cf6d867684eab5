import { DEFAULT_CONFIG } from "../../../kernel/breakers/policy/defaults.ts";
import { refuse } from "../../errors/violation.ts";
import { canonicalJson } from "../../json/canonical.ts";
import { isPlainObject } from "../../json/value.ts";
import type { Registration, RegistrationFields } from "./record.ts";
import { checkRegistrationSize } from "./size.ts";
import { registrationViolation } from "./validate.ts";

/**
 * Time that a module may take to start, unless `start_timeout` says otherwise; then it fails with `MODULE_LOAD_FAILED`.
 * @limit ms
 */
const DEFAULT_START_TIMEOUT_MS = 10_000;
/**
 * Time that a call of a module may take, unless `call_timeout` says otherwise; then it fails with
 * `MODULE_DEADLINE_EXCEEDED`. @limit ms
 */
const DEFAULT_CALL_TIMEOUT_MS = 30_000;
/**
 * Time that a module may block its event loop, unless `block_timeout` says otherwise; then it is ended and started
 * again. @limit ms
 */
const DEFAULT_BLOCK_TIMEOUT_MS = 5000;
/** Time between two health checks of a running module, unless `health_interval` says otherwise. @limit ms */
const DEFAULT_HEALTH_INTERVAL_MS = 10_000;
/** Heap of a module, unless `max_heap_mb` says otherwise; beyond it the module is ended and started again. @limit MB */
const DEFAULT_MAX_HEAP_MB = 256;
/**
 * Calls of a module that run at once, unless `concurrency` says otherwise; further ones wait. A call whose caller has
 * left counts until its method has ended, and for `call_timeout` at most. @limit calls
 */
const DEFAULT_MAX_CONCURRENCY = 64;

const DEFAULTS: Omit<Registration, "modulePath"> = Object.freeze({
  version: "",
  assets: [],
  dependencies: [],
  hotReloadable: true,
  isolation: "PROCESS",
  config: {},
  env: {},
  sha256: "",
  grants: { fsRead: [], fsWrite: [], net: false, childProcess: false },
  startTimeoutMs: DEFAULT_START_TIMEOUT_MS,
  callTimeoutMs: DEFAULT_CALL_TIMEOUT_MS,
  blockTimeoutMs: DEFAULT_BLOCK_TIMEOUT_MS,
  healthIntervalMs: DEFAULT_HEALTH_INTERVAL_MS,
  maxHeapMb: DEFAULT_MAX_HEAP_MB,
  concurrency: DEFAULT_MAX_CONCURRENCY,
  testSuite: "",
  reloadHooks: [],
  pureMethods: [],
  breaker: DEFAULT_CONFIG,
  fallbackModule: "",
});

/** The registration with every default in place. Nothing is checked. */
export function withDefaults(fields: RegistrationFields): Registration {
  const { grants = {}, breaker = {}, ...rest } = withoutUndefined(fields);
  const { assets, dependencies, pureMethods, reloadHooks, testStubs, testAllowDependencies, ...others } = {
    ...DEFAULTS,
    ...rest,
  };
  return {
    ...others,
    grants: { ...DEFAULTS.grants, ...withoutUndefined(grants) },
    breaker: { ...DEFAULTS.breaker, ...withoutUndefined(breaker) },
    // The order does not matter. A value that is not a list is left to the validation.
    assets: Array.isArray(assets) ? [...new Set(assets)].sort() : assets,
    dependencies: sorted(dependencies),
    pureMethods: sorted(pureMethods),
    reloadHooks: Array.isArray(reloadHooks)
      ? reloadHooks.map((hook) => ({ ...hook, input: hook?.input ?? null }))
      : reloadHooks,
    // Empty ones are left out.
    ...(testStubs === undefined || (isPlainObject(testStubs) && Object.keys(testStubs).length === 0)
      ? {}
      : { testStubs }),
    ...(testAllowDependencies === undefined || testAllowDependencies.length === 0
      ? {}
      : { testAllowDependencies: sorted(testAllowDependencies) }),
  };
}

function sorted<T extends readonly string[] | undefined>(list: T): T {
  return Array.isArray(list) ? ([...list].sort() as readonly string[] as T) : list;
}

/** Returns the registration with every default. Throws ARGUMENT_INVALID, which names field and value, or RESOURCE_TOO_LARGE. */
export function checkedRegistration(name: string, fields: RegistrationFields): Registration {
  const registration = withDefaults(fields);
  refuse(registrationViolation(name, registration));
  checkRegistrationSize(name, registration);
  return registration;
}

/** The time between two health checks in ms; 0: no checks. */
export function healthIntervalOf({ healthIntervalMs = DEFAULT_HEALTH_INTERVAL_MS }: Registration): number {
  return healthIntervalMs;
}

const CONTRACT_NAMES: Readonly<Partial<Record<keyof Registration, string>>> = {
  startTimeoutMs: "start_timeout",
  callTimeoutMs: "call_timeout",
  blockTimeoutMs: "block_timeout",
  healthIntervalMs: "health_interval",
};

/**
 * The fields in which two registrations differ, by their names in the contract, sorted. Without values: some are
 * secrets.
 */
export function differences(one: Registration, other: Registration): readonly string[] {
  const keys = [...new Set([...Object.keys(one), ...Object.keys(other)])] as (keyof Registration)[];
  return keys
    .filter((key) => canonicalJson(one[key]) !== canonicalJson(other[key]))
    .map((key) => CONTRACT_NAMES[key] ?? key.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`))
    .sort();
}

function withoutUndefined<T extends object>(fields: T): { [Key in keyof T]: Exclude<T[Key], undefined> } {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as {
    [Key in keyof T]: Exclude<T[Key], undefined>;
  };
}
