import { Code, ConnectError } from "@connectrpc/connect";
import { describe, expect, it, vi } from "vitest";
import {
  type OpenStream,
  resumeWatch,
  STEADY_MS,
  type WatchConnection,
  type WatchFrame,
} from "../../clients/typescript/src/watch.ts";
import { ErrorInfoSchema, RetryInfoSchema } from "../../gen/google/rpc/error_details_pb.ts";

const frame = (revision: number, resumeToken = `token-${revision}`): WatchFrame => ({
  revision: BigInt(revision),
  resumeToken,
});

/** Serves one script per connection: frames, and then the error that ends the stream. Without an error it ends normally. */
function scripted(...scripts: { frames: WatchFrame[]; error?: ConnectError }[]): {
  open: OpenStream<WatchFrame>;
  tokens: string[];
} {
  const tokens: string[] = [];
  const open: OpenStream<WatchFrame> = async function* (token, signal) {
    tokens.push(token);
    const script = scripts.shift();
    if (script === undefined) return yield* silence(signal);
    yield* script.frames;
    if (script.error !== undefined) throw script.error;
  };
  return { open, tokens };
}

async function* silence(signal: AbortSignal): AsyncGenerator<WatchFrame> {
  await new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
  yield frame(0);
}

const atOnce = { delay: async () => {}, random: () => 0.5 };

async function take(count: number, frames: AsyncIterable<WatchFrame>): Promise<bigint[]> {
  const taken: bigint[] = [];
  for await (const { revision } of frames) if (taken.push(revision) === count) break;
  return taken;
}

describe("a watch that resumes", () => {
  it("opens a broken stream again at the token of the last frame", async () => {
    const unavailable = new ConnectError("gone", Code.Unavailable);
    const { open, tokens } = scripted({ frames: [frame(1), frame(2)], error: unavailable }, { frames: [frame(3)] });
    expect(await take(3, resumeWatch(open, atOnce))).toEqual([1n, 2n, 3n]);
    expect(tokens).toEqual(["", "token-2"]);
  });

  it("opens a stream again that ended without an error", async () => {
    const { open, tokens } = scripted({ frames: [frame(1)] }, { frames: [frame(2)] });
    expect(await take(2, resumeWatch(open, atOnce))).toEqual([1n, 2n]);
    expect(tokens).toEqual(["", "token-1"]);
  });

  it("keeps the earlier token while a snapshot is incomplete", async () => {
    const { open, tokens } = scripted({ frames: [frame(5, ""), frame(5, "")] }, { frames: [frame(6)] });
    await take(3, resumeWatch(open, { ...atOnce, resumeToken: "old" }));
    expect(tokens).toEqual(["old", "old"]);
  });

  it.each([
    ["at once if the service says so", "MESSAGE_TOO_LARGE", 1],
    ["after three times if the error has no reason, because a proxy may limit rates", undefined, 3],
  ])("throws if a frame is too large to be read, %s", async (_, reason, times) => {
    const error = new ConnectError("message size 5 is larger than configured readMaxBytes 4", Code.ResourceExhausted);
    if (reason !== undefined) error.details.push({ desc: ErrorInfoSchema, value: { reason, domain: "helios" } });
    const tooLarge = { frames: [frame(5, "")], error };
    const { open, tokens } = scripted({ frames: [frame(1)], error }, tooLarge, tooLarge, tooLarge);
    await expect(take(100, resumeWatch(open, atOnce))).rejects.toBe(error);
    expect(tokens).toHaveLength(times);
  });

  it("retries if the service says that a later try may succeed", async () => {
    const error = new ConnectError("too slow", Code.ResourceExhausted);
    error.details.push({ desc: ErrorInfoSchema, value: { reason: "WATCHER_TOO_SLOW", domain: "helios" } });
    const slow = { frames: [], error };
    const { open, tokens } = scripted(slow, slow, slow, slow, { frames: [frame(1)] });
    expect(await take(1, resumeWatch(open, atOnce))).toEqual([1n]);
    expect(tokens).toHaveLength(5);
  });

  it("throws an error that would occur again", async () => {
    const { open } = scripted({ frames: [], error: new ConnectError("no", Code.InvalidArgument) });
    await expect(take(1, resumeWatch(open, atOnce))).rejects.toMatchObject({ code: Code.InvalidArgument });
  });

  it.each([
    ["ends at once", 0, [100, 200, 400, 800, 1600, 3200, 6400, 10_000, 10_000]],
    ["ends just before it counts as steady", STEADY_MS - 1, [100, 200, 400, 800, 1600, 3200, 6400, 10_000, 10_000]],
    ["ends after a while", STEADY_MS, [100, 100, 100, 100, 100, 100, 100, 100, 100]],
  ])("waits for the expected times if a stream sends frames and %s", async (_, livesMs, expected) => {
    let time = 0;
    const waits: number[] = [];
    const onConnection = (connection: WatchConnection): void => {
      if (connection.state === "disconnected") waits.push(connection.retryInMs);
    };
    const open: OpenStream<WatchFrame> = async function* () {
      yield frame(1);
      time += livesMs;
      yield frame(2);
    };
    await take(20, resumeWatch(open, { ...atOnce, random: () => 1, now: () => time, onConnection }));
    expect(waits).toEqual(expected);
  });

  it("waits longer after each failure in a row, and briefly again after a stream that was healthy for a while", async () => {
    let time = 0;
    const now = (): number => {
      time += STEADY_MS;
      return time;
    };
    const gone = new ConnectError("gone", Code.Unavailable);
    const waits: number[] = [];
    const onConnection = (connection: WatchConnection): void => {
      if (connection.state === "disconnected") waits.push(connection.retryInMs);
    };
    const fails = { frames: [], error: gone };
    const { open } = scripted(fails, fails, fails, { frames: [frame(1)], error: gone }, { frames: [frame(2)] });
    await take(
      2,
      resumeWatch(open, { ...atOnce, random: () => 1, now, minBackoffMs: 100, maxBackoffMs: 300, onConnection }),
    );
    expect(waits).toEqual([100, 200, 300, 100]);
  });

  it("ends without an error when its signal is aborted", async () => {
    const { open } = scripted({ frames: [frame(1)] });
    const stop = new AbortController();
    const seen: bigint[] = [];
    for await (const { revision } of resumeWatch(open, { ...atOnce, signal: stop.signal })) {
      seen.push(revision);
      stop.abort();
    }
    expect(seen).toEqual([1n]);
  });

  it("gives up a stream that falls silent, and opens it again", async () => {
    vi.useFakeTimers();
    try {
      const heartbeatInterval = { seconds: 1n, nanos: 0 };
      const streams = [[{ ...frame(1), heartbeatInterval }], [frame(2)]];
      const tokens: string[] = [];
      const open: OpenStream<WatchFrame> = async function* (token, signal) {
        tokens.push(token);
        yield* streams.shift() ?? [];
        yield* silence(signal);
      };
      const taken = take(2, resumeWatch(open, { ...atOnce, missedHeartbeats: 3 }));
      await vi.advanceTimersByTimeAsync(2999);
      expect(tokens).toEqual([""]);
      await vi.advanceTimersByTimeAsync(1);
      expect(await taken).toEqual([1n, 2n]);
      expect(tokens).toEqual(["", "token-1"]);
    } finally {
      vi.useRealTimers();
    }
  });

  it("does not mistake a busy reader for a silent stream", async () => {
    vi.useFakeTimers();
    try {
      const heartbeatInterval = { seconds: 1n, nanos: 0 };
      const { open, tokens } = scripted({ frames: [{ ...frame(1), heartbeatInterval }, frame(2)] });
      const aborted: boolean[] = [];
      const observed: OpenStream<WatchFrame> = (token, signal) => {
        signal.addEventListener("abort", () => aborted.push(true));
        return open(token, signal);
      };
      const frames = resumeWatch(observed, { ...atOnce, missedHeartbeats: 3 });
      for (const revision of [1n, 2n]) {
        expect((await frames.next()).value?.revision).toBe(revision);
        await vi.advanceTimersByTimeAsync(60_000);
        expect(aborted).toEqual([]);
      }
      expect(tokens).toEqual([""]);
      await frames.return();
    } finally {
      vi.useRealTimers();
    }
  });
});

