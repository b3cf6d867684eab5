import { HeliosError } from "../../errors/error.ts";
import { refuse, violation } from "../../errors/violation.ts";
import type { Cause } from "../../store/store.ts";
import { checkEtag, conflict, getModule, type OperationContext, runningGeneration } from "../operations/context.ts";
import { checkDependencies } from "../operations/load.ts";
import { earlierGeneration } from "../record/history.ts";
import { isRunning } from "../record/lifecycle.ts";
import type { Module } from "../record/record.ts";
import type { ModulePlan, SwapPlan } from "./state/plan.ts";
import { servedLast, serving } from "./state/serving.ts";
import type { ModuleSwapOptions, Terms } from "./state/swap-options.ts";

/** The new version of one module. */
export type Target = { readonly name: string } & (
  | { readonly type: "FILES"; readonly options: ModuleSwapOptions }
  /** The registered files, started again. */
  | { readonly type: "RELOAD"; readonly activate: boolean }
  /** An earlier generation. 0: the last one that served with other code or configuration. */
  | { readonly type: "GENERATION"; readonly generation: number; readonly options: GenerationOptions }
);

type GenerationOptions = Pick<ModuleSwapOptions, "expectedGeneration" | "discardState" | "testSuite">;

/** A request for a swap. */
export interface SwapRequest {
  /** The cause of the changes. Its action is the name of the RPC. */
  readonly cause: Cause;
  /** The caller's id for the swap. Empty: one is generated. */
  readonly swapId: string;
  /** The content of the request, as canonical JSON. A request with the same id and other content is refused. */
  readonly content: string;
  /** One target for each module. */
  readonly targets: readonly Target[];
  readonly terms: Terms;
  /** The etag that each module must have. Undefined: any. */
  readonly etag: string | undefined;
  /** Whether the caller already makes sure that no other operation runs on the modules. */
  readonly isAlone: boolean;
}

/** Returns the names of the modules of a swap, sorted. */
export function modulesOf({ targets }: Pick<SwapRequest, "targets">): readonly string[] {
  return targets.map(({ name }) => name).sort();
}

/** Rejects if the swap must not begin, with ETAG_MISMATCH, HOT_RELOAD_DISABLED or MODULE_DEPENDENCY_NOT_LOADED. */
export async function checkSwap(context: OperationContext, { targets, etag }: SwapRequest): Promise<void> {
  for (const { name } of targets) await checkEtag(context, name, etag);
  // A freeze must not forbid a rollback. A generation that has never served counts as a new version, though.
  const isNew = (target: Target): boolean =>
    target.type !== "GENERATION" ||
    earlierGeneration(getModule(context, target.name).record, target.generation)?.served === false;
  await context.hotReload.check(targets.filter(isNew).map(({ name }) => name));
  for (const { type, name } of targets) {
    const isDown = getModule(context, name).record.lifecycle.state === "FAILED";
    if (type === "GENERATION" && isDown) checkDependencies(context, name);
  }
}

/**
 * Makes the plan of a swap. All options are resolved here, against the current records of the modules. Throws
 * MODULE_STATE_CONFLICT, MODULE_NOT_HOT_RELOADABLE, MODULE_GENERATION_MISMATCH, GENERATION_NOT_FOUND or ARGUMENT_INVALID.
 */
export function planSwap(context: OperationContext, request: SwapRequest, swapId: string): SwapPlan {
  const { cause, content, targets, terms } = request;
  const sorted = targets.toSorted((a, b) => (a.name < b.name ? -1 : 1));
  const changes = sorted.map((target) => planModule(context, request, target));
  const modules = changes.map(({ name }) => name);
  // A bake needs an old version of each module that could serve again.
  const canReturn = changes.every((change) => change.serving.old !== undefined);
  return { swapId, content, modules, cause, terms: canReturn ? terms : { ...terms, bakeMs: 0 }, changes };
}

/** Throws MODULE_GENERATION_MISMATCH if another generation serves than the expected one. */
export function checkGeneration({ name, record }: Module, expected: number = record.generation): void {
  const actual = record.generation;
  if (expected !== actual) throw HeliosError.of("MODULE_GENERATION_MISMATCH", { name, expected, actual });
}

type Change = Omit<ModulePlan, "name" | "before" | "serving">;

