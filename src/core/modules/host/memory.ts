import { readFile } from "node:fs/promises";

const INTERVAL_MS = 200;
/** Of Linux on every machine that Node runs on. */
const PAGE_BYTES = 4096;
/** What a process has besides its heap: Node itself, code, buffers of ordinary size. */
const BESIDES_HEAP_MB = 256;

/**
 * Calls back when a process holds more memory than its heap may and the rest needs: V8's own limit knows nothing of
 * buffers. Reads what the kernel says, without the process's help; where the kernel says nothing, it watches nothing.
 * Returns what stops it.
 */
export function watchMemory(pid: number, maxHeapMb: number, exceeded: () => void): () => void {
  const limit = (maxHeapMb + BESIDES_HEAP_MB) * 1024 * 1024;
  const timer = setInterval(() => {
    readFile(`/proc/${pid}/statm`, "utf8").then(
      (statm) => {
        const resident = Number(statm.split(" ")[1]) * PAGE_BYTES;
        if (resident <= limit) return;
        clearInterval(timer);
        exceeded();
      },
      () => clearInterval(timer),
    );
  }, INTERVAL_MS);
  timer.unref();
  return () => clearInterval(timer);
}
