import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";

// A proxy in front of a server. It disturbs each connection at a given byte of HTTP/2 (RFC 9113).

/** The disturbance of one connection. */
export type Fate =
  /** No disturbance. */
  | { readonly kind: "pass" }
  /** A reset after that many bytes from the server; 0: as soon as it was accepted. */
  | { readonly kind: "reset"; readonly afterBytes: number }
  /** A reset in the first moment without a call. */
  | { readonly kind: "reset-idle" }
  /** That many GOAWAY frames, either with a call open, or in the first moment without one. */
  | {
      readonly kind: "goaway";
      readonly when: "open" | "idle" | "first";
      readonly code: number;
      readonly lastStreamId: number;
      readonly data?: string;
      readonly times?: number;
      /** What follows: nothing, the end of the connection, or its reset. */
      readonly after?: "end" | "reset";
    }
  /** These bytes instead of the server's first ones, or after its first answer. */
  | { readonly kind: "garbage"; readonly bytes: Buffer; readonly when: "first" | "open" }
  /** Accepted and never answered, and reset after this time. */
  | { readonly kind: "silent"; readonly ms: number };

export interface Front {
  readonly baseUrl: string;
  /** The number of disturbances that no connection has got yet. */
  readonly left: number;
  /** Connections that are open. */
  readonly open: number;
  /** The next connections get these disturbances, one each. Later ones pass. */
  meet(fates: readonly Fate[]): void;
  /** Ends all open connections. */
  cut(): void;
  close(): Promise<void>;
}

const HEADER_BYTES = 9;
const [DATA, HEADERS, RST_STREAM, GOAWAY] = [0x0, 0x1, 0x3, 0x7];
const END_STREAM = 0x1;

/** One frame. */
export function frame(type: number, flags: number, stream: number, payload: Buffer): Buffer {
  const header = Buffer.alloc(HEADER_BYTES);
  header.writeUIntBE(payload.length, 0, 3);
  header.writeUInt8(type, 3);
  header.writeUInt8(flags, 4);
  header.writeUInt32BE(stream, 5);
  return Buffer.concat([header, payload]);
}

export function goaway(lastStreamId: number, code: number, data = ""): Buffer {
  const numbers = Buffer.alloc(8);
  numbers.writeUInt32BE(lastStreamId, 0);
  numbers.writeUInt32BE(code, 4);
  return frame(GOAWAY, 0, 0, Buffer.concat([numbers, Buffer.from(data)]));
}

/** Calls back with each complete frame of its input, in order. */
export function splitter(onFrame: (whole: Buffer) => void, skip = 0): (chunk: Buffer) => void {
  let rest = Buffer.alloc(0);
  let left = skip;
  return (chunk) => {
    rest = Buffer.concat([rest, chunk]);
    const skipped = Math.min(left, rest.length);
    left -= skipped;
    rest = rest.subarray(skipped);
    while (rest.length >= HEADER_BYTES) {
      const length = HEADER_BYTES + rest.readUIntBE(0, 3);
      if (rest.length < length) return;
      onFrame(rest.subarray(0, length));
      rest = rest.subarray(length);
    }
  };
}

const PREFACE_BYTES = 24;
const OVERDUE_MS = 60;
/** A client may wait this long for bytes that it cannot read. */
const GARBAGE_MS = 200;

