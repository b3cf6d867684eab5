/** Bytes before a gRPC message: whether it is compressed, and its length. */
export const PREFIX = 5;

/** A message as gRPC sends it. */
export function enveloped(message: Uint8Array): Buffer {
  const bytes = Buffer.allocUnsafe(PREFIX + message.length);
  bytes[0] = 0;
  bytes.writeUInt32BE(message.length, 1);
  bytes.set(message, PREFIX);
  return bytes;
}

/** The only message of a call. Throws for anything else. */
export function opened(bytes: Buffer): Uint8Array {
  if (bytes.length < PREFIX || bytes[0] !== 0 || bytes.readUInt32BE(1) !== bytes.length - PREFIX)
    throw new Error("expected one uncompressed message");
  return bytes.subarray(PREFIX);
}
