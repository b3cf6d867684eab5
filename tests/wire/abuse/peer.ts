import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { HpackDecoder } from "../../../src/server/transport/hpack/decoder.ts";
import {
  ACK,
  CONTINUATION,
  DATA,
  END_HEADERS,
  END_STREAM,
  frame,
  GOAWAY,
  HEAD_BYTES,
  HEADERS,
  NOTHING,
  PING,
  PREFACE,
  RST_STREAM,
  SETTINGS,
  WINDOW_UPDATE,
} from "./frames.ts";

/** What the server has sent on one stream. */
export interface Answer {
  readonly headers: Readonly<Record<string, string>>;
  readonly trailers: Readonly<Record<string, string>>;
  readonly data: Buffer;
  /** The code of RST_STREAM. Undefined if the server has not reset the stream. */
  readonly reset: number | undefined;
  readonly isEnded: boolean;
}

/** A client over HTTP/2 that writes any bytes, and reads what the server says about them. */
export interface Peer {
  write(...frames: readonly Buffer[]): void;
  answer(stream: number): Answer;
  /** Resolves when the condition holds, or the connection is closed. */
  until(isSo: () => boolean): Promise<void>;
  /** Resolves to the answer when the stream has ended, or the connection is closed. */
  settled(stream: number): Promise<Answer>;
  /** Resolves when the server has answered a PING: it has read everything that was written before. */
  heard(): Promise<void>;
  /** Bytes by which the server has widened the window of a stream, or (0) of the connection. */
  given(stream: number): number;
  /** The last stream of GOAWAY. Undefined if the server has not sent it. */
  readonly lastStream: number | undefined;
  /** The code of GOAWAY. Undefined if the server has not sent it. */
  readonly goaway: number | undefined;
  readonly isClosed: boolean;
  /** Writes nothing more, and goes on reading. */
  end(): void;
  /** Cuts the connection. */
  destroy(): void;
  /** Cuts the connection by a reset, so that the server's next write fails. */
  reset(): void;
}

type Draft = { -readonly [K in keyof Answer]: Answer[K] };

/** Connects, and begins with the preface and these SETTINGS. `isReading`: whether it ever reads what the server sends. */
export async function createPeer(port: number, settings = NOTHING, isReading = true): Promise<Peer> {
  const socket = connect(port, "127.0.0.1");
  await once(socket, "connect");
  return peerOn(socket, settings, isReading);
}

/** The same on a connection that is open. */
export function peerOn(socket: Socket, settings = NOTHING, isReading = true): Peer {
  const decoder = new HpackDecoder();
  const streams = new Map<number, Draft>();
  const waiting = new Set<() => void>();
  let [pending, blocks]: [Buffer, Buffer] = [NOTHING, NOTHING];
  let [goaway, lastStream]: (number | undefined)[] = [];
  let isClosed = false;
  let pongs = 0;
  const given = new Map<number, number>();

  const draftOf = (stream: number): Draft => {
    const draft = streams.get(stream) ?? { headers: {}, trailers: {}, data: NOTHING, reset: undefined, isEnded: false };
    streams.set(stream, draft);
    return draft;
  };
  const takeBlock = (stream: number): void => {
    const { fields } = decoder.decode(blocks);
    const read = Object.fromEntries(
      fields.flatMap((name, index) => (index % 2 === 0 ? [[name, fields[index + 1] ?? ""] as const] : [])),
    );
    const draft = draftOf(stream);
    if (Object.keys(draft.headers).length === 0) draft.headers = read;
    else draft.trailers = read;
  };
  /** Not after `end`. */
  const acknowledge = (bytes: Buffer): void => void (socket.writable && socket.write(bytes));
  const take = (type: number, flags: number, stream: number, payload: Buffer): void => {
    if (type === HEADERS || type === CONTINUATION) {
      blocks = type === HEADERS ? payload : Buffer.concat([blocks, payload]);
      if ((flags & END_HEADERS) !== 0) takeBlock(stream);
    }
    if (type === DATA) draftOf(stream).data = Buffer.concat([draftOf(stream).data, payload]);
    if ((type === HEADERS || type === DATA) && (flags & END_STREAM) !== 0) draftOf(stream).isEnded = true;
    if (type === RST_STREAM) Object.assign(draftOf(stream), { reset: payload.readUInt32BE(0), isEnded: true });
    if (type === WINDOW_UPDATE) given.set(stream, (given.get(stream) ?? 0) + payload.readUInt32BE(0));
    if (type === GOAWAY) [lastStream, goaway] = [payload.readUInt32BE(0), payload.readUInt32BE(4)];
    if (type === SETTINGS && (flags & ACK) === 0) acknowledge(frame(SETTINGS, ACK, 0));
    if (type === PING && (flags & ACK) === 0) acknowledge(frame(PING, ACK, 0, payload));
    if (type === PING && (flags & ACK) !== 0) pongs += 1;
  };
  const look = (): void => {
    for (const one of [...waiting]) one();
  };
  const read = (bytes: Buffer): void => {
    pending = Buffer.concat([pending, bytes]);
    while (pending.length >= HEAD_BYTES && pending.length >= HEAD_BYTES + pending.readUIntBE(0, 3)) {
      const end = HEAD_BYTES + pending.readUIntBE(0, 3);
      const [head, payload] = [pending.subarray(0, HEAD_BYTES), pending.subarray(HEAD_BYTES, end)];
      pending = pending.subarray(end);
      take(head.readUInt8(3), head.readUInt8(4), head.readUInt32BE(5), payload);
    }
    look();
  };
  if (isReading) socket.on("data", read);
  socket.on("error", () => socket.destroy());
  socket.on("close", () => {
    isClosed = true;
    look();
  });

  const until = (isSo: () => boolean): Promise<void> =>
    new Promise((resolve) => {
      const one = (): void => {
        if (!isSo() && !isClosed) return;
        waiting.delete(one);
        resolve();
      };
      waiting.add(one);
      one();
    });
  const write = (...frames: readonly Buffer[]): void => void socket.write(Buffer.concat(frames));
  write(PREFACE, frame(SETTINGS, 0, 0, settings));
  return {
    write,
    until,
    answer: draftOf,
    given: (stream) => given.get(stream) ?? 0,
    async settled(stream) {
      await until(() => draftOf(stream).isEnded);
      return draftOf(stream);
    },
    async heard() {
      const before = pongs;
      write(frame(PING, 0, 0, Buffer.alloc(8)));
      await until(() => pongs > before);
    },
    get lastStream() {
      return lastStream;
    },
    get goaway() {
      return goaway;
    },
    get isClosed() {
      return isClosed;
    },
    end: () => socket.end(),
    destroy: () => socket.destroy(),
    reset: () => socket.resetAndDestroy(),
  };
}
