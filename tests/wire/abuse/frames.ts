/** The types of frames (RFC 9113, 6). */
export const DATA = 0;
export const HEADERS = 1;
export const PRIORITY = 2;
export const RST_STREAM = 3;
export const SETTINGS = 4;
export const PUSH_PROMISE = 5;
export const PING = 6;
export const GOAWAY = 7;
export const WINDOW_UPDATE = 8;
export const CONTINUATION = 9;

/** Flags of frames. */
export const ACK = 0x1;
export const END_STREAM = 0x1;
export const END_HEADERS = 0x4;
export const PADDED = 0x8;

export const HEAD_BYTES = 9;
export const PREFACE = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
export const NOTHING: Buffer = Buffer.alloc(0);

export type Field = readonly [name: string, value: string];

/** A frame as it is told, right or wrong. `length`: what the frame says of its length, if that is not true. */
export function frame(type: number, flags: number, stream: number, payload = NOTHING, length = payload.length): Buffer {
  const head = Buffer.alloc(HEAD_BYTES);
  head.writeUIntBE(length, 0, 3);
  head.writeUInt8(type, 3);
  head.writeUInt8(flags, 4);
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

export function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

export function setting(id: number, value: number): Buffer {
  return Buffer.concat([Buffer.of(0, id), uint32(value)]);
}

/**
 * A header block of literal fields without compression. It begins by setting the size of the table to 0, which a client must do
 * after it has acknowledged that the server allows no more (RFC 7541, 4.2).
 */
export function block(fields: readonly Field[]): Buffer {
  const literals = fields.flatMap(([name, value]) => [Buffer.of(0), string(name), string(value)]);
  return Buffer.concat([Buffer.of(0x20), ...literals]);
}

function string(text: string): Buffer {
  const bytes = Buffer.from(text, "latin1");
  const { length } = bytes;
  if (length < 0x7f) return Buffer.concat([Buffer.of(length), bytes]);
  const rest = length - 0x7f;
  if (rest >= 0x4000) throw new Error(`a string has at most ${0x4000 + 0x7f} bytes here, but has ${length}`);
  const size = rest < 0x80 ? [rest] : [(rest & 0x7f) | 0x80, rest >> 7];
  return Buffer.concat([Buffer.of(0x7f, ...size), bytes]);
}

/** A message of gRPC or Connect with its prefix. `length`: what the prefix says, if that is not true. */
export function message(content: Buffer, flags = 0, length = content.length): Buffer {
  return Buffer.concat([Buffer.of(flags), uint32(length), content]);
}
