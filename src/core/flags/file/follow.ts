import type { Clock, Timer } from "../../../kernel/clock.ts";
import { HeliosError, isReason, messageOf } from "../../errors/error.ts";
import type { SourceFile } from "../../json/source-file.ts";
import type { Log } from "../../log.ts";

export interface FollowDeps {
  readonly clock: Clock;
  readonly log: Log;
  readonly file: SourceFile;
  readonly digestOf: (text: string) => Promise<string>;
  /** Of the text that was read last, whoever asked for it. */
  readonly lastDigest: () => string | undefined;
  /** Rejects with FLAGS_FILE_INVALID or FLAG_REBUCKETS where the text is refused. */
  readonly reload: (text: string) => Promise<void>;
}

/** Looks at a file until it is closed. */
export interface Follower {
  /** Resolves when nothing is under way any more. */
  close(): Promise<void>;
}

/**
 * How often a followed flags file (`HELIOS_WATCH_FLAGS_FILE`) is checked; a change is noticed at most that much later.
 * @limit ms
 */
export const LOOK_INTERVAL_MS = 1000;

/**
 * Reloads a file when its text has changed and stayed the same from one look to the next, so that a half-written one is
 * not read. It is opened by its name each time: whether the file, a link to it or a directory on the way was replaced
 * makes no difference, nor does what kind of file system it is on. A text that is refused is told once.
 */
export function followFile(deps: FollowDeps): Follower {
  const { clock, log, file, digestOf, lastDigest, reload } = deps;
  let seen: { readonly text: string; readonly digest: string } | undefined;
  let told: string | undefined;
  let timer: Timer | undefined;
  let closed = false;

  const tellOnce = (what: string, message: string, fields: Record<string, unknown>): void => {
    if (told !== what) log("flags", "error", message, { fileName: file.name, ...fields });
    told = what;
  };

  const look = async (): Promise<void> => {
    let text: string | undefined;
    try {
      text = await file.read();
    } catch (error) {
      tellOnce(messageOf(error), "the flags file cannot be read; the flags stay as they are", {
        error: messageOf(error),
      });
      return;
    }
    if (text === undefined) {
      seen = undefined;
      tellOnce("missing", "the flags file is gone; the flags stay as they are", {});
      return;
    }
    const isSame = text === seen?.text;
    // To compare costs next to nothing, a digest of megabytes does not.
    if (seen === undefined || !isSame) seen = { text, digest: await digestOf(text) };
    const { digest } = seen;
    if (digest === lastDigest()) told = undefined;
    else if (isSame && digest !== told && !closed) await take(text, digest);
  };

  const take = async (text: string, digest: string): Promise<void> => {
    try {
      await reload(text);
      told = undefined;
    } catch (error) {
      const isRefused = isReason(error, "FLAGS_FILE_INVALID") || isReason(error, "FLAG_REBUCKETS");
      const fields = isReason(error, "FLAGS_FILE_INVALID")
        ? error.metadata
        : error instanceof HeliosError
          ? { reason: error.reason, ...error.metadata }
          : { error: messageOf(error) };
      // What is refused for its text is not tried again; anything else may go well the next time.
      if (isRefused) tellOnce(digest, "the flags file is refused; the flags stay as they are", fields);
      else tellOnce(messageOf(error), "the flags file could not be applied", { ...fields });
    }
  };

  let looking: Promise<void> = Promise.resolve();
  const lookLater = (): void => {
    if (closed) return;
    timer = clock.setTimer(LOOK_INTERVAL_MS, () => {
      looking = look().finally(lookLater);
    });
  };
  lookLater();

  return {
    async close() {
      closed = true;
      timer?.cancel();
      await looking;
    },
  };
}
