import { type By, causeOf } from "../../change.ts";
import { HeliosError } from "../../errors/error.ts";
import { checkEtag, conflict, getModule, type OperationContext } from "../operations/context.ts";
import { checkDependencies } from "../operations/load.ts";
import { closeBreaker } from "../operations/module-breaker.ts";
import type { GenerationRecord, Module } from "../record/record.ts";
import type { Returns } from "./returns.ts";
import { digestOf, type ModuleSwapOptions, type SwapTermsOptions, termsOf } from "./state/swap-options.ts";
import { resultOf, type SwapResult } from "./swap.ts";
import type { Swaps } from "./swaps.ts";

export interface RollbackOptions
  extends Pick<ModuleSwapOptions, "expectedGeneration" | "discardState" | "testSuite">,
    Pick<SwapTermsOptions, "swapId" | "bakeMs" | "maxPauseMs"> {
  /** The generation to go back to. Absent or 0: the one that served last before the present one, with other code or configuration. */
  readonly generation?: number | undefined;
}

/**
 * Goes back to an earlier generation: starts its very code with its configuration, as a swap does, without a suite unless
 * one is named. While the present one serves on trial the one before stands by, and serves again at once; if it has ended
 * meanwhile it is started anew first, and where that fails the present one serves on. Of a module that is FAILED the last
 * one that served with other code or configuration is started, without a trial: there is nothing that could serve again.
 */
export async function rollBack(
  context: OperationContext,
  swaps: Swaps,
  returns: Returns,
  name: string,
  options: RollbackOptions,
  by: By | undefined,
): Promise<SwapResult> {
  const { generation = 0, swapId = "", expectedGeneration, testSuite = "", discardState = false } = options;
  const digest = digestOf("RollbackModule", [name, { ...options, swapId: "" }]);
  const asked = { modules: [name], swapId, digest };
  getModule(context, name);
  const known = await returns.recall(asked);
  if (known !== undefined) return resultOf(context, known, name);
  const { record } = getModule(context, name);
  await checkEtag(context, name, by?.etag);
  if (record.bake !== undefined && (generation === 0 || generation === swaps.onTrial(name)?.standby)) {
    if (expectedGeneration !== undefined && expectedGeneration !== record.generation)
      throw mismatch(name, expectedGeneration, record.generation);
    const why = by?.reason || "it was rolled back";
    const outcome = await returns.endTrial(name, why, asked);
    if (outcome !== undefined) return resultOf(context, outcome, name);
  }
  const cause = causeOf("RollbackModule", by);
  const outcome = await swaps.run({
    operation: "RollbackModule",
    ...asked,
    isAlone: false,
    terms: termsOf(options, cause),
    async check() {
      await checkEtag(context, name, by?.etag);
      // To go back is what a freeze must not forbid; what has never served is no way back.
      const module = getModule(context, name);
      if (find(module, generation)?.served === false) await context.hotReload.check([name]);
      if (module.record.lifecycle.state === "FAILED") checkDependencies(context, name);
    },
    plan(module) {
      const { registration, lifecycle, desired } = module.record;
      if (lifecycle.state !== "ACTIVE" && lifecycle.state !== "FAILED") {
        throw conflict(module, "RollbackModule", "ACTIVE or FAILED");
      }
      const actual = module.record.generation;
      if (expectedGeneration !== undefined && expectedGeneration !== actual)
        throw mismatch(name, expectedGeneration, actual);
      const { code, config, configVersion, version } = earlier(module, generation);
      return {
        code: async () => code,
        registration: () => ({
          ...registration,
          modulePath: code.modulePath,
          version,
          assets: code.assets ?? [],
          config,
          // What was pinned is another version's.
          sha256: [code.sha256, code.artifact].includes(registration.sha256) ? registration.sha256 : "",
        }),
        configVersion,
        label: version,
        version: () => version,
        suite: testSuite,
        testRun: "",
        // One that was to take no traffic takes none when it is back.
        activate: lifecycle.state === "ACTIVE" || desired !== "LOADED",
        force: true,
        discardState,
      };
    },
  });
  // What opened it serves no more.
  if (outcome.swapped) await closeBreaker(context, name, `module ${name} was rolled back`);
  return resultOf(context, outcome, name);
}

function mismatch(name: string, expected: number, actual: number): HeliosError {
  return HeliosError.of("MODULE_GENERATION_MISMATCH", { name, expected, actual });
}

function earlier(module: Module, wanted: number): GenerationRecord {
  const found = find(module, wanted);
  if (found !== undefined) return found;
  const generation = wanted === 0 ? "before the present one" : wanted;
  throw HeliosError.of("GENERATION_NOT_FOUND", { name: module.name, generation });
}

/** What is gone back to: what served last with other code or configuration than what runs, or did not start. */
function find({ record }: Module, wanted: number): GenerationRecord | undefined {
  const { generations, configVersion, generation, lifecycle } = record;
  const failed = lifecycle.state === "FAILED";
  const artifact = failed ? (lifecycle.last ?? lifecycle.failure).artifact : record.code.artifact;
  const differs = ({ code, configVersion: version }: GenerationRecord): boolean =>
    code.artifact !== artifact || code.modulePath !== record.code.modulePath || version !== configVersion;
  return generations.find((one) =>
    wanted === 0
      ? one.served && (one.number < generation || failed) && differs(one)
      : one.number === wanted && (wanted !== generation || failed),
  );
}
