import { refuse } from "../../errors/violation.ts";
import type { Generation } from "../calls/generation/generation.ts";
import { BARE_TEST, type Trial } from "../calls/generation/trial.ts";
import type { Instance, ResolvedModule } from "../host/types/host.ts";
import { DEFAULT_VERSION } from "../host/values/version.ts";
import type { Registration } from "../record/record.ts";
import { withDefaults } from "../record/registration.ts";
import { checkConfigSize } from "../record/size.ts";
import { assetsViolation, jsonObjectViolation } from "../record/validate.ts";
import { pathViolation } from "../record/validate-parts.ts";
import { getModule, type OperationContext, verified } from "./context.ts";

export interface FreshOptions {
  /** The path of the file to start, by the rules of `module_path`. Undefined or empty: the registered file. */
  readonly modulePath?: string | undefined;
  /** What the instance may call with `ctx.call`. Default: only methods without effects. */
  readonly trial?: Trial | undefined;
  /** The paths of the assets. Undefined or empty: the registered assets. */
  readonly assets?: readonly string[] | undefined;
  /** Undefined: the registered configuration. */
  readonly config?: Readonly<Record<string, unknown>> | undefined;
  /** The modules that code which is not registered may call. Default: none. */
  readonly dependencies?: readonly string[] | undefined;
  /** If it is aborted during the start, the instance is ended, and the start rejects. */
  readonly signal?: AbortSignal | undefined;
}

/** Starts instances that take no calls, for tests. An empty name: code that is not registered. */
export interface Fresh {
  resolve(name: string, options: FreshOptions): Promise<ResolvedModule>;
  start(name: string, options: FreshOptions): Promise<Generation>;
  startStandIn(name: string, modulePath: string, signal: AbortSignal | undefined): Promise<Instance>;
}

export function createFresh(context: OperationContext): Fresh {
  const { generations } = context;
  return {
    resolve: async (name, options) => freshCode(context, registrationOf(context, name, options), options),

    async start(name, options) {
      const { trial = BARE_TEST, signal } = options;
      const registration = registrationOf(context, name, options);
      const module = await freshCode(context, registration, options);
      // The registered version applies only to the registered file.
      const asked = module.modulePath === registration.modulePath ? registration.version : "";
      const version = { asked, otherwise: DEFAULT_VERSION };
      const request = { registration, module, version, acts: false, trial, ...(signal && { signal }) };
      // In messages, code that is not registered is called by its path.
      return generations.startApart(name || module.modulePath, request);
    },

    async startStandIn(name, modulePath, signal) {
      const module = await verified(context, { modulePath, sha256: "" });
      const version = { asked: "", otherwise: DEFAULT_VERSION };
      const registration = withDefaults({ modulePath });
      const request = { registration, module, version, acts: false, trial: BARE_TEST, ...(signal && { signal }) };
      return (await generations.startApart(name, request)).instance;
    },
  };
}

/** The registration of the module, or the defaults for code that is not registered. */
function registrationOf(context: OperationContext, name: string, options: FreshOptions): Registration {
  const { modulePath = "", config, dependencies = [] } = options;
  if (config !== undefined) {
    refuse(jsonObjectViolation(["config"], config));
    checkConfigSize("an instance of", name || modulePath, config);
  }
  if (name === "") return withDefaults({ modulePath, config, dependencies });
  const { registration } = getModule(context, name).record;
  return config === undefined ? registration : { ...registration, config };
}

async function freshCode(
  context: OperationContext,
  registration: Registration,
  options: FreshOptions,
): Promise<ResolvedModule> {
  const modulePath = options.modulePath || registration.modulePath;
  const assets = options.assets?.length ? { assets: options.assets } : {};
  refuse(pathViolation(["module_path"], modulePath) ?? assetsViolation(["assets"], options.assets ?? []));
  const sha256 = modulePath === registration.modulePath ? registration.sha256 : "";
  return verified(context, { ...registration, modulePath, sha256, ...assets });
}
