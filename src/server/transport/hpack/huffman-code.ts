/**
 * RFC 7541, appendix B: the length in bits of each symbol's code, as a digit in base 36. The symbols are the bytes in order,
 * then EOS.
 */
const LENGTHS =
  "dnsssssssoussussssssssusssssssss6aacd68baa8b8666555666666678f6ca" +
  "d67777777777777777777777878djde6f56565666577666567655677777fbeds" +
  "kmkkmmmnmnnnnnonoomnonnnnlmnmnnomlkmmnnlnmmolmnnllmlnmnnkmmmnmmn" +
  "qqkjmnmpqqqrrqopjlqrrqrollqqsrrrkoklmllnmmppooqnqrqqrrrrrsrrrrrq" +
  "u";

/** The symbol that ends nothing in HPACK: a string that contains its code is invalid. */
export const EOS = 256;

export interface Code {
  readonly symbol: number;
  /** The code itself, in the lowest `bits` bits. */
  readonly code: number;
  readonly bits: number;
}

/** The codes, from the shortest to the longest. The code is canonical: each one follows from the one before it. */
export const CODES: readonly Code[] = (() => {
  const lengths = Array.from(LENGTHS, (digit, symbol) => ({ symbol, bits: Number.parseInt(digit, 36) }));
  let code = -1;
  let length = 0;
  return lengths
    .sort((a, b) => a.bits - b.bits || a.symbol - b.symbol)
    .map(({ symbol, bits }) => {
      code = (code + 1) << (bits - length);
      length = bits;
      return { symbol, code, bits };
    });
})();
