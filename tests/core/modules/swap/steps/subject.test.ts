import { expect, it } from "vitest";
import type { Generation } from "../../../../../src/core/modules/calls/generation/generation.ts";
import { BARE_TEST } from "../../../../../src/core/modules/calls/generation/trial.ts";
import type { OperationContext } from "../../../../../src/core/modules/operations/context.ts";
import type { StartedMember } from "../../../../../src/core/modules/swap/state/state.ts";
import { subjectOf } from "../../../../../src/core/modules/swap/steps/subject.ts";

it("an instance for the tests of a swap that starts just as the tests end is stopped", async () => {
  const startedApart = Promise.withResolvers<Generation>();
  const context = { collection: { list: () => [] }, generations: { startApart: () => startedApart.promise } };
  const over = new AbortController();
  let stops = 0;
  const stop = async (): Promise<void> => {
    stops += 1;
  };
  const generation = { name: "a", running: {}, instance: { stop } } as unknown as Generation;
  const member = { name: "a", code: {}, plan: {}, candidate: generation } as unknown as StartedMember;
  const subject = subjectOf(context as unknown as OperationContext, [member], member, over.signal);
  const starting = subject.start(() => BARE_TEST);
  startedApart.resolve(generation);
  over.abort(new Error("the tests are over"));
  subject.end();
  expect(stops).toBe(0);
  await expect(starting).rejects.toThrow("the tests are over");
  expect(stops).toBe(1);
});
