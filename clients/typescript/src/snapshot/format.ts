import { createHash, type Hash } from "node:crypto";
import { fromBinary, toBinary } from "@bufbuild/protobuf";
import { type Flag, FlagSchema } from "../../../../gen/helios/v1/flag_pb.ts";

// The format of the snapshot file. First comes one line of JSON, the head. Then follow the flags: each a length of 4 bytes
// (big endian) and a helios.v1.Flag. The file ends with the SHA-256 of everything before it.

const FORMAT = 1;
const LENGTH_BYTES = 4;
const DIGEST_BYTES = 32;
/** Size of the head of a snapshot file. A longer first line is no head. @limit bytes */
const MAX_HEAD_BYTES = 8192;
/** Flags that are encoded in one piece, between which other work goes on. */
const FLAGS_AT_ONCE = 200;

/** What a client knew when it wrote the file. */
export interface SnapshotHead {
  /** The address of the service. */
  readonly url: string;
  /** The identity of the service's store. Empty if it was not known. */
  readonly incarnation: string;
  /** The revision up to which the flags are known. */
  readonly revision: bigint;
  /** The token from which the watch of flags continues. */
  readonly resumeToken: string;
  /** Wall time in ms at which the service last confirmed the flags. */
  readonly confirmedAt: number;
}

export interface Snapshot extends SnapshotHead {
  readonly flags: readonly Flag[];
}

/** Returns the parts of the file, one after the other. */
export function* encodeSnapshot({ flags, ...head }: Snapshot): Generator<Uint8Array, void, undefined> {
  const hash = createHash("sha256");
  const hashed = (bytes: Uint8Array): Uint8Array => {
    hash.update(bytes);
    return bytes;
  };
  const line = { format: FORMAT, ...head, revision: String(head.revision), flags: flags.length };
  yield hashed(Buffer.from(`${JSON.stringify(line)}\n`));
  for (let at = 0; at < flags.length; at += FLAGS_AT_ONCE) {
    yield hashed(Buffer.concat(flags.slice(at, at + FLAGS_AT_ONCE).flatMap(encodeFlag)));
  }
  yield hash.digest();
}

function encodeFlag(flag: Flag): readonly Uint8Array[] {
  const bytes = toBinary(FlagSchema, flag);
  const length = Buffer.alloc(LENGTH_BYTES);
  length.writeUInt32BE(bytes.length);
  return [length, bytes];
}

/** Reads the file's content. Throws an Error that says what is wrong with it. */
export function decodeSnapshot(file: Buffer): Snapshot {
  const lineEnd = file.subarray(0, MAX_HEAD_BYTES).indexOf("\n");
  if (lineEnd < 0) throw new Error("it does not begin with a head");
  const { flags: count, ...head } = readHead(file.toString("utf8", 0, lineEnd));
  const end = file.length - DIGEST_BYTES;
  if (end <= lineEnd) throw new Error("it is cut off");
  if (!digestOf(createHash("sha256"), file.subarray(0, end)).equals(file.subarray(end))) {
    throw new Error("its checksum is wrong");
  }
  const flags: Flag[] = [];
  let at = lineEnd + 1;
  while (at < end) {
    const length = file.readUInt32BE(at);
    at += LENGTH_BYTES;
    flags.push(fromBinary(FlagSchema, file.subarray(at, at + length)));
    at += length;
  }
  if (flags.length !== count) throw new Error(`it has ${flags.length} flags instead of ${count}`);
  return { ...head, flags };
}

const digestOf = (hash: Hash, bytes: Buffer): Buffer => hash.update(bytes).digest();

function readHead(line: string): SnapshotHead & { readonly flags: number } {
  let head: Record<string, unknown>;
  try {
    head = JSON.parse(line) as Record<string, unknown>;
  } catch {
    throw new Error("its head is no JSON");
  }
  const { format, url, incarnation, revision, resumeToken, confirmedAt, flags } = head ?? {};
  if (format !== FORMAT) throw new Error(`it has the format ${String(format)}, and this client reads ${FORMAT}`);
  if (
    typeof url !== "string" ||
    typeof incarnation !== "string" ||
    typeof revision !== "string" ||
    !/^\d{1,19}$/.test(revision) ||
    typeof resumeToken !== "string" ||
    typeof confirmedAt !== "number" ||
    typeof flags !== "number"
  ) {
    throw new Error("its head lacks a member");
  }
  return { url, incarnation, revision: BigInt(revision), resumeToken, confirmedAt, flags };
}
