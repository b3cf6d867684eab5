/** Follows the messages of a stream, each of which comes in an envelope: a byte of flags, four of its length, itself. */
export interface Envelopes {
  /** More of the stream. Returns how many bytes there are by now of the message that has not ended. */
  add(bytes: Uint8Array): number;
}

const HEAD_BYTES = 5;

export function createEnvelopes(): Envelopes {
  /** Of the current envelope: bytes by now, and in all as far as it is known. */
  let had = 0;
  let size = HEAD_BYTES;
  return {
    add(bytes) {
      let at = 0;
      while (at < bytes.length) {
        if (had < HEAD_BYTES) {
          // The length, most significant byte first; it is below 2^32.
          if (had > 0) size += (bytes[at] ?? 0) * 2 ** (8 * (HEAD_BYTES - 1 - had));
          had += 1;
          at += 1;
        } else {
          const taken = Math.min(size - had, bytes.length - at);
          had += taken;
          at += taken;
        }
        if (had < HEAD_BYTES || had < size) continue;
        had = 0;
        size = HEAD_BYTES;
      }
      return had;
    },
  };
}
