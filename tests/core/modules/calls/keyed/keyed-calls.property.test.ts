import fc from "fast-check";
import { expect, it } from "vitest";
import { HeliosError } from "../../../../../src/core/errors/error.ts";
import { systemClock } from "../../../../../src/kernel/clock.ts";
import { times } from "../../../../effort.ts";
import { describeInEach } from "../../../../support/isolations.ts";
import { turns } from "../../../../support/turns.ts";
import { ORDERS_ROOT, ordersFields, ownLedger } from "../../orders-rig.ts";
import { rig } from "../../rig.ts";

/** How often one order is sent, and how long each sender waits: in ms, or a number of turns after which it leaves. */
const patience = fc.oneof(
  { weight: 3, arbitrary: fc.record({ timeoutMs: fc.integer({ min: 0, max: 30 }) }) },
  { weight: 2, arbitrary: fc.record({ leavesAfter: fc.integer({ min: 0, max: 30 }) }) },
  { weight: 1, arbitrary: fc.constant({}) },
);
const order = fc.record({
  /** The outcome of the method. */
  ending: fc.oneof(
    { weight: 8, arbitrary: fc.constant("answer") },
    { weight: 2, arbitrary: fc.constant("throw") },
    { weight: 1, arbitrary: fc.constant("exit") },
  ),
  /** The time before the method places the order, in ms. */
  ms: fc.integer({ min: 0, max: 20 }),
  senders: fc.array(patience, { minLength: 1, maxLength: 4 }),
});

describeInEach("orders that are sent with keys to a module in a %s", (isolation) => {
  it("are placed at most once despite timeouts and crashes, and exactly once if the caller got a success", async () => {
    const { file, read } = await ownLedger();
    const breaker = { failureThreshold: 1_000_000 };
    const { modules, state, load } = await rig({ clock: systemClock, root: ORDERS_ROOT });
    await load("orders", { ...ordersFields(file), isolation, concurrency: 2, callTimeoutMs: 20_000, breaker });
    let round = 0;

    const send = async (id: string, input: object, wait: { timeoutMs?: number; leavesAfter?: number }) => {
      const leave = new AbortController();
      const { timeoutMs, leavesAfter } = wait;
      if (leavesAfter !== undefined) void turns(leavesAfter).then(() => leave.abort(new Error("away")));
      const options = { idempotencyKey: id, signal: leave.signal, ...(timeoutMs !== undefined && { timeoutMs }) };
      return modules.invoke("orders", "place_slowly", { json: { id, ...input } }, options).then(
        () => "ANSWERED",
        (error: unknown) => (error instanceof HeliosError ? error.reason : "AWAY"),
      );
    };
    /** Sends the order until its outcome is known. */
    const insist = async (id: string, input: object): Promise<string> => {
      for (;;) {
        const outcome = await send(id, input, {});
        if (["ANSWERED", "MODULE_METHOD_FAILED", "IDEMPOTENCY_OUTCOME_UNKNOWN"].includes(outcome)) return outcome;
        if (state("orders") === "FAILED") await modules.load("orders").catch(() => {});
        await turns(5);
      }
    };

    await fc.assert(
      fc.asyncProperty(fc.array(order, { minLength: 1, maxLength: 8 }), async (orders) => {
        round += 1;
        const ids = orders.map((_, index) => `${round}-${index}`);
        const outcomes = await Promise.all(
          orders.map(async ({ senders, ...input }, index) => {
            const id = ids[index] as string;
            await Promise.all(senders.map((wait) => send(id, input, wait)));
            return insist(id, input);
          }),
        );
        const placed = await read();
        for (const [index, { ending }] of orders.entries()) {
          const count = placed.filter((id) => id === ids[index]).length;
          if (outcomes[index] === "IDEMPOTENCY_OUTCOME_UNKNOWN") expect(count).toBeLessThanOrEqual(1);
          else expect([outcomes[index], count]).toEqual([ending === "throw" ? "MODULE_METHOD_FAILED" : "ANSWERED", 1]);
        }
      }),
      { numRuns: times(8, 100), endOnFailure: true },
    );
  });
});
