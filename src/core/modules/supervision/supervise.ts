import { seconds } from "../../async/deadline.ts";
import { REASON_LIMIT } from "../../change.ts";
import { faultIn, messageOf } from "../../errors/error.ts";
import { cut } from "../../text/cut.ts";
import type { Generation } from "../calls/generation/generation.ts";
import type { OperationContext } from "../operations/context.ts";
import { bringUp } from "../operations/load.ts";
import { openBreaker } from "../operations/module-breaker.ts";
import { rememberEnd } from "../record/history.ts";
import { isRunning, transition } from "../record/lifecycle.ts";
import { RESTART_POLICY, recentRestarts, restartDelay } from "./restart.ts";

/** Time until a crash of a module is written again after a failed write. @limit ms */
const STORE_RETRY_MS = 1000;

/** Time until another attempt to start a module that could not start because of a machine fault. @limit ms */
const FAULT_RETRY_MS = 2000;

/** Starts crashed modules again. */
export interface Supervisor {
  /** Handles a generation that ended by itself. A second call for the same generation does nothing. */
  crashed(name: string, generation: Generation): void;
  /** Forgets past and planned restarts, because the module was deleted. */
  forget(name: string): void;
  /** Starts a module later that could not start because of a fault of the machine. */
  retry(name: string): void;
  /** Forgets past restarts, because the module was loaded on request. */
  forgive(name: string): void;
  close(): void;
}

export function createSupervisor(context: OperationContext): Supervisor {
  const { clock, log, collection } = context;
  const restarts = new Map<string, readonly number[]>();
  /** The timers of planned starts, each with its module. */
  const timers = new Map<{ cancel(): void }, string>();
  let closed = false;

  const later = (name: string, delayMs: number, run: () => Promise<void>): void => {
    if (closed) return;
    const timer = clock.setTimer(delayMs, () => {
      timers.delete(timer);
      run().catch((error: unknown) => {
        if (!closed) log("modules", "error", "a restart could not be made", { error: messageOf(error) });
      });
    });
    timers.set(timer, name);
  };

  const recordCrash = async (name: string, generation: Generation): Promise<void> => {
    const message = cut(generation.ending?.description ?? "ended", REASON_LIMIT);
    const failure = { step: "running", message, time: clock.now() };
    const cause = { action: "Crash", reason: message };
    let recorded = false;
    try {
      await collection.change(name, cause, (current) => {
        const event = { type: "crash", generation: generation.number, failure } as const;
        const lifecycle = current && transition(current.record.lifecycle, event);
        recorded = lifecycle !== undefined;
        if (current === undefined || lifecycle === undefined) return undefined;
        const ended = rememberEnd(current.record, generation.number, `crashed: ${message}`, failure.time);
        return { ...ended, lifecycle };
      });
    } catch (error) {
      log("modules", "error", `the crash of module ${name} could not be stored`, { error: messageOf(error) });
      later(name, STORE_RETRY_MS, () => recordCrash(name, generation));
      return;
    }
    if (!recorded) return;
    log("modules", "error", `module ${name} crashed`, { generation: generation.number, ending: message });
    context.generations.discard(name, generation);
    await planRestart(name);
  };

  /** Records the end of a generation that did not serve any more. Nothing is started in its place. */
  const recordEnd = async (name: string, generation: Generation): Promise<void> => {
    const message = cut(generation.ending?.description ?? "ended", REASON_LIMIT);
    const time = generation.endTime ?? clock.now();
    try {
      await collection.change(name, { action: "Crash", reason: message }, (current) => {
        const known = current?.record.generations.find(({ number }) => number === generation.number);
        if (current === undefined || known?.end !== undefined) return undefined;
        const record = rememberEnd(current.record, generation.number, `crashed: ${message}`, time);
        const standsBy = generation.phase === "STANDBY" && record.bake !== undefined;
        return standsBy ? { ...record, bake: { ...record.bake, standbyEnd: message } } : record;
      });
    } catch (error) {
      log("modules", "error", `the end of a version of module ${name} could not be stored`, {
        error: messageOf(error),
      });
      later(name, STORE_RETRY_MS, () => recordEnd(name, generation));
    }
  };

  /** Returns when the module is restarted. Undefined if it is not. Errors of calls contain that time meanwhile. */
  const nextRestart = (name: string): number | undefined => {
    const delayMs = restartDelay(restarts.get(name) ?? [], clock.monotonic());
    if (delayMs === undefined) context.upcoming.forget(name);
    else if (collection.get(name)?.record.desired === "ACTIVE") context.upcoming.expect(name, delayMs);
    return delayMs;
  };

  const planRestart = async (name: string): Promise<void> => {
    if (collection.get(name) === undefined) return;
    const delayMs = nextRestart(name);
    if (delayMs !== undefined) return later(name, delayMs, () => restart(name));
    const { maxRestarts, windowMs } = RESTART_POLICY;
    const reason = `module ${name} crashed after ${maxRestarts} restarts within ${seconds(windowMs)}`;
    log("modules", "error", `module ${name} is not restarted any more`, { reason });
    await openBreaker(context, name, reason);
  };

  const restart = (name: string): Promise<void> =>
    context.operations.asGuest(name, "restart", async (signal) => {
      const record = collection.get(name)?.record;
      // A module whose first start could not be stored is UNLOADED.
      const isDown = record?.lifecycle.state === "FAILED" || record?.lifecycle.state === "UNLOADED";
      if (closed || record === undefined || !isDown || record.desired === "UNLOADED") return;
      const now = clock.monotonic();
      const earlier = recentRestarts(restarts.get(name) ?? [], now);
      restarts.set(name, [...earlier, now]);
      const options = { activate: record.desired === "ACTIVE", cause: { action: "Restart" } };
      try {
        await bringUp(context, name, { ...options, restarts: record.restarts + 1, signal });
      } catch (error) {
        // The failure is recorded and logged by now.
        if (faultIn(error) === undefined && !signal.aborted) return await planRestart(name);
        // A fault of the machine, or a restart that gave way, does not count against the module.
        restarts.set(name, earlier);
        startLater(name, signal.aborted ? 0 : FAULT_RETRY_MS);
      }
    });

  const startLater = (name: string, delayMs: number): void => {
    if (collection.get(name)?.record.desired === "ACTIVE") context.upcoming.expect(name, delayMs);
    later(name, delayMs, () => restart(name));
  };

  return {
    crashed(name, generation) {
      const { phase, number, ending, isRetired } = generation;
      if (isRetired) {
        const fields = { generation: number, ending: ending?.description, stands_by: phase === "STANDBY" };
        log("modules", "warn", `a version of module ${name} that serves no more ended by itself`, fields);
        void recordEnd(name, generation);
      } else if (generation.guard === undefined) {
        const lifecycle = collection.get(name)?.record.lifecycle;
        // This comes before the crash is stored, so that the errors of calls in between contain the time of the restart too.
        if (lifecycle && isRunning(lifecycle) && lifecycle.running.generation === generation.number) nextRestart(name);
        void recordCrash(name, generation);
      } else if (generation.ending !== undefined) generation.guard(generation.ending);
    },
    forget(name) {
      restarts.delete(name);
      for (const [timer, of] of timers) {
        if (of !== name) continue;
        timer.cancel();
        timers.delete(timer);
      }
    },
    retry: (name) => startLater(name, FAULT_RETRY_MS),
    forgive: (name) => restarts.delete(name),
    close() {
      closed = true;
      for (const timer of timers.keys()) timer.cancel();
    },
  };
}
