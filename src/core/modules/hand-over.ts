import { within } from "./deadline.ts";
import type { Generation } from "./generation.ts";
import type { Room } from "./room.ts";

/** How long calls may be held at most while state is handed over. Held calls keep their deadlines. */
export const PAUSE_LIMIT_MS = 5000;

/** How long calls of a module may be held: a call that was held must have time left to be answered. */
function pauseLimit(callTimeoutMs: number): number {
  return Math.min(PAUSE_LIMIT_MS, callTimeoutMs / 2);
}

/**
 * Holds the module's calls, lets those under way end, and hands what the old generation knows to the new one. The calls
 * stay held: the switch to the new generation lets them go on, or a release to the old one, which has lost nothing.
 *
 * All calls are held, those of other modules too: dependencies and fallbacks have no cycle, so a call that has to end
 * first never waits for one that is held.
 */
export async function handOver(
  room: Room,
  name: string,
  { old, candidate, callTimeoutMs }: { old: Generation; candidate: Generation; callTimeoutMs: number },
): Promise<void> {
  const { clock } = room;
  const limitMs = pauseLimit(callTimeoutMs);
  const end = clock.monotonic() + limitMs;
  const left = (): number => Math.max(1, end - clock.monotonic());
  room.router.lane(name).hold();
  const late = (): Error =>
    new Error(`${old.inFlight} calls were still under way in version ${old.running.version} after ${limitMs} ms`);
  await within(clock, left(), old.idle(), late);
  const state = await old.instance.exportState(left());
  await candidate.instance.importState(state, { fromVersion: old.running.version, schema: undefined }, left());
}
