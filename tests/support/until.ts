/** Short enough that nobody waits for it, long enough that the processor is left to what is waited for. */
const PAUSE_MS = 3;

/** Resolves when something is so that another process, a thread or the network makes so. The test's timeout ends a wait in vain. */
export async function until(isSo: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await isSo())) await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
}
