import { subscribe } from "node:diagnostics_channel";
import { isMainThread } from "node:worker_threads";
import type { Link } from "./link.ts";

/**
 * Tells which processes a thread starts: to the kernel they are the service's own. What is returned tells them at once:
 * who has the answer of a call may end the thread next.
 */
export function reportProcesses(link: Link): () => void {
  if (isMainThread) return () => {};
  const untold = new Set<{ readonly pid?: number | undefined }>();
  const tell = (): void => {
    for (const { pid } of untold) if (pid !== undefined) link.send({ type: "spawned", pid });
    untold.clear();
  };
  subscribe("tracing:child_process.spawn:end", (message) => {
    // It gets its pid a moment later, unless the thread ends before.
    untold.add((message as { process: { pid?: number } }).process);
    queueMicrotask(tell);
  });
  process.on("exit", tell);
  return tell;
}
