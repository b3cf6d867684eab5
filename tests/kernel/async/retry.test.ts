import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { backoffMs, retry } from "../../../src/kernel/async/retry.ts";

describe("a retry", () => {
  it("tries until it succeeds, each time after the given wait", async () => {
    const notes: string[] = [];
    let attempts = 0;
    const attempt = async (): Promise<string> => {
      attempts += 1;
      notes.push(`attempt ${attempts}`);
      if (attempts < 3) throw new Error(`no ${attempts}`);
      return "done";
    };
    const done = await retry(attempt, async (error, failures) => {
      await Promise.resolve();
      notes.push(`${(error as Error).message} of ${failures}`);
    });
    expect(done).toBe("done");
    expect(notes).toEqual(["attempt 1", "no 1 of 1", "attempt 2", "no 2 of 2", "attempt 3"]);
  });

  it("waits for nothing if the first attempt succeeds", async () => {
    const again = async (): Promise<void> => expect.unreachable();
    await expect(retry(async () => 1, again)).resolves.toBe(1);
  });

  it("ends with the error of the wait", async () => {
    let attempts = 0;
    const attempt = async (): Promise<void> => {
      attempts += 1;
      throw new Error("no");
    };
    const again = async (error: unknown, failures: number): Promise<void> => {
      if (failures === 2) throw new Error("enough", { cause: error });
    };
    await expect(retry(attempt, again)).rejects.toThrow("enough");
    expect(attempts).toBe(2);
  });

  it("treats an error thrown at once as a failed attempt", async () => {
    const attempt = (): Promise<void> => {
      throw new Error("at once");
    };
    const again = async (error: unknown): Promise<void> => {
      throw error;
    };
    await expect(retry(attempt, again)).rejects.toThrow("at once");
  });
});

describe("a backoff", () => {
  it("doubles with each failure up to its maximum", () => {
    const longest = [1, 2, 3, 4, 5, 1000].map((failures) => backoffMs(failures, { minMs: 100, maxMs: 1000 }, () => 1));
    expect(longest).toEqual([100, 200, 400, 800, 1000, 1000]);
  });

  it("is a number from 0 to its maximum, whatever the options are", () => {
    const some = fc.tuple(
      fc.integer({ min: 1, max: 2 ** 31 }),
      fc.nat(),
      fc.nat(),
      fc.double({ min: 0, max: 1, noNaN: true }),
    );
    fc.assert(
      fc.property(some, ([failures, minMs, maxMs, random]) => {
        const ms = backoffMs(failures, { minMs, maxMs }, () => random);
        expect(ms >= 0 && ms <= maxMs).toBe(true);
      }),
    );
  });
});
