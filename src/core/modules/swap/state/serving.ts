import type { Generation } from "../../calls/generation/generation.ts";
import { getModule, type OperationContext, runningGeneration } from "../../operations/context.ts";
import { isRunning } from "../../record/lifecycle.ts";
import type { Module, Served } from "../../record/record.ts";

/** The version that serves a module, and its generation. `old` is undefined if the instance has ended by itself. */
export interface Serving {
  readonly from: Served;
  readonly old: Generation | undefined;
}

/** Returns what serves a module now. Undefined if the module does not run. */
export function serving(context: OperationContext, name: string): Serving | undefined {
  const module = getModule(context, name);
  const { registration, code, configVersion, lifecycle } = module.record;
  if (!isRunning(lifecycle)) return undefined;
  const { running } = lifecycle;
  return { from: { registration, code, configVersion, running }, old: runningGeneration(context, module) };
}

/** Returns what served a FAILED module last. Undefined if the module has not failed. */
export function servedLast({ record }: Module): Serving | undefined {
  const { registration, code, configVersion, lifecycle, generation } = record;
  if (lifecycle.state !== "FAILED") return undefined;
  const { modulePath, sha256, artifact } = code;
  const { version } = registration;
  const unstarted = { generation, modulePath, version, sha256, artifact, methods: [], loadTime: 0 };
  return { from: { registration, code, configVersion, running: lifecycle.last ?? unstarted }, old: undefined };
}

/** Returns the members with what serves now, because an old version may have been restarted meanwhile. */
export function withPresent<M extends Serving & { readonly name: string }>(
  context: OperationContext,
  members: readonly M[],
): readonly M[] {
  return members.map((member) => ({ ...member, ...serving(context, member.name) }));
}
