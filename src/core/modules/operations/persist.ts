import { messageOf } from "../../errors/error.ts";
import type { Cause } from "../../store/store.ts";
import type { ModuleRecord } from "../record/record.ts";
import type { Room } from "./context.ts";

/** Time until the outcome of a swap that could not be stored is stored again; the swap waits for it. @limit ms */
const STORE_RETRY_MS = 500;

/** Changes the record of a module by what is decided. */
export function persist(
  room: Room,
  name: string,
  cause: Cause,
  change: (record: ModuleRecord) => ModuleRecord,
): Promise<void> {
  return persistently(room, `what became of module ${name}`, async () => {
    await room.collection.change(name, cause, (current) => current && change(current.record));
  });
}

/** Stores what is decided: again and again where the store refuses, until it has, or everything is being stopped. */
export async function persistently(room: Room, what: string, store: () => Promise<void>): Promise<void> {
  for (;;) {
    try {
      return await store();
    } catch (error) {
      if (room.isClosing()) throw error;
      room.log("modules", "error", `${what} could not be stored`, { error: messageOf(error) });
      await new Promise<void>((resolve) => room.clock.setTimer(STORE_RETRY_MS, resolve));
    }
  }
}
