/** The name of a module's state. */
export type ModuleState = Lifecycle["state"];

/** What went wrong with a module. */
export interface Failure {
  /** One of `verify`, `import`, `construct`, `start`, `health`, `dependencies`, `running`. */
  readonly step: string;
  readonly message: string;
  /** The first lines of the module's own stack; absent where it has none. */
  readonly stack?: string;
  /** Wall time in ms. */
  readonly time: number;
  /** The artifact that did not start, in hex; absent where no code was started, and after a crash. */
  readonly artifact?: string;
}

/** A generation that runs. */
export interface Running {
  /** Its number: it counts the starts of the module's code. */
  readonly generation: number;
  readonly modulePath: string;
  readonly version: string;
  /** Of the file, in hex. */
  readonly sha256: string;
  /** Of all code that runs, in hex. */
  readonly artifact: string;
  /** The methods that can be invoked, sorted. */
  readonly methods: readonly string[];
  /** Wall time in ms at which it started to serve; of a LOADED one, at which it was started. */
  readonly loadTime: number;
}

/** The state of a module. Each state has only the data that is true in it. */
export type Lifecycle =
  | { readonly state: "UNLOADED" }
  /** `failure`: the crash after which it is started again. */
  | { readonly state: "LOADING"; readonly failure?: Failure }
  /** Started; takes no traffic. */
  | { readonly state: "LOADED"; readonly running: Running }
  /** Started; takes traffic. */
  | { readonly state: "ACTIVE"; readonly running: Running }
  /** `last`: what crashed; absent where it could not be started. */
  | { readonly state: "FAILED"; readonly failure: Failure; readonly last?: Running }
  /** Takes no new calls; what is under way ends. */
  | { readonly state: "UNLOADING"; readonly running: Running };

export type LifecycleEvent =
  /** A start begins. */
  | { readonly type: "load" }
  | { readonly type: "started"; readonly running: Running; readonly activate: boolean }
  /** The start did not succeed, or was not tried. */
  | { readonly type: "failed"; readonly failure: Failure }
  | { readonly type: "activate"; readonly time: number }
  /** Another generation takes the place of the one that runs, or that has failed. */
  | { readonly type: "replace"; readonly running: Running; readonly activate: boolean }
  /** The generation of that number ended by itself. */
  | { readonly type: "crash"; readonly generation: number; readonly failure: Failure }
  | { readonly type: "unload" }
  | { readonly type: "stopped" }
  /** The service has started: nothing runs, whatever the record says. */
  | { readonly type: "boot" };

/**
 * The state of a module after an event; undefined where the event is not possible in that state. LOADING and UNLOADING
 * can be left by `load` and `unload` too, for an operation whose end could not be stored.
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
