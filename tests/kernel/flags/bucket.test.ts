import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { bucketing, prefixedMurmur3, scaleToBucket } from "../../../src/kernel/flags/bucket.ts";
import { anyText, referenceMurmur3 } from "./reference.ts";

describe("prefixedMurmur3", () => {
  it.each([
    ["", 0, 0x00000000],
    ["", 1, 0x514e28b7],
    ["", 0xffffffff, 0x81f16f39],
    ["test", 0, 0xba6bd213],
    ["test", 0x9747b28c, 0x704b81dc],
    ["Hello, world!", 0, 0xc0363e43],
    ["Hello, world!", 0x9747b28c, 0x24884cba],
    ["The quick brown fox jumps over the lazy dog", 0, 0x2e4ff723],
    ["The quick brown fox jumps over the lazy dog", 0x9747b28c, 0x2fa826cd],
    ["a", 0x9747b28c, 0x7fa09ea6],
    ["aa", 0x9747b28c, 0x5d211726],
    ["aaa", 0x9747b28c, 0x283e0130],
    ["aaaa", 0x9747b28c, 0x5a97808a],
    ["abcd", 0x9747b28c, 0xf0478627],
    ["ππππππππ", 0x9747b28c, 0xd58063c1],
  ])("gives the published value of %j with seed %i", (text, seed, hash) => {
    expect(prefixedMurmur3("", seed)(text)).toBe(hash);
    expect(prefixedMurmur3(text, seed)("")).toBe(hash);
  });

  it("hashes prefix and text like the reference over their joined UTF-8 bytes", () => {
    fc.assert(
      fc.property(anyText, anyText, fc.nat(0xffffffff), (prefix, rest, seed) => {
        // A pair split between the two would be hashed as two lone surrogates.
        fc.pre(!/[\ud800-\udbff]$/.test(prefix));
        expect(prefixedMurmur3(prefix, seed)(rest)).toBe(referenceMurmur3(prefix + rest, seed));
      }),
      { numRuns: 2000 },
    );
  });

  it("keeps no state from one text to the next", () => {
    const hash = prefixedMurmur3("salt:");
    const first = hash("abc");
    hash("something longer than a block");
    expect(hash("abc")).toBe(first);
  });

  it("hashes a lone surrogate as U+FFFD", () => {
    const hash = prefixedMurmur3("a:");
    for (const lone of ["\ud800", "\udbff", "\udc00", "\udfff"]) expect(hash(lone)).toBe(hash("\ufffd"));
    expect(hash("\udc00\ud800")).toBe(hash("\ufffd\ufffd"));
    expect(hash("\ud800x")).toBe(hash("\ufffdx"));
    expect(hash("\ud83d\ude80")).toBe(hash("🚀"));
  });
});

describe("scaleToBucket", () => {
  it("is (hash × 100000) >> 32 for every 32-bit hash", () => {
    fc.assert(
      fc.property(fc.nat(0xffffffff), (hash) => {
        expect(scaleToBucket(hash)).toBe(Number((BigInt(hash) * 100_000n) >> 32n));
      }),
      { numRuns: 5000, examples: [[0], [1], [0xffff], [0x10000], [0x7fffffff], [0x80000000], [0xffffffff]] },
    );
  });

  it("is exact at every border between two buckets", () => {
    for (let bucket = 1; bucket < 100_000; bucket++) {
      const first = Number((BigInt(bucket) * 2n ** 32n + 99_999n) / 100_000n);
      if (scaleToBucket(first) !== bucket || scaleToBucket(first - 1) !== bucket - 1) expect.fail(`bucket ${bucket}`);
    }
  });
});

describe("bucketing", () => {
  it.each([
    ["neural_network_v2", "abc123", 33_069],
    ["neural_network_v2", "session-1", 89_515],
    ["neural_network_v2", "session-2", 1_130],
    ["websocket_v2", "abc123", 24_956],
    ["websocket_v2", "BTCZAR", 76_016],
    ["a", "", 94_307],
    ["a", "Zürich", 49_604],
    ["a", "取引", 28_903],
    ["a", "🚀", 72_477],
    ["a", "\ufffd", 90_721],
    ["a", "\ud800", 90_721],
  ])("puts salt %j and key %j into its known bucket", (salt, key, bucket) => {
    expect(bucketing(salt)(key)).toBe(bucket);
  });
});
