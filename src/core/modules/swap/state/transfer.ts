import type { Generation } from "../../calls/generation/generation.ts";
import type { State } from "../../host/types/host.ts";

/** Hands the state of one version to another. */
export function importState(from: Generation, to: Generation, state: State, timeoutMs: number): Promise<void> {
  const source = { fromVersion: from.running.version, schema: from.instance.shape.stateSchema };
  return to.instance.importState(state, source, timeoutMs);
}

/** Describes what a version must still complete before it can hand its state over. Empty: nothing. */
export function underWayIn({ instance }: Generation): string {
  const { leftBehind, ownCalls: own } = instance;
  const methods =
    leftBehind === 1 ? "1 method still ran after its caller" : `${leftBehind} methods still ran after their callers`;
  const calls =
    own.length === 1
      ? `1 call of its own to ${own[0]} was`
      : `${own.length} calls of its own, one of them to ${own[0]}, were`;
  return [...(leftBehind > 0 ? [`${methods} left`] : []), ...(own.length > 0 ? [`${calls} under way`] : [])].join(
    ", and ",
  );
}
