import { type Module as ModuleMessage, ModuleSchema } from "../../../gen/helios/v1/module_pb.ts";
import { ModuleSwapResultSchema } from "../../../gen/helios/v1/module_service_pb.ts";
import { cut, knownSize, type Module, WHOLE_BYTES } from "../../core/index.ts";
import { wireSize } from "./size.ts";
import type { toSwapOutcome } from "./swap.ts";

/** Returns the module without its parts that can be long. */
export function abridged(module: ModuleMessage): ModuleMessage {
  const { config: _, grants: __, lastSwap: ___, testStubs: ____, failure, ...short } = module;
  return {
    ...short,
    ...(failure && { failure: { ...failure, message: cut(failure.message, MAX_ABRIDGED), stack: "" } }),
    envNames: [],
    methods: [],
    pureMethods: [],
    reloadHooks: [],
    abridged: true,
  };
}

/** Length of each text next to an abridged module; the rest is cut. @limit characters */
const MAX_ABRIDGED = 100;

/** Returns the message to show: abridged if it is too large for a frame. */
export function shown(module: ModuleMessage, { record }: Module): ModuleMessage {
  const { registration, lastSwap } = record;
  const most = knownSize(registration) + (lastSwap === undefined ? 0 : knownSize(lastSwap)) + MODULE_BYTES;
  // The estimate includes the environment, which is stored but not shown. So a module that may be too large is measured
  // exactly.
  return most > WHOLE_BYTES && wireSize(ModuleSchema, module) > WHOLE_BYTES ? abridged(module) : module;
}

/** Upper bound of the bytes of a module's other parts: its state, failure and methods. */
const MODULE_BYTES = 256 * 1024;

/** Size of the results of a swap of several modules; beyond it, each module is abridged. @limit bytes */
const RESULTS_BYTES = 3 * 1024 * 1024;

/** Returns the results of a group swap. If they are too large for one answer, the modules are abridged. */
export function fittingResults<Result extends ReturnType<typeof toSwapOutcome> & { readonly module: ModuleMessage }>(
  results: readonly Result[],
): Result[] {
  const size = results.reduce((sum, result) => sum + wireSize(ModuleSwapResultSchema, result), 0);
  if (size <= RESULTS_BYTES) return [...results];
  return results.map((result) => ({
    ...result,
    module: abridged(result.module),
    failure: cut(result.failure, MAX_ABRIDGED),
    steps: result.steps.map((step) => ({ ...step, detail: cut(step.detail, MAX_ABRIDGED) })),
  }));
}
