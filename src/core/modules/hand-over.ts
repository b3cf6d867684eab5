import { within } from "./deadline.ts";
import type { Generation } from "./generation.ts";
import type { Room } from "./room.ts";

/** How long calls may be held while state is handed over. Held calls keep their deadlines. */
export const PAUSE_LIMIT_MS = 5000;

/**
 * Holds the module's calls, lets those under way end, and hands what the old generation knows to the new one. The calls
 * stay held: the switch to the new generation lets them go on, or a release to the old one, which has lost nothing.
 *
 * All calls are held, those of other modules too: dependencies and fallbacks have no cycle, so a call that has to end
 * first never waits for one that is held.
 */
export async function handOver(room: Room, name: string, old: Generation, candidate: Generation): Promise<void> {
  const { clock } = room;
  const end = clock.monotonic() + PAUSE_LIMIT_MS;
  const left = (): number => Math.max(1, end - clock.monotonic());
  room.router.lane(name).hold();
  const late = (): Error =>
    new Error(
      `${old.inFlight} calls were still under way in version ${old.running.version} after ${PAUSE_LIMIT_MS} ms`,
    );
  await within(clock, left(), old.idle(), late);
  const state = await old.instance.exportState(left());
  await candidate.instance.importState(state, { fromVersion: old.running.version, schema: undefined }, left());
}
