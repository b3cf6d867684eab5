import { pause } from "../../../kernel/async/pause.ts";
import { retry } from "../../../kernel/async/retry.ts";
import { messageOf } from "../../errors/error.ts";
import type { Cause } from "../../store/store.ts";
import type { ModuleRecord } from "../record/record.ts";
import type { OperationContext } from "./context.ts";

/** Time until the outcome of a swap is written again after a failed write; the swap waits for it. @limit ms */
const STORE_RETRY_MS = 500;

/** Changes the record of a module, as `persistently` does. */
export function persist(
  context: OperationContext,
  name: string,
  cause: Cause,
  change: (record: ModuleRecord) => ModuleRecord,
): Promise<void> {
  return persistently(context, `the change of module ${name}`, async () => {
    await context.collection.change(name, cause, (current) => current && change(current.record));
  });
}

/**
 * Stores a decision that is final. Repeats a failed write until the service stops. `what` names the decision in the log, such as "the end of a swap".
 */
export async function persistently(context: OperationContext, what: string, store: () => Promise<void>): Promise<void> {
  await retry(store, async (error) => {
    if (context.isClosing()) throw error;
    context.log("modules", "error", `${what} could not be stored`, { error: messageOf(error) });
    await pause(context.clock, STORE_RETRY_MS);
  });
}
