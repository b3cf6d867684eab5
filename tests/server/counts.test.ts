import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";
import { BreakerSchema } from "../../gen/helios/v1/breaker_pb.ts";
import { DomainStatusSchema } from "../../gen/helios/v1/status_service_pb.ts";
import { toBreaker } from "../../src/server/map/breaker.ts";
import { MOST_INT64, MOST_UINT32, toBigCount, toCount } from "../../src/server/map/common.ts";
import { rig } from "../core/breakers/rig.ts";

const COUNTS = [0, 1, 2 ** 31, 2 ** 32 - 1, 2 ** 32, 5_000_000_000, 2 ** 53, 2 ** 63, 1e300, Number.POSITIVE_INFINITY];

describe("a count", () => {
  it.each(COUNTS)("of %d fits into its field, at its most where it is too large", (count) => {
    expect(toCount(count)).toBe(Math.min(count, 4_294_967_295));
    expect(toBigCount(count)).toBe(count >= 2 ** 63 ? MOST_INT64 : BigInt(count));
    const message = create(DomainStatusSchema, { total: toCount(count) });
    expect(fromBinary(DomainStatusSchema, toBinary(DomainStatusSchema, message)).total).toBe(toCount(count));
  });

  it("of a breaker makes no answer impossible, in memory and in what is stored", async () => {
    const { breakers } = await rig();
    await breakers.getOrCreate("api", { failureThreshold: 1_000_000, warmUpMs: 86_400_000, failureRate: 0.5 });
    const runs = Array.from({ length: 1000 }, () => ({ outcome: "FAILURE", slow: true, count: 1_000_000 }) as const);
    for (let seq = 1; seq <= 5; seq += 1)
      breakers.report(
        "a",
        seq,
        Array.from({ length: 2 }, () => ({ name: "api", epoch: 1, runs })),
      );
    const breaker = breakers.get("api");
    const read = (one: typeof breaker) => fromBinary(BreakerSchema, toBinary(BreakerSchema, toBreaker(one)));
    expect(breaker.counts.consecutiveFailures).toBe(1e10);
    expect(read(breaker).counts).toMatchObject({ consecutiveFailures: MOST_UINT32, failures: 10_000_000_000n });
    for (const count of COUNTS) {
      const counts = Object.fromEntries(Object.keys(breaker.counts).map((key) => [key, count]));
      const window = { calls: count, failures: count, slow: count };
      const grown = { ...breaker, probes: count, reopenings: count, counts: { ...counts, window } } as typeof breaker;
      const { probes, reopenings, counts: told } = read(grown);
      expect([probes, reopenings, told?.consecutiveFailures, told?.consecutiveSuccesses]).toEqual(
        Array(4).fill(toCount(count)),
      );
      expect([told?.failures, told?.rejected, told?.lateFailures, told?.slow]).toEqual(
        Array(4).fill(toBigCount(count)),
      );
    }
  });
});
