/** A process or thread that may have started processes, which must not outlive it. */
export type Root =
  | {
      readonly type: "process";
      /** The process leads a process group of its own. */
      readonly pid: number;
      /** See `ProcessInfo`. Undefined: /proc does not show it. */
      readonly start: string | undefined;
      /**
       * Identifies the pipe that this process, and all processes that it starts, have at `MARK_FD`. Undefined: it may not
       * start processes.
       */
      readonly mark: string | undefined;
    }
  /** A thread of the service. */
  | { readonly type: "thread"; readonly pid: number; readonly tid: number };

/**
 * A command of the service to the reaper, sent as a line of JSON. The reaper answers `ended` with a line that contains the
 * id, once it has carried it out.
 */
export type Order =
  | { readonly type: "root"; readonly id: number; readonly root: Root }
  /** A process that a thread has started. Without `start`, the process has ended, but may have led a group or session. */
  | { readonly type: "child"; readonly id: number; readonly pid: number; readonly start?: string }
  /** Kills the processes that the root has started. */
  | { readonly type: "sweep"; readonly id: number }
  /** The root has ended: kills the processes that it has started, and forgets it. */
  | { readonly type: "ended"; readonly id: number };

/**
 * A descriptor that is inherited by all processes which a module starts, so that they are recognized. Node closes only the
 * descriptors up to 16 in a process that it starts.
 */
export const MARK_FD = 20;
