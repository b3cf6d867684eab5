import { expect, it } from "vitest";
import { FlagService } from "../../../gen/helios/v1/flag_service_pb.ts";
import { createManualClock } from "../../../src/core/index.ts";
import { createShutdown, ServedStream } from "../../../src/server/calls/served-stream.ts";
import { createBodies } from "../../../src/server/http/bodies.ts";
import { createCallLimit } from "../../../src/server/http/call-limit.ts";
import { createPacing } from "../../../src/server/http/pacing.ts";
import { Patience } from "../../../src/server/http/patience.ts";
import { createSlowReaders } from "../../../src/server/http/slow-readers.ts";
import { Turns } from "../../../src/server/http/turns.ts";
import { DirectConnection } from "../../../src/server/transport/direct/connection.ts";
import { createGrpc } from "../../../src/server/transport/grpc/grpc.ts";
import { encodeBlock } from "../../../src/server/transport/hpack/encoder.ts";
import { MAX_MESSAGE_BYTES } from "../../../src/server/transport/limits.ts";
import { turns } from "../../support/turns.ts";
import { message, NOTHING } from "../../wire/abuse/frames.ts";

const PATH = "/helios.v1.FlagService/WatchFlags";
const HEAD = encodeBlock([
  ...[":method", "POST", ":scheme", "http", ":path", PATH, ":authority", "localhost"],
  ...["content-type", "application/grpc", "te", "trailers"],
]);

it("a stream with a message that is too large to be sent ends, and its producer learns that nobody reads on", async () => {
  const clock = createManualClock();
  const slowReaders = createSlowReaders(clock, () => {});
  const ends: string[] = [];
  async function* produce(): AsyncGenerator<Record<string, unknown>> {
    try {
      yield { resumeToken: "x".repeat(MAX_MESSAGE_BYTES + 1) };
    } finally {
      ends.push("producer");
    }
  }
  const shutdown = createShutdown(new AbortController().signal);
  const streaming = (): AsyncIterable<Record<string, unknown>> =>
    new ServedStream(produce, shutdown, {
      failed: (thrown) => thrown,
      ended: (isComplete) => void ends.push(isComplete ? "complete" : "left"),
    });
  const accept = createGrpc(new Map([[PATH, { method: FlagService.method.watchFlags, streaming }]]), {
    ...{ clock, shutdown, slowReaders, newId: () => "1", report: () => {} },
    ...{ callLimit: createCallLimit(10), bodies: createBodies(clock), pacing: createPacing(clock, slowReaders.room) },
    ...{ patience: new Patience(clock, 1000), turns: new Turns(), maxRequestBytes: MAX_MESSAGE_BYTES },
  });
  const written: Buffer[] = [];
  const sink = { write: (bytes: Buffer) => void written.push(bytes), waiting: 0, drained() {} };
  const connection = { clock, peer: "127.0.0.1:1", mayReset: () => true, refuse: () => {} };
  const direct = new DirectConnection({ accept, sink, ...connection });
  direct.settingsSent();
  direct.headers(1, HEAD, false);
  direct.data(1, message(NOTHING), true);
  await turns(3);
  expect(Buffer.concat(written).toString("latin1")).toContain("message%20size");
  expect(ends).toEqual(["left", "producer"]);
});
