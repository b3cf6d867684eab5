import type { Socket } from "node:net";

export type DetectedProtocol = "HTTP/1.1" | "HTTP/2";

/** The beginning of every HTTP/2 connection (RFC 9113, 3.4). No HTTP/1.1 method has this name. */
const PREFACE = Buffer.from("PRI * HTTP/2.0\r\n");

/**
 * Detects the protocol from the first bytes of a connection, puts them back, and calls `found` once. It is never called if
 * the connection closes before. Anything but HTTP/2 counts as HTTP/1.1, which refuses invalid data.
 */
export function detectProtocol(socket: Socket, found: (protocol: DetectedProtocol) => void): void {
  let head = Buffer.alloc(0);
  const look = (): void => {
    const chunk = socket.read() as Buffer | null;
    if (chunk === null) {
      if (!socket.readableEnded && !socket.destroyed) socket.once("readable", look);
      return;
    }
    head = Buffer.concat([head, chunk]);
    const length = Math.min(head.length, PREFACE.length);
    const matches = head.subarray(0, length).equals(PREFACE.subarray(0, length));
    if (matches && length < PREFACE.length) {
      socket.once("readable", look);
      return;
    }
    socket.unshift(head);
    found(matches ? "HTTP/2" : "HTTP/1.1");
  };
  socket.once("readable", look);
}
