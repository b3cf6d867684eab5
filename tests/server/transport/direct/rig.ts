import { type Clock, createManualClock } from "../../../../src/core/index.ts";
import { DirectConnection } from "../../../../src/server/transport/direct/connection.ts";
import { FRAME_HEAD_BYTES } from "../../../../src/server/transport/direct/frames.ts";
import type { Accept, DirectStream, StreamReader } from "../../../../src/server/transport/direct/stream.ts";
import { HpackDecoder } from "../../../../src/server/transport/hpack/decoder.ts";
import { encodeBlock } from "../../../../src/server/transport/hpack/encoder.ts";

export interface Frame {
  readonly type: number;
  readonly flags: number;
  readonly stream: number;
  readonly payload: Buffer;
}

/** Splits bytes into frames. */
export function framesIn(bytes: Buffer): readonly Frame[] {
  const frames: Frame[] = [];
  for (let at = 0; at < bytes.length; ) {
    const end = at + FRAME_HEAD_BYTES + bytes.readUIntBE(at, 3);
    frames.push({
      type: bytes[at + 3] ?? 0,
      flags: bytes[at + 4] ?? 0,
      stream: bytes.readUInt32BE(at + 5),
      payload: bytes.subarray(at + FRAME_HEAD_BYTES, end),
    });
    at = end;
  }
  return frames;
}

/** What a stream's reader was told. */
export interface Heard {
  readonly stream: DirectStream;
  readonly body: Buffer[];
  readonly events: string[];
}

export const HEAD = [
  ...[":method", "POST", ":scheme", "http", ":path", "/a/b", ":authority", "localhost"],
  ...["content-type", "application/grpc", "te", "trailers"],
] as const;
export const REQUEST = encodeBlock(HEAD);

/** A connection with a socket that takes everything, unless the test says otherwise. */
export function connectionRig(
  accepts: (path: string) => boolean = () => true,
  clockOf: (clock: Clock) => Clock = (clock) => clock,
) {
  const clock = createManualClock();
  const written: Buffer[] = [];
  const heard: Heard[] = [];
  const refusals: number[] = [];
  const socket = { writableLength: 0, resets: Number.POSITIVE_INFINITY };
  const accept: Accept = ({ path }) => (accepts(path) ? begin : undefined);
  const begin = (stream: DirectStream): StreamReader => {
    const one: Heard = { stream, body: [], events: [] };
    heard.push(one);
    return {
      data(bytes, isLast) {
        one.body.push(Buffer.from(bytes));
        if (isLast) one.events.push("end");
      },
      closed: () => void one.events.push("closed"),
      drained: () => void one.events.push("drained"),
      blocked: () => void one.events.push("blocked"),
      sent: () => void one.events.push("sent"),
    };
  };
  const direct = new DirectConnection({
    accept,
    sink: {
      write: (bytes) => void written.push(bytes),
      get waiting() {
        return socket.writableLength;
      },
      drained() {},
    },
    clock: clockOf(clock),
    peer: "127.0.0.1:1",
    mayReset: () => --socket.resets >= 0,
    refuse: (code) => void refusals.push(code),
  });
  direct.settingsSent();
  const decoder = new HpackDecoder();
  const taken = (): readonly Frame[] => framesIn(Buffer.concat(written.splice(0)));
  return {
    direct,
    clock,
    heard,
    refusals,
    socket,
    /** Begins a stream, and returns what its reader hears. */
    open(id: number, isLast = true): Heard {
      direct.headers(id, REQUEST, isLast);
      const one = heard.find(({ stream }) => stream.id === id);
      if (one === undefined) throw new Error(`stream ${id} was not accepted`);
      return one;
    },
    /** The frames that were sent since the last call. */
    sent(): readonly Frame[] {
      direct.flush();
      return taken();
    },
    /** The same, without those that a flush would send now. */
    taken,
    fieldsOf: ({ payload }: Frame): readonly string[] => decoder.decode(payload).fields,
  };
}
