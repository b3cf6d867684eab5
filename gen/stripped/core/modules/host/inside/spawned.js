import { subscribe } from "node:diagnostics_channel";
import { isMainThread } from "node:worker_threads";
                                      

/**
 * Tells which processes a thread starts: to the kernel they are the service's own. What is returned tells them at once:
 * who has the answer of a call may end the thread next.
 */
export function reportProcesses(link      )             {
  if (isMainThread) return () => {};
  const untold = new Set                                       ();
  const tell = ()       => {
    for (const { pid } of untold) if (pid !== undefined) link.send({ type: "spawned", pid });
    untold.clear();
  };
  subscribe("tracing:child_process.spawn:end", (message) => {
    // It gets its pid a moment later, unless the thread ends before.
    untold.add((message                                 ).process);
    queueMicrotask(tell);
  });
  process.on("exit", tell);
  return tell;
}
