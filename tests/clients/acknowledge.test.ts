import { Code, ConnectError } from "@connectrpc/connect";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Acknowledger } from "../../clients/typescript/src/acknowledge.ts";

beforeEach(() => vi.useFakeTimers());
afterEach(() => vi.useRealTimers());

describe("an acknowledger", () => {
  it("acknowledges only the newest revision of a burst, once", async () => {
    const sent: bigint[] = [];
    const acknowledger = new Acknowledger(async (revision) => sent.push(revision));
    for (let revision = 1n; revision <= 50n; revision += 1n) acknowledger.applied(revision, "a");
    await vi.advanceTimersByTimeAsync(99);
    expect(sent).toEqual([]);
    await vi.advanceTimersByTimeAsync(1000);
    acknowledger.applied(50n, "a");
    await vi.advanceTimersByTimeAsync(1000);
    expect(sent).toEqual([50n]);
  });

  it("has at most one call under way, and acknowledges later revisions after it", async () => {
    const sent: bigint[] = [];
    let answer = (): void => {};
    const acknowledger = new Acknowledger((revision) => {
      sent.push(revision);
      return new Promise<void>((resolve) => {
        answer = resolve;
      });
    });
    acknowledger.applied(1n, "a");
    await vi.advanceTimersByTimeAsync(1000);
    acknowledger.applied(2n, "a");
    acknowledger.applied(3n, "a");
    await vi.advanceTimersByTimeAsync(1000);
    expect(sent).toEqual([1n]);
    answer();
    await vi.advanceTimersByTimeAsync(1000);
    expect(sent).toEqual([1n, 3n]);
  });

  it("acknowledges again on a new stream, even if the revision is the same", async () => {
    const sent: string[] = [];
    const acknowledger = new Acknowledger(async (revision, watchId) => sent.push(`${watchId}:${revision}`));
    for (const watchId of ["a", "b"]) {
      acknowledger.applied(7n, watchId);
      await vi.advanceTimersByTimeAsync(1000);
    }
    expect(sent).toEqual(["a:7", "b:7"]);
  });

  it("makes up for a failed call with the next one, but stops if the service does not know the RPC", async () => {
    const codes = [Code.Unavailable, undefined, Code.Unimplemented];
    const sent: bigint[] = [];
    const acknowledger = new Acknowledger(async (revision) => {
      sent.push(revision);
      const code = codes.shift();
      if (code !== undefined) throw new ConnectError("no", code);
    });
    for (const revision of [1n, 1n, 2n, 3n]) {
      acknowledger.applied(revision, "a");
      await vi.advanceTimersByTimeAsync(1000);
    }
    expect(sent).toEqual([1n, 1n, 2n]);
  });

  it("acknowledges nothing after it was stopped", async () => {
    const sent: bigint[] = [];
    const acknowledger = new Acknowledger(async (revision) => sent.push(revision));
    acknowledger.applied(1n, "a");
    acknowledger.stop();
    acknowledger.applied(2n, "a");
    await vi.advanceTimersByTimeAsync(1000);
    expect(sent).toEqual([]);
  });
});
