import type { Clock } from "../../core/index.ts";

/**
 * Time that file systems and name servers may take, at the very end, to answer earlier requests. Then the process is
 * killed, because it would otherwise wait for them forever. @limit ms
 */
const LAST_REQUESTS_MS = 500;
const LOOK_MS = 10;

/** What a thread of the platform's own works on. */
const IN_A_THREAD = /^(FSReq|FileHandle\w*Req|GetAddrInfoReq|GetNameInfoReq)/;

/** Ends the process with this code as soon as no thread is held by a request; where one hangs, all the same, after `tell`. */
export function endProcess(code: number, clock: Clock, tell: () => Promise<void>): void {
  const until = clock.monotonic() + LAST_REQUESTS_MS;
  const look = (): void => {
    // `process.exit` waits for every thread, and nothing runs any more that could end the waiting.
    if (!process.getActiveResourcesInfo().some((kind) => IN_A_THREAD.test(kind))) process.exit(code);
    else if (clock.monotonic() >= until) void tell().finally(endAtOnce);
    else clock.setTimer(LOOK_MS, look, true);
  };
  look();
}

/** `process.exit` waits for every thread, for ever if one is in a synchronous call. */
export function endAtOnce(): void {
  process.kill(process.pid, "SIGKILL");
}
