// The bucketing of version 1. It must never change, because a user whose bucket changes would see a feature go on or off.

/** Buckets are 0 to 99,999: one for each thousandth of a per cent. */
export const BUCKETS = 100_000;

/** Hashes a text that begins with a fixed prefix, given the rest of the text. */
export type PrefixedHash = (rest: string) => number;

/**
 * `murmur3_x86_32` (Austin Appleby, MurmurHash3, public domain) over the UTF-8 bytes of `prefix + rest`, as an unsigned
 * 32-bit integer. The prefix is hashed once; hashing a rest allocates nothing. A lone surrogate is hashed as U+FFFD, as
 * every encoder writes it. A surrogate pair must not be split between the two.
 */
export function prefixedMurmur3(prefix: string, seed = 0): PrefixedHash {
  // The same loop serves both: the prefix is run through it without the final mix.
  const begun = absorb(prefix, { hash: seed | 0, pending: 0, bits: 0, length: 0 });
  return (rest) => continued(begun, rest);
}

/** The hash of the text of `begun`, which stays as it is, with `rest` added. */
function continued({ hash, pending, bits, length }: State, rest: string): number {
  scratch.hash = hash;
  scratch.pending = pending;
  scratch.bits = bits;
  scratch.length = length;
  return finish(absorb(rest, scratch));
}

/** The same hash of a long text that is given in parts. No surrogate pair may be split between two parts. */
export function murmur3InParts(seed: number): { add(part: string): void; sum(): number } {
  const state = { hash: seed | 0, pending: 0, bits: 0, length: 0 };
  return { add: (part) => void absorb(part, state), sum: () => finish(state) };
}

/** Scales a 32-bit hash to a bucket: `(hash × 100000) >> 32`, in 32-bit integers. */
export function scaleToBucket(hash: number): number {
  // 100000 = 3125 × 2^5, so this is (hash × 3125) >> 27; with the factor split at 16 bits nothing exceeds 2^28.
  return (Math.imul(hash >>> 16, 3125) + (Math.imul(hash & 0xffff, 3125) >>> 16)) >>> 11;
}

/** The seed of the hash that chooses a variant. It differs from the other seed, so that variant and share are independent. */
export const VARIANT_SEED = 1;

/** The function from a bucketing key to its bucket, for one salt: the hash of `salt + ":" + key`, scaled. */
export function bucketing(salt: string, seed = 0): (key: string) => number {
  const begun = absorb(`${salt}:`, { hash: seed | 0, pending: 0, bits: 0, length: 0 });
  return (key) => scaleToBucket(continued(begun, key));
}

interface State {
  hash: number;
  /** The bytes that do not fill a block of four yet, the first in the lowest bits. */
  pending: number;
  bits: number;
  /** The number of all bytes. */
  length: number;
}

/** The state of the hash that is computed now. One serves all hashes, so that a prepared hash takes little memory. */
const scratch: State = { hash: 0, pending: 0, bits: 0, length: 0 };

/** Returns `state`, with the text added. */
function absorb(text: string, state: State): State {
  let { hash, pending, bits, length } = state;
  for (let at = 0; at < text.length; at++) {
    let code = text.charCodeAt(at);
    let bytes = code;
    let size = 8;
    if (code >= 0xd800 && code <= 0xdfff) {
      const low = code < 0xdc00 && at + 1 < text.length ? text.charCodeAt(at + 1) : 0;
      if (low >= 0xdc00 && low <= 0xdfff) {
        code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
        at++;
      } else {
        code = 0xfffd;
      }
    }
    if (code >= 0x10000) {
      bytes = 0x808080f0 | (code >>> 18) | ((code & 0x3f000) >>> 4) | ((code & 0xfc0) << 10) | ((code & 0x3f) << 24);
      size = 32;
    } else if (code >= 0x800) {
      bytes = 0x8080e0 | (code >>> 12) | ((code & 0xfc0) << 2) | ((code & 0x3f) << 16);
      size = 24;
    } else if (code >= 0x80) {
      bytes = 0x80c0 | (code >>> 6) | ((code & 0x3f) << 8);
      size = 16;
    }
    length += size >>> 3;
    pending |= bytes << bits;
    bits += size;
    if (bits >= 32) {
      hash = (Math.imul(rotate(hash ^ scramble(pending), 13), 5) + 0xe6546b64) | 0;
      bits -= 32;
      // A shift by 32 does nothing, so that the empty rest needs a case of its own.
      pending = bits === 0 ? 0 : bytes >>> (size - bits);
    }
  }
  state.hash = hash;
  state.pending = pending;
  state.bits = bits;
  state.length = length;
  return state;
}

function finish({ hash, pending, bits, length }: State): number {
  let mixed = bits === 0 ? hash : hash ^ scramble(pending);
  mixed ^= length;
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return (mixed ^ (mixed >>> 16)) >>> 0;
}

function scramble(block: number): number {
  return Math.imul(rotate(Math.imul(block, 0xcc9e2d51), 15), 0x1b873593);
}

function rotate(word: number, by: number): number {
  return (word << by) | (word >>> (32 - by));
}
