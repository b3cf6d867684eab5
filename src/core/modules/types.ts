import type { By } from "../change.ts";
import type { Delta } from "../store/collection.ts";
import type { Hub } from "../watch/hub.ts";
import type { Answer, InvokeOptions } from "./calls/call.ts";
import type { Health } from "./calls/generation/health.ts";
import type { Instance, Payload, ResolvedModule, Usage } from "./host/types/host.ts";
import type { FreshOptions } from "./operations/fresh.ts";
import type { GenerationView } from "./operations/list-generations.ts";
import type { LoadOptions } from "./operations/load.ts";
import type { RegisterOptions } from "./operations/register.ts";
import type { UnloadOptions } from "./operations/unload.ts";
import type { Module, ModuleRecord, RegistrationFields } from "./record/record.ts";
import type { SwapResult } from "./swap/report.ts";
import type { RollbackOptions } from "./swap/rollback.ts";
import type { SwapListener } from "./swap/state/events.ts";
import type { ModuleSwapOptions, SwapOptions, SwapTermsOptions } from "./swap/state/swap-options.ts";
import type { Gate, TestedInstance } from "./swap/steps/gate.ts";
import type { ReloadHookFunction } from "./swap/steps/warm-up.ts";
import type { GroupSwapResult } from "./swap/swap.ts";

/**
 * The modules. Only one operation at a time runs on each module. A second one rejects with MODULE_BUSY. Mutations resolve when
 * their change is durable. All of them can reject with MODULE_NOT_FOUND, ETAG_MISMATCH (if `by.etag` is set),
 * STORE_UNAVAILABLE and, after `close`, SERVER_DRAINING.
 */
