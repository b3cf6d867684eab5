import type { MessageInitShape } from "@bufbuild/protobuf";
import type { HandlerContext, ServiceImpl } from "@connectrpc/connect";
import { GenerationSchema, ModuleSchema } from "../../../gen/helios/v1/module_pb.ts";
import type { ModuleService, SwapModuleStreamResponseSchema } from "../../../gen/helios/v1/module_service_pb.ts";
import { type MinimalSignal, pushed } from "../../core/async/index.ts";
import type { Clock, GenerationView, Module, Modules, SwapEvent, SwapResult, Testing } from "../../core/index.ts";
import { whenAborted } from "../calls/context.ts";
import { fittingResults, shown } from "../map/abridged.ts";
import { byOf, toDuration } from "../map/common.ts";
import { whole } from "../map/message.ts";
import { fromPayload, fromRegistration, toModule, toPayload } from "../map/module.ts";
import { mapFitting, NAMES, wireSize } from "../map/size.ts";
import {
  fromModuleSwap,
  fromRollback,
  fromSwap,
  fromTerms,
  toGeneration,
  toSwapEvent,
  toSwapOutcome,
  toSwapReport,
} from "../map/swap.ts";
import { resourceFrames } from "../map/watch.ts";
import { pageOf } from "./paging.ts";
import { watchFrames } from "./watching.ts";

export interface ModuleServiceDeps {
  readonly modules: Modules;
  readonly trials: Pick<Testing, "invokeTrial">;
  readonly clock: Clock;
  readonly newId: () => string;
}

const moduleSize = (module: object): number => wireSize(ModuleSchema, module);

/** Implements ModuleService. Requests have been validated. */
export function createModuleService({
  modules,
  trials,
  clock,
  newId,
}: ModuleServiceDeps): ServiceImpl<typeof ModuleService> {
  const toMessage = (module: Module) => {
    const { name } = module;
    const live = {
      inFlight: modules.inFlight(name),
      swapId: modules.swapUnderWay(name),
      usage: modules.usage(name),
      health: modules.health(name),
    };
    return shown(toModule(module, live), module);
  };
  const frames = resourceFrames(ModuleSchema, clock, toMessage, (chunk, complete) => ({ modules: chunk, complete }));
  const toSwapResult = ({ module, ...report }: SwapResult) => ({
    ...toSwapOutcome(report),
    module: toMessage(module),
  });

  return {
    async registerModule(request) {
      const { name, replace } = request;
      const module = await modules.register(name, fromRegistration(request), { replace }, byOf(request));
      return { module: toMessage(module) };
    },

    getModule: ({ name }) => ({ module: toMessage(modules.get(name)) }),

    listModules(request) {
      const { items, nextPageToken } = pageOf(modules.list(), request, {
        keyOf: ({ name }) => name,
        toMessage,
        sizeOf: moduleSize,
      });
      return { modules: items, nextPageToken };
    },

    async deleteModule(request) {
      const { module, revision } = await modules.delete(request.name, byOf(request));
      return { module: toMessage(module), revision: whole(revision) };
    },

    async loadModule(request) {
      const { name, forceReload, loadDependencies, activate } = request;
      const module = await modules.load(name, { forceReload, loadDependencies, activate }, byOf(request));
      return { module: toMessage(module) };
    },

    async unloadModule(request) {
      const { module, unloaded } = await modules.unload(request.name, { cascade: request.cascade }, byOf(request));
      return { module: toMessage(module), unloaded: mapFitting(unloaded, NAMES) };
    },

    async swapModule(request) {
      return toSwapResult(await modules.swap(request.name, fromSwap(request), byOf(request)));
    },

    swapModuleStream: (request) =>
      pushed<MessageInitShape<typeof SwapModuleStreamResponseSchema>>(async (push) => {
        const listener = (event: SwapEvent): void => push({ event: toSwapEvent(event) });
        const result = await modules.swap(request.name, fromSwap(request), byOf(request), listener);
        push({ event: { case: "result", value: toSwapResult(result) } });
      }),

    async swapModules(request) {
      const swaps = request.modules.map((one) => ({ ...fromModuleSwap(one), name: one.name }));
      const { swapId, swapped, results } = await modules.swapAll(swaps, fromTerms(request), byOf(request));
      return { swapId, swapped, results: fittingResults(results.map(toSwapResult)) };
    },

    async cancelSwap(request) {
      const { module, ...report } = await modules.cancelSwap(request.name, request.swapId, byOf(request));
      return { module: toMessage(module), report: toSwapReport(report) };
    },

    async rollbackModule(request) {
      return toSwapResult(await modules.rollBack(request.name, fromRollback(request), byOf(request)));
    },

    listGenerations(request) {
      // Newest first: the keys must ascend while the numbers descend.
      const keyOf = ({ number }: GenerationView): string => String(2 ** 32 - number).padStart(10, "0");
      const sizeOf = (generation: object): number => wireSize(GenerationSchema, generation);
      const paged = { keyOf, toMessage: toGeneration, sizeOf };
      const { items, nextPageToken } = pageOf(modules.generations(request.name), request, paged);
      return { generations: items, nextPageToken };
    },

    async invokeModule({ name, method, input, routingKey, idempotencyKey, trial }, context) {
      const payload = fromPayload(input);
      const signal = new Leaving(context);
      const options = { signal, timeoutMs: context.timeoutMs(), routingKey, idempotencyKey };
      const answer = await (trial === ""
        ? modules.invoke(name, method, payload, options)
        : trials.invokeTrial(trial, method, payload, { ...options, name })
      ).finally(signal.release);
      const { output, version, generation, durationMs, answeredBy } = answer;
      return { output: toPayload(output), version, generation, duration: toDuration(durationMs), answeredBy };
    },

    watchModules: (request, context) => watchFrames(modules.hub, request, context, { clock, newId }, frames),
  };
}

/**
 * Time before its deadline by which a caller may leave while its call of a module still counts as late, not as
 * cancelled. @limit ms
 */
const DEADLINE_SLACK_MS = 50;

/**
 * The signal of a caller that leaves before its deadline. If it leaves at its deadline, the call counts as late. Every call has such
 * a signal, and an AbortController would cost more.
 */
class Leaving implements MinimalSignal {
  aborted = false;
  reason: unknown;
  /** Call it when the call has its answer. Otherwise, the end of the call would look as if the caller had left. */
  readonly release: () => void;
  #listeners: (() => void)[] = [];

  constructor(context: HandlerContext) {
    this.release = whenAborted(context, () => {
      const leftMs = context.timeoutMs();
      if (leftMs === undefined || leftMs > DEADLINE_SLACK_MS) this.#abort(context.signal.reason);
    });
  }

  throwIfAborted(): void {
    if (this.aborted) throw this.reason;
  }

  addEventListener(_type: "abort", listener: () => void): void {
    this.#listeners.push(listener);
  }

  removeEventListener(_type: "abort", listener: () => void): void {
    this.#listeners = this.#listeners.filter((one) => one !== listener);
  }

  #abort(reason: unknown): void {
    this.aborted = true;
    this.reason = reason;
    // A listener may remove others.
    for (let next = this.#listeners.shift(); next !== undefined; next = this.#listeners.shift()) next();
  }
}
