/** Short enough not to delay a test, and long enough to leave the processor to the work that the test waits for. */
const PAUSE_MS = 3;

/** Resolves when a condition holds that another process, a thread or the network brings about. Only the test's timeout ends the wait otherwise. */
export async function until(isSo: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await isSo())) await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
}