describe("the waits of a watch", () => {
  it("are at least as long as the service asks for", async () => {
    const draining = new ConnectError("draining", Code.Unavailable);
    const retryDelay = { seconds: 1n, nanos: 0 };
    draining.details.push({ desc: ErrorInfoSchema, value: { reason: "SERVER_DRAINING", domain: "helios" } });
    draining.details.push({ desc: RetryInfoSchema, value: { retryDelay } });
    const waits: number[] = [];
    const onConnection = (connection: WatchConnection): void => {
      if (connection.state === "disconnected") waits.push(connection.retryInMs);
    };
    const { open } = scripted({ frames: [frame(1)], error: draining }, { frames: [frame(2)] });
    await take(2, resumeWatch(open, { ...atOnce, minBackoffMs: 100, onConnection }));
    expect(waits).toEqual([1050]);
  });

  it("the wait for the first frame has a timeout, after which the stream is opened again", async () => {
    vi.useFakeTimers();
    try {
      const tokens: string[] = [];
      const open: OpenStream<WatchFrame> = async function* (token, signal) {
        tokens.push(token);
        if (tokens.length === 1) yield* silence(signal);
        yield frame(1);
      };
      const taken = take(1, resumeWatch(open, { ...atOnce, firstFrameTimeoutMs: 3000 }));
      await vi.advanceTimersByTimeAsync(2999);
      expect(tokens).toHaveLength(1);
      await vi.advanceTimersByTimeAsync(1);
      expect(await taken).toEqual([1n]);
    } finally {
      vi.useRealTimers();
    }
  });

  it("the request for the next frame reports the applied revision and its stream", async () => {
    const applied: string[] = [];
    const gone = new ConnectError("gone", Code.Unavailable);
    const { open } = scripted(
      { frames: [{ ...frame(1, ""), watchId: "a" }, frame(2)], error: gone },
      { frames: [{ ...frame(3), watchId: "b" }, frame(4)] },
    );
    const note = (received: WatchFrame, watchId: string): void => void applied.push(`${watchId}:${received.revision}`);
    await take(4, resumeWatch(open, atOnce, note));
    expect(applied).toEqual(["a:2", "b:3"]);
  });
});
