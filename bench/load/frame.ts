/** Types, flags and settings of HTTP/2 frames (RFC 9113). */
export const TYPE = {
  DATA: 0,
  HEADERS: 1,
  RST_STREAM: 3,
  SETTINGS: 4,
  PUSH_PROMISE: 5,
  PING: 6,
  GOAWAY: 7,
  WINDOW_UPDATE: 8,
  CONTINUATION: 9,
} as const;
export const FLAG = { END_STREAM: 1, ACK: 1, END_HEADERS: 4, PADDED: 8, PRIORITY: 32 } as const;
export const SETTING = {
  HEADER_TABLE_SIZE: 1,
  ENABLE_PUSH: 2,
  MAX_CONCURRENT_STREAMS: 3,
  INITIAL_WINDOW_SIZE: 4,
} as const;
export const FRAME_HEADER = 9;
/** The largest window that a peer may be given, in bytes. */
export const MAX_WINDOW = 2 ** 31 - 1;
/** The window of a connection and of a stream until a peer announces another one, in bytes. */
export const INITIAL_WINDOW = 65_535;
export const PREFACE = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");

export function frame(type: number, flags: number, streamId: number, payload: Uint8Array): Buffer {
  const bytes = Buffer.alloc(FRAME_HEADER + payload.length);
  bytes.writeUIntBE(payload.length, 0, 3);
  bytes[3] = type;
  bytes[4] = flags;
  bytes.writeUInt32BE(streamId, 5);
  bytes.set(payload, FRAME_HEADER);
  return bytes;
}

export function settingsFrame(settings: readonly (readonly [id: number, value: number])[]): Buffer {
  const payload = Buffer.alloc(6 * settings.length);
  for (const [index, [id, value]] of settings.entries()) {
    payload.writeUInt16BE(id, 6 * index);
    payload.writeUInt32BE(value, 6 * index + 2);
  }
  return frame(TYPE.SETTINGS, 0, 0, payload);
}

export function windowUpdate(streamId: number, bytes: number): Buffer {
  const payload = Buffer.alloc(4);
  payload.writeUInt32BE(bytes);
  return frame(TYPE.WINDOW_UPDATE, 0, streamId, payload);
}

/** Takes a frame. The payload lies between two positions of the bytes, which are valid only during the call. */
export type TakeFrame = (
  type: number,
  flags: number,
  streamId: number,
  bytes: Buffer,
  start: number,
  end: number,
) => void;

/** Returns a function that takes the bytes of a connection as they arrive, and passes on each complete frame. */
export function createFrameReader(take: TakeFrame): (bytes: Buffer) => void {
  let held: Buffer | undefined;
  return (arrived) => {
    const bytes = held === undefined ? arrived : Buffer.concat([held, arrived]);
    let at = 0;
    while (bytes.length - at >= FRAME_HEADER) {
      const length = ((bytes[at] ?? 0) << 16) | ((bytes[at + 1] ?? 0) << 8) | (bytes[at + 2] ?? 0);
      const start = at + FRAME_HEADER;
      if (bytes.length - start < length) break;
      const streamId =
        (((bytes[at + 5] ?? 0) & 127) << 24) |
        ((bytes[at + 6] ?? 0) << 16) |
        ((bytes[at + 7] ?? 0) << 8) |
        (bytes[at + 8] ?? 0);
      take(bytes[at + 3] ?? 0, bytes[at + 4] ?? 0, streamId, bytes, start, start + length);
      at = start + length;
    }
    // The bytes that arrived may be overwritten after this call.
    held = at === bytes.length ? undefined : Buffer.from(bytes.subarray(at));
  };
}