export async function startFront(port: () => number): Promise<Front> {
  const fates: Fate[] = [];
  const sockets = new Set<Socket>();
  const listener = createServer((client) => {
    sockets.add(client);
    client.on("error", () => {});
    client.on("close", () => sockets.delete(client));
    client.setNoDelay();
    const fate = fates.shift() ?? { kind: "pass" };
    if (fate.kind === "silent") {
      client.resume();
      setTimeout(() => client.resetAndDestroy(), fate.ms);
      return;
    }
    if (fate.kind === "reset" && fate.afterBytes === 0) return void client.resetAndDestroy();
    const server = connect(port(), "127.0.0.1");
    server.setNoDelay();
    server.on("error", () => client.destroy());
    server.on("close", () => client.end());
    client.on("close", () => server.destroy());
    const doom = doomOf(fate, client);
    // A connection that is never idle, or never used, is disturbed nevertheless.
    const due = doom && setTimeout(() => doom.strike(), OVERDUE_MS);
    client.on("close", () => clearTimeout(due));
    let bytes = 0;
    const open = new Set<number>();
    const ends = (whole: Buffer): boolean => {
      const [type = 0, flags = 0] = whole.subarray(3, 5);
      return type === RST_STREAM || ((type === DATA || type === HEADERS) && (flags & END_STREAM) !== 0);
    };
    const fromClient = splitter((whole) => {
      const id = whole.readUInt32BE(5);
      if (whole[3] === HEADERS) open.add(id);
      if (whole[3] === RST_STREAM) open.delete(id);
    }, PREFACE_BYTES);
    const fromServer = splitter((whole) => {
      const id = whole.readUInt32BE(5);
      if (doom?.when === "first" && fate.kind === "garbage") doom.strike();
      if (fate.kind !== "garbage" || !doom?.isDone()) client.write(whole);
      // The server's first frame must be its SETTINGS.
      if (doom?.when === "first") doom.strike();
      if (id === 0) return;
      if (ends(whole)) open.delete(id);
      if (doom?.when === "open" && open.size > 0) doom.strike();
      if (doom?.when === "idle" && open.size === 0) setTimeout(() => open.size === 0 && doom.strike(), 2);
    });
    client.on("data", (chunk: Buffer) => {
      if (doom !== undefined) fromClient(chunk);
      server.write(chunk);
    });
    server.on("data", (chunk: Buffer) => {
      // Garbage need not be HTTP/2.
      if (doom === undefined && fate.kind !== "reset") return void client.write(chunk);
      if (fate.kind !== "reset") return fromServer(chunk);
      client.write(chunk.subarray(0, fate.afterBytes - bytes));
      bytes += chunk.length;
      if (bytes >= fate.afterBytes) setImmediate(() => client.resetAndDestroy());
    });
  });
  listener.listen(0, "127.0.0.1");
  await once(listener, "listening");
  const address = listener.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  return {
    baseUrl: `http://127.0.0.1:${address.port}`,
    get left() {
      return fates.length;
    },
    get open() {
      return sockets.size;
    },
    meet: (more) => void fates.push(...more),
    cut() {
      for (const socket of sockets) socket.destroy();
    },
    async close() {
      const closed = once(listener, "close");
      listener.close();
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}

interface Doom {
  readonly when: "open" | "idle" | "first";
  /** Calls the function, once. */
  strike(): void;
  isDone(): boolean;
}

function doomOf(fate: Fate, client: Socket): Doom | undefined {
  let done = false;
  const once = (when: Doom["when"], act: () => void): Doom => ({
    when,
    isDone: () => done,
    strike() {
      if (done) return;
      done = true;
      act();
    },
  });
  if (fate.kind === "reset-idle") return once("idle", () => client.resetAndDestroy());
  if (fate.kind === "garbage")
    return once(fate.when, () => {
      client.write(fate.bytes);
      setTimeout(() => client.resetAndDestroy(), GARBAGE_MS);
    });
  if (fate.kind !== "goaway") return undefined;
  return once(fate.when, () => {
    for (let time = 0; time < (fate.times ?? 1); time += 1)
      client.write(goaway(fate.lastStreamId, fate.code, fate.data));
    if (fate.after === "end") client.end();
    if (fate.after === "reset") setImmediate(() => client.resetAndDestroy());
  });
}

const LAST_ID = 2 ** 31 - 1;

/** Every way in which a server can send GOAWAY. */
export function goaways(): Fate[] {
  const all: Fate[] = [];
  for (const when of ["idle", "open", "first"] as const)
    for (const code of [0, 1, 2, 11])
      for (const lastStreamId of [LAST_ID, 0, 1])
        for (const after of [undefined, "end", "reset"] as const)
          all.push({ kind: "goaway", when, code, lastStreamId, ...(after === undefined ? {} : { after }) });
  for (const when of ["idle", "open"] as const) {
    all.push({ kind: "goaway", when, code: 0, lastStreamId: LAST_ID, data: "maintenance", times: 3 });
    all.push({ kind: "goaway", when, code: 2, lastStreamId: 1, data: "x".repeat(1000), times: 3, after: "end" });
    all.push({ kind: "goaway", when, code: 11, lastStreamId: LAST_ID, data: "too_many_pings" });
  }
  return all;
}

/** The end of a connection at every moment. */
export function resets(step = 7, most = 420): Fate[] {
  const all: Fate[] = [{ kind: "reset-idle" }, { kind: "reset-idle" }];
  for (let afterBytes = 0; afterBytes <= most; afterBytes += step) all.push({ kind: "reset", afterBytes });
  return all;
}

/** Bytes that no HTTP/2 server sends. */
export function garbage(): Fate[] {
  const settings = Buffer.from([0, 4, 0xff, 0xff, 0xff, 0xff]);
  const all = [
    Buffer.from("HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n"),
    Buffer.alloc(64, 0xff),
    Buffer.alloc(64),
    frame(0x4, 0, 0, settings),
    frame(0x4, 0, 0, Buffer.alloc(5)),
    frame(0x8, 0, 0, Buffer.from([0x7f, 0xff, 0xff, 0xff])),
    frame(0x8, 0, 0, Buffer.alloc(4)),
    frame(0x5, 4, 1, Buffer.from([0, 0, 0, 2, 0x88])),
    frame(0x3, 0, 0, Buffer.alloc(4)),
    frame(0x3, 0, 1, Buffer.from([0, 0, 0, 11])),
    frame(0x9, 0, 1, Buffer.from([0x88])),
    frame(0x1, 4, 1, Buffer.from([0xff, 0xff, 0xff])),
    frame(0x1, 4, 2, Buffer.from([0x88])),
    frame(0x0, 1, 1, Buffer.from("not a message")),
    frame(0x0, 0, 99, Buffer.alloc(10)),
    frame(0x7, 0, 0, Buffer.alloc(3)),
    frame(0x6, 1, 0, Buffer.alloc(8)),
    frame(0x6, 0, 0, Buffer.alloc(3)),
  ];
  return all.flatMap((bytes) => [
    { kind: "garbage", bytes, when: "first" } as const,
    { kind: "garbage", bytes, when: "open" } as const,
  ]);
}
