import { join } from "node:path";
import { onTestFinished } from "vitest";
import { HeliosError, systemClock } from "../../../src/core/index.ts";
import { createModuleHost } from "../../../src/core/modules/host/index.ts";
import type {
  Grants,
  Instance,
  InstanceServices,
  InstanceSpec,
  Isolation,
  ModuleHost,
} from "../../../src/core/modules/host/types/host.ts";

export const ROOT = join(import.meta.dirname, "../../fixtures/modules");
export const NO_GRANTS: Grants = { fsRead: [], fsWrite: [], net: false, childProcess: false };
export const ISOLATIONS: readonly Isolation[] = ["PROCESS", "THREAD"];

export interface HostRig {
  readonly host: ModuleHost;
  /** Messages that modules logged. */
  readonly logged: readonly string[];
  start(isolation: Isolation, path: string, spec?: Partial<InstanceSpec>): Promise<Instance>;
}

/**
 * A host in real time; closed at the end of the test. `made`: what the modules' own calls come to, if not their input; who
 * else hears what they log.
 */
export function hostRig({ call, log }: Partial<Pick<InstanceServices, "call" | "log">> = {}): HostRig {
  const host = createModuleHost({ root: ROOT, clock: systemClock });
  onTestFinished(() => host.close());
  const logged: string[] = [];
  const services: InstanceServices = {
    log(level, message, fields) {
      logged.push(message);
      log?.(level, message, fields);
    },
    isFlagEnabled: () => false,
    call: call ?? (async (_dependency, _method, input) => input),
  };
  return {
    host,
    logged,
    async start(isolation, path, spec = {}) {
      const module = await host.resolve(path);
      return host.start(
        {
          name: "under_test",
          version: "",
          defaultVersion: "0.0.0",
          generation: 1,
          module,
          isolation,
          config: {},
          env: {},
          grants: NO_GRANTS,
          maxHeapMb: 64,
          startTimeoutMs: 20_000,
          blockTimeoutMs: 0,
          ...spec,
        },
        services,
      );
    },
  };
}

/** Calls with a JSON value; resolves to the JSON value of the answer. */
export async function call(instance: Instance, method: string, input: unknown = null): Promise<unknown> {
  const output = await instance.invoke(method, { json: input }, { timeoutMs: 60_000 });
  return "json" in output ? output.json : output.binary;
}

/** The domain error that a promise rejects with. */
export function failure(work: Promise<unknown>): Promise<HeliosError> {
  return work.then(
    (value) => Promise.reject(new Error(`it succeeded: ${JSON.stringify(value)}`)),
    (error: unknown) => (error instanceof HeliosError ? error : Promise.reject(error)),
  );
}

/** Resolves when it is so; never, if it never is. */
export async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) await new Promise((resolve) => setTimeout(resolve, 5));
}
