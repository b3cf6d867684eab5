/** Takes a complete answer. The body is valid only during the call. */
export type TakeAnswer = (status: number, body: Buffer) => void;

const END_OF_HEAD = "\r\n\r\n";

/**
 * Returns a function that takes the bytes of an HTTP/1.1 connection as they arrive, and passes on each complete answer. It
 * reads bodies with a length and chunked ones. Throws for anything else.
 */
export function createAnswerReader(take: TakeAnswer): (bytes: Buffer) => void {
  let held: Buffer | undefined;
  return (arrived) => {
    let bytes = held === undefined ? arrived : Buffer.concat([held, arrived]);
    for (;;) {
      const end = bytes.indexOf(END_OF_HEAD);
      if (end === -1) break;
      const head = bytes.toString("latin1", 0, end);
      const body = bodyOf(head, bytes, end + END_OF_HEAD.length);
      if (body === undefined) break;
      bytes = bytes.subarray(body.end);
      take(Number(head.slice("HTTP/1.1 ".length, "HTTP/1.1 200".length)), body.bytes);
    }
    // The bytes that arrived may be overwritten after this call.
    held = bytes.length === 0 ? undefined : Buffer.from(bytes);
  };
}

interface Body {
  readonly bytes: Buffer;
  /** The place after the body. */
  readonly end: number;
}

/** Undefined if the body is not complete. */
function bodyOf(head: string, bytes: Buffer, start: number): Body | undefined {
  const length = /\r\ncontent-length: *(\d+)/i.exec(head)?.[1];
  if (length !== undefined) {
    const end = start + Number(length);
    return end > bytes.length ? undefined : { bytes: bytes.subarray(start, end), end };
  }
  if (!/\r\ntransfer-encoding: *chunked/i.test(head)) throw new Error(`an answer has no length: ${head}`);
  return chunked(bytes, start);
}

function chunked(bytes: Buffer, start: number): Body | undefined {
  const chunks: Buffer[] = [];
  for (let at = start; ; ) {
    const lineEnd = bytes.indexOf("\r\n", at);
    if (lineEnd === -1) return undefined;
    const size = Number.parseInt(bytes.toString("latin1", at, lineEnd), 16);
    if (Number.isNaN(size)) throw new Error("a chunk of an answer has no size");
    const end = lineEnd + 2 + size;
    if (end + 2 > bytes.length) return undefined;
    if (size === 0) return { bytes: Buffer.concat(chunks), end: end + 2 };
    chunks.push(bytes.subarray(lineEnd + 2, end));
    at = end + 2;
  }
}
