import type { Socket } from "node:net";

export type DetectedProtocol = "HTTP/1.1" | "HTTP/2";

/** How every HTTP/2 connection begins (RFC 9113, 3.4); no HTTP/1.1 method is called so. */
const PREFACE = Buffer.from("PRI * HTTP/2.0\r\n");

/**
 * Calls back once with what the first bytes of a connection speak, having put them back; never where it closes before.
 * Whatever is not HTTP/2 is left to HTTP/1.1, which refuses what it does not understand.
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
