/** Follows the messages of a stream. Each message has an envelope: a byte of flags, and four bytes for its length. */
export interface Envelopes {
  /** Adds bytes of the stream. Returns how many bytes of an incomplete message there are. */
  add(bytes: Uint8Array): number;
}

const HEAD_BYTES = 5;

/** `begins` is called for each message, with its flags and its place in the bytes that were added. */
export function createEnvelopes(begins: (flags: number, at: number) => void = () => {}): Envelopes {
  /** Bytes of the current envelope so far, and its total size as far as it is known. */
  let had = 0;
  let size = HEAD_BYTES;
  return {
    add(bytes) {
      let at = 0;
      while (at < bytes.length) {
        if (had < HEAD_BYTES) {
          // The length has its most significant byte first. It is below 2^32.
          if (had === 0) begins(bytes[at] ?? 0, at);
          else size += (bytes[at] ?? 0) * 2 ** (8 * (HEAD_BYTES - 1 - had));
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
