import { FLAG, frame, TYPE } from "./frame.ts";
import type { Field } from "./header-decoder.ts";
import { headerBlocks } from "./request-headers.ts";

/** The prepared frames of gRPC requests on one connection: the first request has other headers than the later ones. */
export interface Templates {
  /** Bytes that the frames of a request take. */
  sizeOf(request: number, streamId: number): number;
  /** Writes the frames of a request for a stream. */
  write(request: number, streamId: number, out: Buffer, at: number): void;
  /** The same in bytes of their own. */
  for(request: number, streamId: number): Buffer;
}

/** `tableBytes`: the header table that the server announced. `requests`: messages with their length prefix. */
export function templatesOf(
  path: string,
  port: number,
  tableBytes: number,
  requests: readonly Uint8Array[],
): Templates {
  const blocks = headerBlocks(fieldsOf(path, `127.0.0.1:${port}`), tableBytes);
  const [first, next] = [framesOf(blocks.first, requests), framesOf(blocks.next, requests)];
  const chosen = (streamId: number) => (streamId === 1 ? first : next);
  const bytesOf = (request: number, streamId: number): Buffer => {
    const bytes = chosen(streamId).frames[request];
    if (bytes === undefined) throw new Error(`there is no request ${request}`);
    return bytes;
  };
  const write: Templates["write"] = (request, streamId, out, at) => {
    out.set(bytesOf(request, streamId), at);
    out.writeUInt32BE(streamId, at + ID_AT);
    out.writeUInt32BE(streamId, at + chosen(streamId).dataAt + ID_AT);
  };
  return {
    sizeOf: (request, streamId) => bytesOf(request, streamId).length,
    write,
    for(request, streamId) {
      const out = Buffer.allocUnsafe(bytesOf(request, streamId).length);
      write(request, streamId, out, 0);
      return out;
    },
  };
}

/** Place of the stream's id in the head of a frame. */
const ID_AT = 5;

function framesOf(block: Buffer, requests: readonly Uint8Array[]) {
  const headers = frame(TYPE.HEADERS, FLAG.END_HEADERS, 0, block);
  const frames = requests.map((request) => Buffer.concat([headers, frame(TYPE.DATA, FLAG.END_STREAM, 0, request)]));
  return { frames, dataAt: headers.length };
}

function fieldsOf(path: string, authority: string): Field[] {
  return [
    [":method", "POST"],
    [":scheme", "http"],
    [":path", path],
    [":authority", authority],
    ["content-type", "application/grpc"],
    ["te", "trailers"],
    ["user-agent", "helios-bench"],
  ];
}
