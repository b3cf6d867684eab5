import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { bucketing, prefixedMurmur3, scaleToBucket, VARIANT_SEED } from "../../../src/kernel/flags/bucket.ts";
import { referenceMurmur3 } from "./reference.ts";

interface Bucket {
  readonly salt: string;
  readonly hash: number;
  readonly bucket: number;
  readonly variant_hash: number;
  readonly variant_bucket: number;
}

const FILE = new URL("../../../testdata/bucketing.json", import.meta.url);

const bucketsOf = (salt: string, key: string): object => ({
  hash: prefixedMurmur3(`${salt}:`)(key),
  bucket: bucketing(salt)(key),
  variant_hash: prefixedMurmur3(`${salt}:`, VARIANT_SEED)(key),
  variant_bucket: bucketing(salt, VARIANT_SEED)(key),
});

const referenceBuckets = (salt: string, key: string): object => {
  const [hash, variant] = [referenceMurmur3(`${salt}:${key}`, 0), referenceMurmur3(`${salt}:${key}`, 1)];
  const scaled = (each: number): number => Number((BigInt(each) * 100_000n) >> 32n);
  return { hash, bucket: scaled(hash), variant_hash: variant, variant_bucket: scaled(variant) };
};

describe("testdata/bucketing.json", () => {
  const { buckets, lone_surrogates } = JSON.parse(readFileSync(FILE, "utf8")) as {
    readonly buckets: readonly (Bucket & { readonly key: string })[];
    readonly lone_surrogates: readonly (Bucket & { readonly key_utf16: number[]; readonly key_hashed_as: string })[];
  };

  it("has the hashes of this implementation, and those of a plain one", () => {
    expect(buckets.length).toBeGreaterThan(200);
    for (const { salt, key, ...expected } of buckets) {
      expect([salt, key, bucketsOf(salt, key)]).toEqual([salt, key, expected]);
      expect([salt, key, referenceBuckets(salt, key)]).toEqual([salt, key, expected]);
    }
  });

  it("says that a surrogate without its partner is hashed as U+FFFD", () => {
    expect(lone_surrogates.length).toBeGreaterThan(4);
    for (const { salt, key_utf16, key_hashed_as, ...expected } of lone_surrogates) {
      expect(bucketsOf(salt, String.fromCharCode(...key_utf16))).toEqual(expected);
      expect(referenceBuckets(salt, key_hashed_as)).toEqual(expected);
    }
  });

  it("contains the ends of the scale", () => {
    expect([scaleToBucket(0), scaleToBucket(0xffff_ffff)]).toEqual([0, 99_999]);
  });
});