export interface Modules {
  readonly hub: Hub<Delta<ModuleRecord>, Module>;
  /**
   * Must be called after the feed was started. If the store is empty, registers the modules of the modules file. Then begins
   * to start the modules that are to run. Rejects with MODULES_FILE_INVALID, and registers nothing then.
   */
  start(): Promise<void>;
  /** Resolves when each module that is to run has started or failed. */
  readonly settled: Promise<void>;
  readonly isSettled: boolean;
  /**
   * Registers a module, without starting it. Registering the same content again changes nothing. Rejects with
   * ARGUMENT_INVALID, MODULE_ALREADY_EXISTS (`differences` names the fields), MODULE_PATH_OUTSIDE_ROOT,
   * MODULE_FILE_NOT_FOUND, MODULE_INVALID, MODULE_DIGEST_MISMATCH, MODULE_DEPENDENCY_CYCLE, and with `replace` also
   * HOT_RELOAD_DISABLED.
   */
  register(name: string, fields: RegistrationFields, options?: RegisterOptions, by?: By): Promise<Module>;
  /** Throws MODULE_NOT_FOUND. */
  get(name: string): Module;
  /** All modules, sorted by name. */
  list(): readonly Module[];
  /** The number of calls of a module that a caller waits for. */
  inFlight(name: string): number;
  /**
   * Deletes a module that is UNLOADED or FAILED, and its breaker. In other states it rejects with MODULE_STATE_CONFLICT. Also
   * rejects with MODULE_HAS_DEPENDENTS.
   */
  delete(name: string, by?: By): Promise<{ readonly module: Module; readonly revision: number }>;
  /**
   * Starts a module and sends calls to it. Rejects with MODULE_DEPENDENCY_NOT_LOADED, MODULE_LOAD_FAILED, the errors of the
   * module's file, and with `forceReload` also MODULE_NOT_HOT_RELOADABLE and HOT_RELOAD_DISABLED. If a forced reload fails,
   * the version before continues to serve.
   */
  load(name: string, options?: LoadOptions, by?: By): Promise<Module>;
  /**
   * Stops a module after its calls have ended. `unloaded` has the names of all modules that were unloaded, in order. Rejects
   * with MODULE_HAS_DEPENDENTS.
   */
  unload(
    name: string,
    options?: UnloadOptions,
    by?: By,
  ): Promise<{ readonly module: Module; readonly unloaded: readonly string[] }>;
  /**
   * Replaces the version that serves, without a failed call. If a step before the switch or the bake fails, the result says
   * why, and the old version serves. Rejects with MODULE_STATE_CONFLICT, MODULE_NOT_HOT_RELOADABLE, HOT_RELOAD_DISABLED,
   * MODULE_GENERATION_MISMATCH, SWAP_ID_REUSED, and the errors of the path. The swap continues when the caller stops waiting.
   * `listener` is called at the start and the end of each step. It is not one of the options: these are the request, by which
   * a repetition with the same `swapId` is recognized.
   */
  swap(name: string, options?: SwapOptions, by?: By, listener?: SwapListener): Promise<SwapResult>;
  /** Swaps several modules together. All new versions begin to serve at the same moment, or no version is replaced. */
  swapAll(
    modules: readonly (ModuleSwapOptions & { readonly name: string })[],
    options?: SwapTermsOptions,
    by?: By,
  ): Promise<GroupSwapResult>;
  /**
   * Cancels the swap of a module that is in progress, and resolves to its result. If `swapId` is set, the swap must have that
   * id. Rejects with SWAP_NOT_FOUND, or SWAP_COMMITTED if the new version serves already.
   */
  cancelSwap(name: string, swapId?: string, by?: By): Promise<SwapResult>;
  /**
   * Returns to an earlier generation, even while hot reload is off. If the module is FAILED, the rollback has no bake. Rejects
   * with GENERATION_NOT_FOUND and the errors of `swap`.
   */
  rollBack(name: string, options?: RollbackOptions, by?: By): Promise<SwapResult>;
  /** The generations that live, and the last ones that have ended, newest first. */
  generations(name: string): readonly GenerationView[];
  /** The id of the module's swap that is in progress. Undefined: no swap is in progress. */
  swapUnderWay(name: string): string | undefined;
  /** The last measured resource usage of the instance that serves. */
  usage(name: string): Usage | undefined;
  /** The last known health of the instance that runs. Undefined if no instance runs. */
  health(name: string): Health | undefined;
  /**
   * Calls a method, as the class spells it or in snake_case. Rejects with MODULE_NOT_LOADED, MODULE_STARTING,
   * MODULE_METHOD_NOT_FOUND, MODULE_METHOD_FAILED, MODULE_DEADLINE_EXCEEDED, MODULE_CRASHED, MODULE_OVERLOADED or
   * BREAKER_OPEN. While the module is being started, for the first time or after a crash, the error says when to retry.
   *
   * With `idempotencyKey`, the call is carried out at most once, and continues when its caller stops waiting. A repetition
   * gets its outcome. Also rejects with IDEMPOTENCY_OUTCOME_UNKNOWN, REQUEST_ID_REUSED, ANSWER_NOT_KEPT,
   * IDEMPOTENCY_KEYS_EXHAUSTED, or STORE_UNAVAILABLE if the method did not run.
   */
  invoke(name: string, method: string, input: Payload, options?: InvokeOptions): Promise<Answer>;
  /** Resolves when no call with an idempotency key is in progress, even if no caller waits for it. */
  keyedCallsIdle(): Promise<void>;
  /**
   * Calls `hook` with each new instance that is to replace another, before the new one takes calls. If the hook throws, the
   * old instance continues to serve. The module need not be registered yet. The returned function removes the hook.
   */
  addReloadHook(name: string, hook: ReloadHookFunction): () => void;
  /**
   * Calls `forget` with the name of each module that is about to be deleted. If it rejects, the module is kept. It is called
   * again after the deletion.
   */
  onForget(forget: (name: string) => Promise<void>): void;
  /** Sets the function with which swaps run suites. Without it, swaps run no suites. */
  useGate(gate: Gate): void;
  /** Returns the code that `startFresh` would start. Rejects with MODULE_NOT_FOUND and the errors of the file. */
  resolveFresh(name: string, options?: FreshOptions): Promise<ResolvedModule>;
  /**
   * Starts an instance as registered, which takes no calls. The caller must stop it. Rejects with the errors of `load`. An
   * empty name: code that is not registered, at `modulePath`, with the defaults of `register`. Its `name` is then its path.
   */
  startFresh(name: string, options?: FreshOptions): Promise<TestedInstance>;
  /**
   * Starts a module without dependencies, as a stand-in for `name`. The caller must stop it. Rejects as `load` does, and if
   * the signal is aborted during the start.
   */
  startStandIn(name: string, modulePath: string, signal?: AbortSignal): Promise<Instance>;
  /** The instance that serves. Its calls are not limited by lane or breaker. Throws MODULE_NOT_LOADED. */
  activeInstance(name: string): TestedInstance;
  /** Stops all instances, and kills them after a timeout. The desired states stay as they are, for the next start. */
  close(): Promise<void>;
}
