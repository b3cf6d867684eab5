import type { Clock } from "../../core/index.ts";

/**
 * Time that file systems and name servers may take, at the very end, to answer earlier requests. Then the process is
 * killed, because it would otherwise wait for them forever. @limit ms
 */
const LAST_REQUESTS_MS = 500;
const LOOK_MS = 10;

/** Types of requests that block a thread of Node's pool. */
const IN_A_THREAD = /^(FSReq|FileHandle\w*Req|GetAddrInfoReq|GetNameInfoReq)/;

/**
 * Ends the process with this code as soon as no request blocks a thread. If one hangs, calls `beforeKill` and then kills the
 * process.
 */
export function endProcess(code: number, clock: Clock, beforeKill: () => Promise<void>): void {
  const until = clock.monotonic() + LAST_REQUESTS_MS;
  const look = (): void => {
    // `process.exit` waits for every thread, and no timer runs meanwhile that could end the waiting.
    if (!process.getActiveResourcesInfo().some((kind) => IN_A_THREAD.test(kind))) process.exit(code);
    else if (clock.monotonic() >= until) void beforeKill().finally(endAtOnce);
    else clock.setTimer(LOOK_MS, look, true);
  };
  look();
}

/** Kills the process. `process.exit` would wait for every thread: forever, if one is in a synchronous call. */
export function endAtOnce(): void {
  process.kill(process.pid, "SIGKILL");
}
