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
/** After which a look that was not answered is made again. */
const LOST_LOOK_MS = 500;
/** Shortest time between two full garbage collections that a module's thread makes at its limit. @limit ms */
const COLLECT_INTERVAL_MS = 1000;
/** Of Linux on every machine that Node runs on. */
const PAGE_BYTES = 4096;
/**
 * Memory of a module besides its heap (`max_heap_mb`): for a process, Node itself, code and buffers; for a thread, its
 * buffers. A module beyond it is ended, and counts as crashed. @limit MB
 */
const BESIDES_HEAP_MB = 256;
/** Where V8 cannot fit an array that grows by half into its limit, it ends the whole process, not the thread alone. */
const CEILING_FACTOR = 3;

/**
 * Calls back when a process holds more memory than its heap may and the rest needs: V8's own limit knows nothing of
 * buffers. Reads what the kernel says, without the process's help; where the kernel says nothing, it watches nothing.
 * Returns what stops it.
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
        // Any other says nothing of the process: the service may be out of open files.
        if (error.code === "ENOENT") timer.cancel();
      },
    );
  });
  return () => timer.cancel();
}

/** V8's own limit for the heap of a thread: well beyond what the thread is ended at. */
export function heapCeilingMb(maxHeapMb: number): number {
  return CEILING_FACTOR * hardLimitMb(maxHeapMb);
}

/** Whether a thread whose garbage was collected holds more than it may. */
export function holdsTooMuch({ heapUsedBytes, externalBytes }: Usage, maxHeapMb: number): boolean {
  return heapUsedBytes > maxHeapMb * MB || externalBytes > BESIDES_HEAP_MB * MB;
}

/**
 * Looks at the memory of a thread from outside, whatever the thread does. `high`: it is at its limit, garbage and all;
 * `exceeded`: it is so far beyond that nobody asks what of it is garbage. Returns what stops it.
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
    // It is not up yet, or it has ended, which stops all this.
    look().then(looked, looked);
  });
  return () => timer.cancel();
}

const hardLimitMb = (maxHeapMb: number): number => 2 * maxHeapMb + BESIDES_HEAP_MB;
