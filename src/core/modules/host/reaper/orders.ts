/** What may have started processes that must not outlive it. */
export type Root =
  | {
      readonly type: "process";
      /** It leads a group of its own. */
      readonly pid: number;
      /** See `ProcessInfo`; undefined where the kernel tells nothing. */
      readonly start: string | undefined;
      /** What is behind `MARK_FD` of it and of all that it starts; undefined: it may start nothing. */
      readonly mark: string | undefined;
    }
  /** A thread of the service. */
  | { readonly type: "thread"; readonly pid: number; readonly tid: number };

/** What the service tells the reaper, each as a line of JSON. It answers the id of an `ended`, as a line, when it has done it. */
export type Order =
  | { readonly type: "root"; readonly id: number; readonly root: Root }
  /** A process that a thread has started; without `start`, it has ended, but may have led others. */
  | { readonly type: "child"; readonly id: number; readonly pid: number; readonly start?: string }
  /** End what it has started. */
  | { readonly type: "sweep"; readonly id: number }
  /** It has ended: end what it has started, and forget it. */
  | { readonly type: "ended"; readonly id: number };

/**
 * The file descriptor that a process which may start others hands down to them, without their knowing: Node closes
 * those up to 16 to what it starts.
 */
export const MARK_FD = 20;
