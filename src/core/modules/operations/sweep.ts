import type { Clock, Timer } from "../../../kernel/clock.ts";
import { messageOf } from "../../errors/error.ts";
import type { Log } from "../../log.ts";
import type { Collection } from "../../store/collection.ts";
import type { ModuleHost } from "../host/types/host.ts";
import { codeOf } from "../record/history.ts";
import type { ModuleRecord } from "../record/record.ts";

/** Time after a change of a module until code that no version needs any more is deleted from the disk. @limit ms */
const SWEEP_DELAY_MS = 15 * 60_000;

/** Periodically deletes code that no module needs any more. The returned function ends that. */
export function sweepArtifacts(
  collection: Collection<ModuleRecord>,
  host: ModuleHost,
  clock: Clock,
  log: Log,
): () => void {
  let timer: Timer | undefined;
  const sweep = (): void => {
    timer = undefined;
    const needed = collection.list().flatMap(({ record }) => codeOf(record));
    host.keepArtifacts(new Set(needed.map(({ artifact }) => artifact))).catch((error: unknown) => {
      log("modules", "warn", "code that is not needed could not be deleted", { error: messageOf(error) });
    });
  };
  collection.onChange(() => {
    timer ??= clock.setTimer(SWEEP_DELAY_MS, sweep);
  });
  return () => timer?.cancel();
}
