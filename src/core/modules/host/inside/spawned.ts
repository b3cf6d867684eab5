import { subscribe } from "node:diagnostics_channel";
import { isMainThread } from "node:worker_threads";
import type { Link } from "./link.ts";

/**
 * Reports to the service which processes a thread starts, because the kernel counts them as the service's own. The returned
 * function reports them at once. It must be called before an answer is sent, because the thread may be killed right after
 * it.
 */
export function reportProcesses(link: Link): () => void {
  if (isMainThread) return () => {};
  const unreported = new Set<{ readonly pid?: number | undefined }>();
  const report = (): void => {
    for (const { pid } of unreported) if (pid !== undefined) link.send({ type: "spawned", pid });
    unreported.clear();
  };
  subscribe("tracing:child_process.spawn:end", (message) => {
    // The process gets its pid a moment later, unless the thread ends before.
    unreported.add((message as { process: { pid?: number } }).process);
    queueMicrotask(report);
  });
  process.on("exit", report);
  return report;
}
