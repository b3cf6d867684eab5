import { join } from "node:path";
import { afterAll, onTestFinished } from "vitest";
import { systemClock } from "../../../src/core/index.ts";
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

export interface HostRig {
  readonly host: ModuleHost;
  /** The messages that modules have logged. */
  readonly logged: readonly string[];
  /** Starts an instance for several tests, which is to be killed by whoever starts it. */
  startForAll(isolation: Isolation, path: string, spec?: Partial<InstanceSpec>): Promise<Instance>;
  /**
   * Returns an instance that all tests of the calling suite share. It starts at the first call, and is killed after the last
   * test.
   */
  share(isolation: Isolation, path: string, spec?: Partial<InstanceSpec>): () => Promise<Instance>;
  /** Starts an instance, which is killed at the end of the test. */
  start(isolation: Isolation, path: string, spec?: Partial<InstanceSpec>): Promise<Instance>;
}

let shared: ModuleHost | undefined;

/** The host of all tests that need none of their own: its helper takes longer to start than most tests take. */
function sharedHost(): ModuleHost {
  shared ??= createModuleHost({ root: ROOT, clock: systemClock });
  return shared;
}

/** Closed at the end of the test. */
export function ownHost(): ModuleHost {
  const host = createModuleHost({ root: ROOT, clock: systemClock });
  onTestFinished(() => host.close());
  return host;
}

/**
 * A host in real time. `services`: what the modules' own calls come to, if not their input; who else hears what they log.
 */
export function hostRig(services: Partial<InstanceServices> = {}, host: ModuleHost = sharedHost()): HostRig {
  const logged: string[] = [];
  const all: InstanceServices = {
    isFlagEnabled: () => false,
    call: async (_dependency, _method, input) => input,
    ...services,
    log(level, message, fields) {
      logged.push(message);
      services.log?.(level, message, fields);
    },
  };
  const specOf = async (isolation: Isolation, path: string, spec?: Partial<InstanceSpec>): Promise<InstanceSpec> => ({
    name: "under_test",
    version: "",
    defaultVersion: "0.0.0",
    generation: 1,
    module: await host.resolve(path),
    isolation,
    config: {},
    env: {},
    grants: NO_GRANTS,
    maxHeapMb: 64,
    startTimeoutMs: 20_000,
    blockTimeoutMs: 0,
    ...spec,
  });
  const startForAll: HostRig["startForAll"] = async (isolation, path, spec) =>
    host.start(await specOf(isolation, path, spec), all);
  return {
    host,
    logged,
    startForAll,
    share(isolation, path, spec) {
      let shared: Promise<Instance> | undefined;
      afterAll(async () => (await shared)?.kill());
      return () => {
        shared ??= startForAll(isolation, path, spec);
        return shared;
      };
    },
    async start(isolation, path, spec) {
      const instance = await startForAll(isolation, path, spec);
      onTestFinished(async () => {
        instance.kill();
        await instance.ended;
      });
      return instance;
    },
  };
}

/** Calls with a JSON value, and resolves to the JSON value of the answer. */
export async function call(instance: Instance, method: string, input: unknown = null): Promise<unknown> {
  const output = await instance.invoke(method, { json: input }, { timeoutMs: 60_000 });
  return "json" in output ? output.json : output.binary;
}
