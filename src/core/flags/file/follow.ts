import type { Clock, Timer } from "../../../kernel/clock.ts";
import { HeliosError, isReason, messageOf } from "../../errors/error.ts";
import type { SourceFile } from "../../json/source-file.ts";
import type { Log } from "../../log.ts";

export interface FollowDeps {
  readonly clock: Clock;
  readonly log: Log;
  readonly file: SourceFile;
  readonly digestOf: (text: string) => Promise<string>;
  /** The digest of the text that was last reloaded, by this or by a caller. */
  readonly lastDigest: () => string | undefined;
  /** Rejects with FLAGS_FILE_INVALID or FLAG_REBUCKETS if the text is refused. */
  readonly reload: (text: string) => Promise<void>;
}

/** Checks a file until it is closed. */
export interface Follower {
  /** Resolves when no check is in progress any more. */
  close(): Promise<void>;
}

/**
 * How often a followed flags file (`HELIOS_WATCH_FLAGS_FILE`) is checked; a change is noticed at most that much later.
 * @limit ms
 */
export const LOOK_INTERVAL_MS = 1000;

/**
 * Reloads a file when its text has changed and was the same in two checks, so that a half-written file is not used. Each
 * check opens the file by its name. So it does not matter whether the file, a link to it or a directory on the path was
 * replaced, nor which kind of file system it is on. A text that is refused is logged once.
 */
export function followFile(deps: FollowDeps): Follower {
  const { clock, log, file, digestOf, lastDigest, reload } = deps;
  let seen: { readonly text: string; readonly digest: string } | undefined;
  /** The problem that was logged last: a digest or a message. */
  let logged: string | undefined;
  let timer: Timer | undefined;
  let closed = false;

  const logOnce = (problem: string, message: string, fields: Record<string, unknown>): void => {
    if (logged !== problem) log("flags", "error", message, { fileName: file.name, ...fields });
    logged = problem;
  };

  const check = async (): Promise<void> => {
    let text: string | undefined;
    try {
      text = await file.read();
    } catch (error) {
      logOnce(messageOf(error), "the flags file cannot be read; the flags stay as they are", {
        error: messageOf(error),
      });
      return;
    }
    if (text === undefined) {
      seen = undefined;
      logOnce("missing", "the flags file is gone; the flags stay as they are", {});
      return;
    }
    const isSame = text === seen?.text;
    // Comparing texts is fast; a digest of megabytes is not.
    if (seen === undefined || !isSame) seen = { text, digest: await digestOf(text) };
    const { digest } = seen;
    if (digest === lastDigest()) logged = undefined;
    else if (isSame && digest !== logged && !closed) await take(text, digest);
  };

  const take = async (text: string, digest: string): Promise<void> => {
    try {
      await reload(text);
      logged = undefined;
    } catch (error) {
      const isRefused = isReason(error, "FLAGS_FILE_INVALID") || isReason(error, "FLAG_REBUCKETS");
      const fields = isReason(error, "FLAGS_FILE_INVALID")
        ? error.metadata
        : error instanceof HeliosError
          ? { reason: error.reason, ...error.metadata }
          : { error: messageOf(error) };
      // A refused text is not tried again. Any other failure may not repeat.
      if (isRefused) logOnce(digest, "the flags file is refused; the flags stay as they are", fields);
      else logOnce(messageOf(error), "the flags file could not be applied", { ...fields });
    }
  };

  let checking: Promise<void> = Promise.resolve();
  const checkLater = (): void => {
    if (closed) return;
    timer = clock.setTimer(LOOK_INTERVAL_MS, () => {
      checking = check().finally(checkLater);
    });
  };
  checkLater();

  return {
    async close() {
      closed = true;
      timer?.cancel();
      await checking;
    },
  };
}
