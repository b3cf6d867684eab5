import { type Client, Code, ConnectError, createClient, createRouterTransport } from "@connectrpc/connect";
import { errorInfo } from "../../clients/typescript/src/index.ts";
import { ModuleService } from "../../gen/helios/v1/module_service_pb.ts";
import { type Clock, systemClock } from "../../src/core/index.ts";
import { createModuleService } from "../../src/server/services/module.ts";
import { createReplays } from "../../src/server/services/replay/replays.ts";
import { type Rig, rig } from "../core/modules/rig.ts";
import { testRunner } from "./runner.ts";

export type ModuleClient = Client<typeof ModuleService>;

/** The service with its interceptors over real modules, without a socket. */
export async function serve(clock: Clock = systemClock, root?: string): Promise<{ client: ModuleClient; engine: Rig }> {
  const engine = await rig({ clock, ...(root === undefined ? {} : { root }) });
  const service = createReplays(engine.requests)(
    ModuleService,
    createModuleService({ modules: engine.modules, trials: engine.testing, clock, newId: () => crypto.randomUUID() }),
  );
  const transport = createRouterTransport((router) =>
    router.service(ModuleService, testRunner().serve(ModuleService, service)),
  );
  return { client: createClient(ModuleService, transport), engine };
}

/** The parts of a failed call: its code, and the reason and metadata of its ErrorInfo. */
export async function failure(call: Promise<unknown>) {
  try {
    await call;
  } catch (thrown) {
    const error = ConnectError.from(thrown);
    const { reason, metadata } = errorInfo(error) ?? {};
    return { code: Code[error.code], reason, metadata: metadata ?? {}, error };
  }
  throw new Error("the call succeeded");
}
