/** Thrown for a header block that violates RFC 7541. The connection must end with COMPRESSION_ERROR. */
export class HpackError extends Error {
  constructor(fault: string) {
    super(`the header block violates RFC 7541: ${fault}`);
    this.name = "HpackError";
  }
}