function planModule(context: OperationContext, request: SwapRequest, target: Target): ModulePlan {
  const { name } = target;
  const before = getModule(context, name);
  const change = changeOf(context, request, before, target);
  const { lifecycle, registration } = before.record;
  // If the module is FAILED, nothing runs that would be reloaded.
  const isReloaded = lifecycle.state !== "FAILED";
  if (isReloaded && !registration.hotReloadable) throw HeliosError.of("MODULE_NOT_HOT_RELOADABLE", { name });
  const present = serving(context, name) ?? servedLast(before);
  if (present === undefined) throw conflict(before, request.cause.action, "LOADED or ACTIVE");
  return { ...change, name, before, serving: present };
}

function changeOf(context: OperationContext, request: SwapRequest, before: Module, target: Target): Change {
  switch (target.type) {
    case "FILES":
      return toFiles(context, request, before, target.options);
    case "RELOAD":
      return toRegistered(before, target.activate);
    case "GENERATION":
      return toGeneration(request, before, target.generation, target.options);
  }
}

function toFiles(
  context: OperationContext,
  { cause, terms }: SwapRequest,
  before: Module,
  options: ModuleSwapOptions,
): Change {
  const { newVersionPath = "", version = "", sha256 = "", testSuite = "", testRun = "", config } = options;
  const { registration, lifecycle, configVersion } = before.record;
  if (lifecycle.state !== "ACTIVE") throw conflict(before, cause.action, "ACTIVE");
  refuse(
    terms.shadow !== undefined && !hasPureMethods(context, before)
      ? violation(["shadow"], before.name, "a module with pure_methods: only those are mirrored")
      : undefined,
  );
  checkGeneration(before, options.expectedGeneration);
  const modulePath = newVersionPath || registration.modulePath;
  const pin = sha256 || (modulePath === registration.modulePath ? registration.sha256 : "");
  // A registration stores them sorted.
  const assets = options.assets?.length ? { assets: [...new Set(options.assets)].sort() } : {};
  const files = { ...registration, modulePath, sha256: pin, ...assets };
  const changed = config !== undefined && JSON.stringify(config) !== JSON.stringify(registration.config);
  return {
    source: { type: "FILES", files },
    registration: { ...files, config: config ?? registration.config },
    configVersion: changed ? configVersion + 1 : configVersion,
    version: { asked: version, otherwise: lifecycle.running.version, isRegistered: true },
    suite: testSuite || registration.testSuite,
    testRun,
    activate: true,
    // A request that names tests expects them to run, even if nothing would change.
    force: terms.force || testSuite !== "" || testRun !== "",
    discardState: options.discardState ?? false,
  };
}

function hasPureMethods(context: OperationContext, module: Module): boolean {
  const { pureMethods = [] } = runningGeneration(context, module)?.instance.shape ?? {};
  return module.record.registration.pureMethods.length > 0 || pureMethods.length > 0;
}

function toRegistered({ record }: Module, activate: boolean): Change {
  const { registration, lifecycle, configVersion } = record;
  const running = isRunning(lifecycle) ? lifecycle.running.version : "";
  return {
    source: { type: "FILES", files: registration },
    registration,
    configVersion,
    version: { asked: registration.version, otherwise: running, isRegistered: false },
    suite: registration.testSuite,
    testRun: "",
    activate,
    force: true,
    discardState: false,
  };
}

function toGeneration(
  { cause }: SwapRequest,
  before: Module,
  wanted: number,
  { expectedGeneration, testSuite = "", discardState = false }: GenerationOptions,
): Change {
  const { name, record } = before;
  const { registration, lifecycle, desired } = record;
  if (lifecycle.state !== "ACTIVE" && lifecycle.state !== "FAILED") {
    throw conflict(before, cause.action, "ACTIVE or FAILED");
  }
  checkGeneration(before, expectedGeneration);
  const earlier = earlierGeneration(record, wanted);
  if (earlier === undefined) {
    const generation = wanted === 0 ? "before the present one" : wanted;
    throw HeliosError.of("GENERATION_NOT_FOUND", { name, generation });
  }
  const { code, config, configVersion, version } = earlier;
  const { modulePath, assets = [], sha256, artifact } = code;
  // A digest that is registered for another version does not match this one.
  const pin = [sha256, artifact].includes(registration.sha256) ? registration.sha256 : "";
  return {
    source: { type: "KEPT", code },
    registration: { ...registration, modulePath, version, assets, config, sha256: pin },
    configVersion,
    version: { asked: version, otherwise: version, isRegistered: false },
    suite: testSuite,
    testRun: "",
    // A module that was only LOADED takes no traffic afterwards either.
    activate: lifecycle.state === "ACTIVE" || desired !== "LOADED",
    force: true,
    discardState,
  };
}
