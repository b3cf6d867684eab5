import { readFile } from "node:fs/promises";
import type { Worker } from "node:worker_threads";
import { setRepeatingTimer, systemClock } from "../../../../kernel/clock.ts";
import type { Usage } from "../types/host.ts";

const MB = 1024 * 1024;
/**
 * How often the memory of a module's process is checked. A module beyond its limit is ended, and counts as crashed.
 * @limit ms
 */
const PROCESS_INTERVAL_MS = 200;
/** How often the memory of a module's thread is checked. In this time it can allocate some 200 MB. @limit ms */
const THREAD_INTERVAL_MS = 50;
/** Time after which an unanswered reading of a thread's memory is repeated. */
const LOST_LOOK_MS = 500;
/** Shortest time between two full garbage collections that a module's thread makes at its limit. @limit ms */
const COLLECT_INTERVAL_MS = 1000;
/** Size of a page on Linux, on all machines that Node supports. */
const PAGE_BYTES = 4096;
/**
 * Memory of a module besides its heap (`max_heap_mb`): for a process, Node itself, code and buffers; for a thread, its
 * buffers. A module beyond it is ended, and counts as crashed. @limit MB
 */
const BESIDES_HEAP_MB = 256;
/**
 * If an array that grows by half does not fit into V8's own limit, V8 ends the whole process and not only the thread. So
 * that limit must be well above the one at which the service kills the thread.
 */
const CEILING_FACTOR = 3;

/**
 * Calls `exceeded` once when a process uses more memory than its heap and `BESIDES_HEAP_MB` allow. V8's own limit does not
 * count buffers. The memory is read from /proc, so the process need not cooperate; without /proc, nothing is watched.
 * Returns a function that stops the watch.
 */
export function watchMemory(pid: number, maxHeapMb: number, exceeded: () => void): () => void {
  const limit = (maxHeapMb + BESIDES_HEAP_MB) * MB;
  const timer = setRepeatingTimer(systemClock, PROCESS_INTERVAL_MS, () => {
    readFile(`/proc/${pid}/statm`, "utf8").then(
      (statm) => {
        const resident = Number(statm.split(" ")[1]) * PAGE_BYTES;
        if (resident <= limit) return;
        timer.cancel();
        exceeded();
      },
      (error: NodeJS.ErrnoException) => {
        // Any other error may be the service's own, such as too many open files.
        if (error.code === "ENOENT") timer.cancel();
      },
    );
  });
  return () => timer.cancel();
}

/** Returns V8's own limit for the heap of a thread, which is well above the size at which the service kills it. */
export function heapCeilingMb(maxHeapMb: number): number {
  return CEILING_FACTOR * hardLimitMb(maxHeapMb);
}

/** Whether a thread uses more memory than it may. Meaningful only after its garbage was collected. */
export function holdsTooMuch({ heapUsedBytes, externalBytes }: Usage, maxHeapMb: number): boolean {
  return heapUsedBytes > maxHeapMb * MB || externalBytes > BESIDES_HEAP_MB * MB;
}

/**
 * Watches the memory of a thread from outside, even if the thread is busy. `high`: the thread is at its limit, garbage
 * included. `exceeded`: it is so far beyond its limit that garbage is no excuse. Returns a function that stops the watch.
 */
export function watchThreadMemory(
  worker: Worker,
  maxHeapMb: number,
  { high, exceeded }: { high(): void; exceeded(): void },
): () => void {
  const hardLimit = hardLimitMb(maxHeapMb) * MB;
  let lookingSince: number | undefined;
  let lastHigh = Number.NEGATIVE_INFINITY;
  const look = async (): Promise<void> => {
    const { used_heap_size, external_memory } = await worker.getHeapStatistics();
    if (used_heap_size > hardLimit || external_memory > 2 * BESIDES_HEAP_MB * MB) return exceeded();
    const usage = { heapUsedBytes: used_heap_size, externalBytes: external_memory, eventLoopUtilization: 0 };
    if (!holdsTooMuch(usage, maxHeapMb) || performance.now() - lastHigh < COLLECT_INTERVAL_MS) return;
    lastHigh = performance.now();
    high();
  };
  const timer = setRepeatingTimer(systemClock, THREAD_INTERVAL_MS, () => {
    const now = performance.now();
    if (lookingSince !== undefined && now - lookingSince < LOST_LOOK_MS) return;
    lookingSince = now;
    const looked = (): void => {
      lookingSince = undefined;
    };
    // The reading fails if the thread has not started yet, or has ended. In the second case the watch is stopped anyway.
    look().then(looked, looked);
  });
  return () => timer.cancel();
}

const hardLimitMb = (maxHeapMb: number): number => 2 * maxHeapMb + BESIDES_HEAP_MB;
