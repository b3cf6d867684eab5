import type { HandlerContext, ServiceImpl } from "@connectrpc/connect";
import type { ModuleService } from "../../../gen/helios/v1/module_service_pb.ts";
import type { Clock, InvokeOptions, Module, Modules } from "../../core/index.ts";
import { byOf, toDuration } from "../map/common.ts";
import { fromPayload, fromRegistration, toModule, toPayload, toSwapStep } from "../map/module.ts";
import { toFrame } from "../map/watch.ts";
import { pageOf } from "./paging.ts";
import { watchFrames } from "./watching.ts";

export interface ModuleServiceDeps {
  readonly modules: Modules;
  readonly clock: Clock;
}

/** ModuleService over the engine's modules. Requests are validated before they come here. */
export function createModuleService({ modules, clock }: ModuleServiceDeps): ServiceImpl<typeof ModuleService> {
  const toMessage = (module: Module) => toModule(module, modules.inFlight(module.name));

  return {
    async registerModule(request) {
      const { name, replace } = request;
      const module = await modules.register(name, fromRegistration(request), { replace }, byOf(request));
      return { module: toMessage(module) };
    },

    getModule: ({ name }) => ({ module: toMessage(modules.get(name)) }),

    listModules(request) {
      const { items, nextPageToken } = pageOf(modules.list(), request, ({ name }) => name);
      return { modules: items.map(toMessage), nextPageToken };
    },

    async deleteModule(request) {
      const { module, revision } = await modules.remove(request.name, byOf(request));
      return { module: toMessage(module), revision: BigInt(revision) };
    },

    async loadModule(request) {
      const { name, forceReload, loadDependencies, activate } = request;
      const module = await modules.load(name, { forceReload, loadDependencies, activate }, byOf(request));
      return { module: toMessage(module) };
    },

    async unloadModule(request) {
      const { module, unloaded } = await modules.unload(request.name, { cascade: request.cascade }, byOf(request));
      return { module: toMessage(module), unloaded: [...unloaded] };
    },

    async swapModule(request) {
      const { name, newVersionPath, version, sha256, testSuite } = request;
      const options = { newVersionPath, version, sha256, testSuite };
      const {
        swapped,
        module,
        failedStep = "",
        failure = "",
        steps,
      } = await modules.swap(name, options, byOf(request));
      return { swapped, module: toMessage(module), failedStep, failure, steps: steps.map(toSwapStep) };
    },

    async invokeModule({ name, method, input }, context) {
      const answer = await modules.invoke(name, method, fromPayload(input), waitingOf(context));
      const { output, version, generation, durationMs, answeredBy } = answer;
      return { output: toPayload(output), version, generation, duration: toDuration(durationMs), answeredBy };
    },

    watchModules: (request, context) =>
      watchFrames(modules.hub, request, context, clock, (frame, head) =>
        toFrame(frame, head, toMessage, (chunk, complete) => ({ modules: chunk, complete })),
      ),
  };
}

/** Caller and service know of the same deadline, and the caller's giving up arrives about when it passes. */
const DEADLINE_SLACK_MS = 50;

/** How long the caller waits. That it goes away at its deadline is told as just that, which the breaker counts. */
function waitingOf(context: HandlerContext): InvokeOptions {
  const cancelled = new AbortController();
  const cancel = (): void => {
    const leftMs = context.timeoutMs();
    if (leftMs === undefined || leftMs > DEADLINE_SLACK_MS) cancelled.abort(context.signal.reason);
  };
  if (context.signal.aborted) cancel();
  else context.signal.addEventListener("abort", cancel, { once: true });
  return { signal: cancelled.signal, timeoutMs: context.timeoutMs() };
}
