import { connect, type Socket } from "node:net";
import {
  createFrameReader,
  FLAG,
  frame,
  INITIAL_WINDOW,
  MAX_WINDOW,
  PREFACE,
  SETTING,
  settingsFrame,
  TYPE,
  windowUpdate,
} from "./frame.ts";
import { createHeaderDecoder, type Field } from "./header-decoder.ts";

/** What a server did on the streams of a connection. Bytes are valid only during the call. */
export interface StreamEvents {
  headers(streamId: number, verdict: Verdict, isEnd: boolean): void;
  data(streamId: number, bytes: Buffer, start: number, end: number, isEnd: boolean): void;
  reset(streamId: number, code: number): void;
  /** All frames that arrived together have been passed on. */
  idle(): void;
  /** The connection has ended, and why. */
  ended(problem: string): void;
}

/** ANSWER: headers of an answer with status 200. OK: the end of a call that succeeded. FAILED: any other headers. */
export type Verdict = "ANSWER" | "OK" | "FAILED";

/** One HTTP/2 connection that spends as little as possible on each frame. */
export interface Http2 {
  /** Size of the server's header table, and streams that it allows at a time, as it announced them. */
  readonly peer: { readonly tableBytes: number; readonly streams: number };
  /** Bytes of bodies that the server accepts now. The caller subtracts what it sends. */
  window: number;
  write(bytes: Uint8Array): void;
  close(): void;
}

const RECEIVED_BEFORE_UPDATE = 2 ** 20;

/** Resolves once the server's settings are known. */
export async function openHttp2(port: number, events: StreamEvents): Promise<Http2> {
  const verdictOf = createJudge();
  const peer = { tableBytes: 4096, streams: Number.POSITIVE_INFINITY };
  let received = 0;
  const ready = Promise.withResolvers<void>();

  const read = createFrameReader((type, flags, streamId, bytes, start, end) => {
    switch (type) {
      case TYPE.DATA:
        received += end - start;
        if ((flags & FLAG.PADDED) !== 0) throw new Error("the load does not read padded frames");
        events.data(streamId, bytes, start, end, (flags & FLAG.END_STREAM) !== 0);
        break;
      case TYPE.HEADERS: {
        if ((flags & (FLAG.PADDED | FLAG.PRIORITY)) !== 0 || (flags & FLAG.END_HEADERS) === 0)
          throw new Error("the load does not read padded, prioritized or split headers");
        events.headers(streamId, verdictOf(bytes, start, end), (flags & FLAG.END_STREAM) !== 0);
        break;
      }
      case TYPE.RST_STREAM:
        events.reset(streamId, bytes.readUInt32BE(start));
        break;
      case TYPE.SETTINGS:
        if ((flags & FLAG.ACK) !== 0) break;
        for (let at = start; at < end; at += 6) {
          const [id, value] = [bytes.readUInt16BE(at), bytes.readUInt32BE(at + 2)];
          if (id === SETTING.HEADER_TABLE_SIZE) peer.tableBytes = value;
          if (id === SETTING.MAX_CONCURRENT_STREAMS) peer.streams = value;
        }
        socket.write(frame(TYPE.SETTINGS, FLAG.ACK, 0, Buffer.alloc(0)));
        ready.resolve();
        break;
      case TYPE.PING:
        if ((flags & FLAG.ACK) === 0) socket.write(frame(TYPE.PING, FLAG.ACK, 0, bytes.subarray(start, end)));
        break;
      case TYPE.GOAWAY:
        throw new Error(`the server ends the connection with code ${bytes.readUInt32BE(start + 4)}`);
      case TYPE.WINDOW_UPDATE:
        if (streamId === 0) http2.window += bytes.readUInt32BE(start);
        break;
      case TYPE.CONTINUATION:
      case TYPE.PUSH_PROMISE:
        throw new Error(`the load does not read frames of type ${type}`);
    }
  });

  const socket = openSocket(port, (bytes) => {
    read(bytes);
    if (received >= RECEIVED_BEFORE_UPDATE) {
      socket.write(windowUpdate(0, received));
      received = 0;
    }
    events.idle();
  });
  const end = (problem: string): void => {
    ready.reject(new Error(problem));
    events.ended(problem);
  };
  socket.on("error", (error) => end(error.message));
  socket.on("close", () => end("the connection was closed"));
  const http2: Http2 = {
    peer,
    window: INITIAL_WINDOW,
    write: (bytes) => void socket.write(bytes),
    close: () => {
      socket.removeAllListeners("close");
      socket.destroy();
    },
  };
  socket.write(
    Buffer.concat([
      PREFACE,
      settingsFrame([
        [SETTING.ENABLE_PUSH, 0],
        [SETTING.INITIAL_WINDOW_SIZE, MAX_WINDOW],
      ]),
      windowUpdate(0, MAX_WINDOW - INITIAL_WINDOW),
    ]),
  );
  await ready.promise;
  return http2;
}

/** What arrives is handled before the next read, so all connections share it. */
const buffer = Buffer.allocUnsafeSlow(2 ** 18);

/** A connection whose bytes are read into a shared buffer. They are valid only during the call. An error closes it. */
export function openSocket(port: number, take: (bytes: Buffer) => void): Socket {
  const socket: Socket = connect({
    port,
    host: "127.0.0.1",
    noDelay: true,
    onread: {
      buffer,
      callback: (length) => {
        try {
          take(buffer.subarray(0, length));
        } catch (error) {
          socket.destroy(error instanceof Error ? error : new Error(String(error)));
        }
        return true;
      },
    },
  });
  return socket;
}

/** Judges header blocks. Equal blocks are decoded once, as long as the table stays as it is. */
function createJudge(): (bytes: Buffer, start: number, end: number) => Verdict {
  const decoder = createHeaderDecoder();
  const judged: { readonly block: Buffer; readonly verdict: Verdict }[] = [];
  let version = decoder.version;
  return (bytes, start, end) => {
    for (const { block, verdict } of judged) if (isEqual(block, bytes, start, end)) return verdict;
    const verdict = judge(decoder.decode(bytes, start, end));
    if (decoder.version !== version) {
      judged.length = 0;
      version = decoder.version;
    } else if (judged.length < 4) judged.push({ block: Buffer.from(bytes.subarray(start, end)), verdict });
    return verdict;
  };
}

function judge(fields: readonly Field[]): Verdict {
  const { ":status": status, "grpc-status": outcome } = Object.fromEntries(fields);
  if (status !== undefined && status !== "200") return "FAILED";
  if (outcome !== undefined) return outcome === "0" ? "OK" : "FAILED";
  return status === undefined ? "FAILED" : "ANSWER";
}

function isEqual(block: Buffer, bytes: Buffer, start: number, end: number): boolean {
  if (block.length !== end - start) return false;
  for (let at = 0; at < block.length; at += 1) if (block[at] !== bytes[start + at]) return false;
  return true;
}
