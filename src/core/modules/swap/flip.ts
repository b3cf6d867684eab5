import type { Generation } from "../calls/generation/generation.ts";
import type { OperationContext } from "../operations/context.ts";
import type { SwapRecord } from "./state/journal.ts";

/**
 * Routes the calls of all modules of a swap by its journal entry, in one tick. The journal calls it when a change of the phase
 * is durable: to the new versions at the commit, and to the old ones if the swap goes back.
 */
export function flip(
  context: Pick<OperationContext, "router" | "generations">,
  { phase, switches = {} }: SwapRecord,
): void {
  if (phase !== "TRIAL" && phase !== "PERMANENT" && phase !== "RETURNED") return;
  const leaving = new Map<string, Generation>();
  const many = Object.keys(switches).length > 1;
  for (const [name, { from, to, activate }] of Object.entries(switches)) {
    const [serving, other] = phase === "RETURNED" ? [from, to] : [to, from];
    const next = context.generations.find(name, serving.running.generation);
    const last = context.generations.find(name, other.running.generation);
    if (last !== undefined) {
      last.retire(phase === "TRIAL" ? "STANDBY" : "DRAINING");
      // The calls that it makes while it completes its own go to the old versions of its peers.
      last.peers = leaving;
      if (many) leaving.set(name, last);
    }
    next?.fence.open();
    if (next === undefined || (!activate && context.router.lane(name).generation === undefined)) continue;
    next.peers = new Map();
    next.serve();
    context.router.lane(name).route(next, serving.registration.concurrency);
  }
}
