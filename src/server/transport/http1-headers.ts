import type { Server } from "node:http";
import type { Socket } from "node:net";
import type { Clock } from "../../core/index.ts";
import { MAX_UNFINISHED_HEADERS_BYTES, TIMEOUT_CHECK_MS } from "./limits.ts";

interface Connection {
  /** Number of requests whose answers are not closed. While there are any, incoming data belongs to their bodies. */
  calls: number;
  /** Bytes that had been read when the last answer was closed. */
  read: number;
}

/**
 * Limits the bytes of unfinished headers on all HTTP/1.1 connections together. Node only limits each connection. It checks
 * once a second, as Node does for its timeouts, because looking at each byte would slow down every request.
 */
export function boundUnfinishedHeaders(server: Server, clock: Clock): void {
  const connections = new Map<Socket, Connection>();
  let looks = false;
  const watch = (): void => {
    if (looks) return;
    looks = true;
    clock.setTimer(TIMEOUT_CHECK_MS, () => {
      looks = false;
      cutLargest(connections);
      if (connections.size > 0) watch();
    });
  };
  server.on("connection", (socket: Socket) => {
    connections.set(socket, { calls: 0, read: 0 });
    socket.once("close", () => connections.delete(socket));
    watch();
  });
  server.prependListener("request", ({ socket }, response) => {
    const connection = connections.get(socket);
    if (connection === undefined) return;
    connection.calls += 1;
    response.once("close", () => {
      connection.calls -= 1;
      connection.read = socket.bytesRead;
    });
  });
}

function cutLargest(connections: ReadonlyMap<Socket, Connection>): void {
  const unfinished: { readonly socket: Socket; readonly bytes: number }[] = [];
  let all = 0;
  for (const [socket, { calls, read }] of connections) {
    if (calls > 0) continue;
    const bytes = socket.bytesRead - read;
    all += bytes;
    unfinished.push({ socket, bytes });
  }
  if (all <= MAX_UNFINISHED_HEADERS_BYTES) return;
  for (const { socket, bytes } of unfinished.sort((a, b) => b.bytes - a.bytes)) {
    socket.destroy();
    all -= bytes;
    if (all <= MAX_UNFINISHED_HEADERS_BYTES) return;
  }
}
