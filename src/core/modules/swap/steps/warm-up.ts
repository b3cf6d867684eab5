import type { Clock } from "../../../../kernel/clock.ts";
import { within } from "../../../async/deadline.ts";
import { trialCall } from "../../calls/chain.ts";
import type { Generation } from "../../calls/generation/generation.ts";
import { deadlineError } from "../../host/types/deadline-error.ts";
import type { Payload } from "../../host/types/host.ts";
import type { OperationContext } from "../../operations/context.ts";
import type { Registration } from "../../record/record.ts";

/** A new instance that takes no traffic yet. */
export interface InstanceHandle {
  readonly name: string;
  readonly version: string;
  readonly methods: readonly string[];
  /** Calls a method, as the class spells it or in snake_case, with a JSON value or bytes. */
  invoke(method: string, input?: unknown): Promise<unknown>;
}

/** Called with each instance that is to replace another. If it throws, the old instance continues to serve. */
export type ReloadHookFunction = (instance: InstanceHandle) => Promise<void> | void;

/** The reload hooks, which prepare a new instance before it takes traffic. */
export interface WarmUp {
  /** Adds a hook of the library. The returned function removes it. */
  add(name: string, hook: ReloadHookFunction): () => void;
  /** The number of hooks, of the registration and of the library. */
  count(name: string, registration: Registration): number;
  /** Runs the hooks of the registration, then those of the library, one after the other. */
  run(context: OperationContext, name: string, registration: Registration, candidate: Generation): Promise<void>;
}

export function createWarmUp(): WarmUp {
  const hooks = new Map<string, Set<{ readonly hook: ReloadHookFunction }>>();

  return {
    add(name, hook) {
      const own = hooks.get(name) ?? new Set();
      hooks.set(name, own);
      const entry = { hook };
      own.add(entry);
      return () => {
        own.delete(entry);
        if (own.size === 0 && hooks.get(name) === own) hooks.delete(name);
      };
    },

    count: (name, { reloadHooks }) => reloadHooks.length + (hooks.get(name)?.size ?? 0),

    async run({ clock }, name, { reloadHooks, callTimeoutMs: timeoutMs }, candidate) {
      for (const { method, input } of reloadHooks) {
        const origin = trialCall(candidate.trial, clock.monotonic() + timeoutMs, candidate);
        await candidate.instance.invoke(method, { json: input }, { timeoutMs, origin });
      }
      const handle = handleOf(name, candidate, timeoutMs, clock);
      const late = (): Error => deadlineError(name, "a reload hook", timeoutMs);
      for (const { hook } of hooks.get(name) ?? []) {
        await within(clock, timeoutMs, Promise.try(hook, handle), late);
      }
    },
  };
}

function handleOf(name: string, candidate: Generation, timeoutMs: number, clock: Clock): InstanceHandle {
  const { instance, running, trial } = candidate;
  return {
    name,
    version: running.version,
    methods: running.methods,
    async invoke(method, input = null) {
      const payload: Payload = input instanceof Uint8Array ? { binary: input } : { json: input };
      const origin = trialCall(trial, clock.monotonic() + timeoutMs, candidate);
      const output = await instance.invoke(method, payload, { timeoutMs, origin });
      return "binary" in output ? output.binary : output.json;
    },
  };
}
