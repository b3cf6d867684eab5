import { constants, type ServerHttp2Session, type ServerHttp2Stream } from "node:http2";
import type { Socket } from "node:net";
import type { Clock, Timer } from "../../core/index.ts";
import type { DirectConnection } from "./direct/connection.ts";
import { closeInOrder } from "./farewell.ts";
import type { FrameGate } from "./frame-gate.ts";

/**
 * Time for which a connection stays open after its client has ended its half. Requests that had arrived whole are answered until
 * then. @limit ms
 */
const HALF_CLOSED_MS = 3000;
/**
 * Time until the first check whether an HTTP/2 client that has ended its half is still there; each next takes twice as long.
 * @limit ms
 */
const FIRST_CHECK_MS = 10;

/** Bounds the time of a connection after its client has ended its half. A client that is gone may look the same. */
export function boundHalfClosed(socket: Socket, clock: Clock): void {
  socket.once("end", () => {
    const enough = clock.setTimer(HALF_CLOSED_MS, () => socket.destroy());
    socket.once("close", () => enough.cancel());
  });
}

/**
 * Returns what ends an HTTP/2 connection in order after its client has ended its half. Requests that have not arrived whole are
 * given up. The others are answered, and the connection closes with the last one. If the client is gone, its system answers what
 * it gets with a reset of the connection. Only a later write shows that, so there are a few, and calls without a caller end soon.
 */
export function endHalfClosed(
  session: ServerHttp2Session,
  gate: FrameGate,
  direct: DirectConnection | undefined,
  clock: Clock,
): () => void {
  const streams = new Set<ServerHttp2Stream>();
  session.on("stream", (stream) => {
    streams.add(stream);
    stream.once("close", () => streams.delete(stream));
  });
  let check: Timer | undefined;
  session.once("close", () => check?.cancel());
  const checkAfter = (ms: number): void => {
    check = clock.setTimer(ms, () => {
      if (session.destroyed) return;
      gate.probe();
      checkAfter(2 * ms);
    });
  };
  const end = (): void => {
    if (session.destroyed) return;
    // Other codes are not safe (see FrameGate).
    for (const stream of streams) if (stream.state.remoteClose === 0) stream.close(constants.NGHTTP2_CANCEL);
    direct?.cancelUnfinished();
    closeInOrder(session, direct);
    if (!session.destroyed) checkAfter(FIRST_CHECK_MS);
  };
  // Node:http2 announces the streams that it has read in this turn before the next.
  return () => void setImmediate(end);
}
