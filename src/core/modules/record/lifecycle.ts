/** The name of a module's state. */
export type ModuleState = Lifecycle["state"];

/** The failure of a module. */
export interface Failure {
  /** One of `verify`, `import`, `construct`, `start`, `health`, `dependencies`, `running`. */
  readonly step: string;
  readonly message: string;
  /** The first lines of the module's own stack. Absent if it has none. */
  readonly stack?: string;
  /** Wall time in ms. */
  readonly time: number;
  /** The SHA-256 of the artifact that did not start, in hex. Absent if no code was started, and after a crash. */
  readonly artifact?: string;
}

/** A generation that runs. */
export interface Running {
  /** The number of the generation. It counts the starts of the module's code. */
  readonly generation: number;
  readonly modulePath: string;
  readonly version: string;
  /** The SHA-256 of the file, in hex. */
  readonly sha256: string;
  /** The SHA-256 of the artifact, in hex. */
  readonly artifact: string;
  /** The methods that can be invoked, sorted. */
  readonly methods: readonly string[];
  /** Wall time in ms at which it began to serve. For a LOADED module: at which it was started. */
  readonly loadTime: number;
}

/** The state of a module. Each state has only its own data. */
export type Lifecycle =
  | { readonly state: "UNLOADED" }
  /** `failure`: the crash after which it is started again. */
  | { readonly state: "LOADING"; readonly failure?: Failure }
  /** It is started, and takes no traffic. */
  | { readonly state: "LOADED"; readonly running: Running }
  /** It is started, and takes traffic. */
  | { readonly state: "ACTIVE"; readonly running: Running }
  /** `last`: the generation that crashed. Absent if it could not be started. */
  | { readonly state: "FAILED"; readonly failure: Failure; readonly last?: Running }
  /** It takes no new calls, and completes those in progress. */
  | { readonly state: "UNLOADING"; readonly running: Running };

export type LifecycleEvent =
  /** A start begins. */
  | { readonly type: "load" }
  | { readonly type: "started"; readonly running: Running; readonly activate: boolean }
  /** The start failed, or was not attempted. */
  | { readonly type: "failed"; readonly failure: Failure }
  | { readonly type: "activate"; readonly time: number }
  /** Another generation replaces the one that runs or has failed. */
  | { readonly type: "replace"; readonly running: Running; readonly activate: boolean }
  /** The generation with that number ended by itself. */
  | { readonly type: "crash"; readonly generation: number; readonly failure: Failure }
  | { readonly type: "unload" }
  | { readonly type: "stopped" }
  /** The service has started, so that nothing runs, whatever the record says. */
  | { readonly type: "boot" };

/**
 * Returns the state of a module after an event. Undefined if the event is not possible in that state. `load` and `unload` are
 * possible in LOADING and UNLOADING too, because the end of an earlier operation may not have been stored.
 */
export function transition(from: Lifecycle, event: LifecycleEvent): Lifecycle | undefined {
  switch (event.type) {
    case "load":
      if (isRunning(from)) return undefined;
      return from.state === "FAILED" ? { state: "LOADING", failure: from.failure } : { state: "LOADING" };
    case "started":
      return from.state === "LOADING" ? runs(event.running, event.activate) : undefined;
    case "failed":
      return isRunning(from) || from.state === "UNLOADING" ? undefined : { state: "FAILED", failure: event.failure };
    case "activate":
      return from.state === "LOADED" ? runs({ ...from.running, loadTime: event.time }, true) : undefined;
    case "replace":
      if (from.state === "ACTIVE") return runs(event.running, true);
      if (from.state === "LOADED") return runs(event.running, event.activate);
      return from.state === "FAILED" ? runs(event.running, event.activate) : undefined;
    case "crash":
      if (!isRunning(from) || from.running.generation !== event.generation) return undefined;
      return { state: "FAILED", failure: event.failure, last: from.running };
    case "unload":
      if (isRunning(from)) return { state: "UNLOADING", running: from.running };
      return from.state === "UNLOADED" ? undefined : { state: "UNLOADED" };
    case "stopped":
      return from.state === "UNLOADING" ? { state: "UNLOADED" } : undefined;
    case "boot":
      return isDown(from) ? undefined : { state: "UNLOADED" };
  }
}

/** Whether the module is started, and neither being loaded nor being unloaded. */
export function isRunning(lifecycle: Lifecycle): lifecycle is Extract<Lifecycle, { state: "LOADED" | "ACTIVE" }> {
  return lifecycle.state === "LOADED" || lifecycle.state === "ACTIVE";
}

/** Whether nothing runs and nothing is being started. */
export function isDown(lifecycle: Lifecycle): boolean {
  return lifecycle.state === "UNLOADED" || lifecycle.state === "FAILED";
}

function runs(running: Running, activate: boolean): Lifecycle {
  return { state: activate ? "ACTIVE" : "LOADED", running };
}
