import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Gathered } from "../../../src/server/calls/gathered.ts";

describe("a body that comes in parts", () => {
  it("is the same in whatever parts it comes, and takes at most twice its size", () => {
    const parts = fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 60 });
    fc.assert(
      fc.property(parts, (given) => {
        const gathered = new Gathered();
        let size = 0;
        for (const part of given) {
          const chunk = Buffer.from(part);
          gathered.add(chunk);
          // The bytes belong to a chunk that is used again.
          chunk.fill(0xff);
          size += part.length;
          expect(gathered.size).toBe(size);
          expect(gathered.held).toBeLessThanOrEqual(2 * size);
        }
        expect(gathered.take()).toEqual(Buffer.concat(given));
        expect([gathered.size, gathered.held]).toEqual([0, 0]);
      }),
    );
  });

  it("takes no memory for parts without content, however many there are", () => {
    const gathered = new Gathered();
    for (let n = 0; n < 100_000; n += 1) gathered.add(Buffer.alloc(0));
    expect(gathered.held).toBe(0);
    gathered.add(Buffer.from("x"));
    for (let n = 0; n < 100_000; n += 1) gathered.add(Buffer.alloc(0));
    expect([gathered.size, gathered.held]).toEqual([1, 1]);
  });
});
