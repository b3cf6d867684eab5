import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { isReason } from "../../../src/core/index.ts";
import { pageOf } from "../../../src/server/services/paging.ts";

const sorted = fc
  .uniqueArray(fc.string({ minLength: 1, maxLength: 8 }), { maxLength: 60 })
  .map((keys) => keys.sort((a, b) => (a < b ? -1 : 1)));

const PLAIN = { keyOf: (key: string) => key, toMessage: (key: string) => key, sizeOf: () => 1 };

function walk(keysAt: (page: number) => readonly string[], pageSize: number): string[] {
  const seen: string[] = [];
  let pageToken = "";
  for (let page = 0; ; page += 1) {
    const { items, nextPageToken } = pageOf(keysAt(page), { pageSize, pageToken }, PLAIN);
    seen.push(...items);
    if (nextPageToken === "") return seen;
    pageToken = nextPageToken;
  }
}

describe("pages", () => {
  it("contain every item once, in order, for any page size", () => {
    fc.assert(
      fc.property(sorted, fc.integer({ min: 1, max: 20 }), (keys, size) => {
        expect(walk(() => keys, size)).toEqual(keys);
      }),
    );
  });

  it("neither repeat nor omit anything if another item is added in between", () => {
    fc.assert(
      fc.property(
        sorted,
        fc.integer({ min: 1, max: 5 }),
        fc.string({ minLength: 1, maxLength: 8 }),
        (keys, size, late) => {
          fc.pre(!keys.includes(late));
          const after = [...keys, late].sort((a, b) => (a < b ? -1 : 1));
          const seen = walk((page) => (page === 0 ? keys : after), size);
          expect(seen.filter((key) => key !== late)).toEqual(keys);
          expect(new Set(seen).size).toBe(seen.length);
        },
      ),
    );
  });

  it("have 100 items if no size is given, and 1,000 at most", () => {
    const keys = Array.from({ length: 1500 }, (_, index) => String(index).padStart(4, "0"));
    const size = (pageSize: number): number => pageOf(keys, { pageSize, pageToken: "" }, PLAIN).items.length;
    expect([size(0), size(7), size(5000)]).toEqual([100, 7, 1000]);
  });

  it("are refused for a token that no list issued", () => {
    for (const pageToken of ["x", "AAAA", "%%%", Buffer.from("other").toString("base64url")]) {
      const attempt = (): unknown => pageOf(["a"], { pageSize: 1, pageToken }, PLAIN);
      expect(attempt).toThrowError(expect.toSatisfy((error) => isReason(error, "PAGE_TOKEN_INVALID")));
    }
  });
});
