import type { DescMethod } from "@bufbuild/protobuf";
import { createManualClock } from "../../../src/core/index.ts";
import { mayHaveBytes, type Route } from "../../../src/server/calls/route.ts";
import type { Streaming, Unary } from "../../../src/server/calls/runner.ts";
import { createShutdown } from "../../../src/server/calls/served-stream.ts";
import { createBodies } from "../../../src/server/http/bodies.ts";
import { createCallLimit } from "../../../src/server/http/call-limit.ts";
import { createPacing } from "../../../src/server/http/pacing.ts";
import { Patience } from "../../../src/server/http/patience.ts";
import { createSlowReaders } from "../../../src/server/http/slow-readers.ts";
import { Turns } from "../../../src/server/http/turns.ts";
import { DirectConnection } from "../../../src/server/transport/direct/connection.ts";
import { createGrpc } from "../../../src/server/transport/grpc/grpc.ts";
import { encodeBlock } from "../../../src/server/transport/hpack/encoder.ts";
import { MAX_MESSAGE_BYTES, REQUEST_BODY_TIMEOUT_MS } from "../../../src/server/transport/limits.ts";

/** A connection whose calls of one method are served directly, without a socket. */
export function callRig(
  method: DescMethod,
  run: { readonly unary: Unary } | { readonly streaming: Streaming },
  maxUnreadBytes?: number,
) {
  const clock = createManualClock();
  const slowReaders = createSlowReaders(clock, () => {}, maxUnreadBytes);
  const over = new AbortController();
  const shutdown = createShutdown(over.signal);
  const bodies = createBodies(clock);
  const limit = createCallLimit(10);
  let calls = 0;
  const callLimit = {
    enter(connection: object) {
      const refusal = limit.enter(connection);
      if (refusal === undefined) calls += 1;
      return refusal;
    },
    leave(connection: object) {
      calls -= 1;
      limit.leave(connection);
    },
  };
  const path = `/${method.parent.typeName}/${method.name}`;
  const route: Route = { method, hasBytes: mayHaveBytes(method.input), ...run };
  const accept = createGrpc(new Map([[path, route]]), {
    ...{ clock, shutdown, slowReaders, bodies, callLimit, newId: () => "1", report: () => {} },
    ...{ pacing: createPacing(clock, slowReaders.room), patience: new Patience(clock, REQUEST_BODY_TIMEOUT_MS) },
    ...{ turns: new Turns(), maxRequestBytes: MAX_MESSAGE_BYTES },
  });
  const written: Buffer[] = [];
  const sink = { write: (bytes: Buffer) => void written.push(bytes), waiting: 0, drained() {} };
  const direct = new DirectConnection({
    ...{ accept, sink, clock, peer: "127.0.0.1:1", mayReset: () => true, refuse: () => {} },
  });
  direct.settingsSent();
  const head = (headers: readonly string[]): Buffer =>
    encodeBlock([
      ...[":method", "POST", ":scheme", "http", ":path", path, ":authority", "localhost"],
      ...["content-type", "application/grpc", "te", "trailers", ...headers],
    ]);
  return {
    clock,
    direct,
    bodies,
    shutdown,
    over,
    /** Calls in progress that the limit knows of. */
    calls: (): number => calls,
    /** Begins a call. The rest of its body may follow by `direct.data`. */
    call(id: number, body: Buffer, { headers = [] as readonly string[], isLast = true } = {}): void {
      direct.headers(id, head(headers), false);
      direct.data(id, body, isLast);
    },
    sent: (): string => Buffer.concat(written).toString("latin1"),
  };
}
