import { spawn } from "node:child_process";
import { once } from "node:events";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import { fileURLToPath } from "node:url";
import { frame, goaway, splitter } from "./front.ts";

// Every promise that a user may wait for, with peers that end a request in every possible way, without an
// answer or in the middle of it, and with peers that send nothing or do not exist.

const PROGRAM = fileURLToPath(new URL("../fixtures/waits/main.mjs", import.meta.url));

/** One of the waits of the program, with a client with these options. */
interface Wait {
  readonly name: string;
  readonly way: string;
  readonly options: object;
}

/** The behaviour of a peer for a request, whose stream has that id. The result runs after the client has disconnected. */
type End = (socket: Socket, id: number) => (() => void) | undefined;

const [DATA, HEADERS, RST_STREAM, SETTINGS, GOAWAY] = [0x0, 0x1, 0x3, 0x4, 0x7];
const END_HEADERS = 0x4;
/** An HTTP/1.1 request begins with POST. */
const PREFACE = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const LAST_ID = 2 ** 31 - 1;

function reset(code: number): End {
  const payload = Buffer.alloc(4);
  payload.writeUInt32BE(code);
  return (socket, id) => {
    socket.write(frame(RST_STREAM, 0, id, payload));
    return undefined;
  };
}

const leave =
  (code: number, lastStreamId: number, then: (socket: Socket) => unknown): End =>
  (socket) => {
    socket.write(goaway(lastStreamId, code));
    return () => void then(socket);
  };

/** Only over HTTP/2. */
const HTTP2_ENDS: readonly (readonly [string, End])[] = [
  ...[0, 1, 2, 5, 7, 8, 11, 99].map((code) => [`RST_STREAM ${code}`, reset(code)] as const),
  ...[0, 2].flatMap((code) =>
    [0, 1, LAST_ID].flatMap((last) => [
      [`GOAWAY ${code} ${last}, end`, leave(code, last, (socket) => socket.end())] as const,
      [`GOAWAY ${code} ${last}, reset`, leave(code, last, (socket) => socket.resetAndDestroy())] as const,
    ]),
  ),
];
const ENDS: readonly (readonly [string, End])[] = [
  ["end", (socket) => void socket.end()],
  ["reset", (socket) => void socket.resetAndDestroy()],
];
const SAYS_NOTHING: End = () => undefined;

interface Protocol {
  readonly options: object;
  readonly types: readonly [call: string, stream: string];
}

/** A protocol, and the beginning of its answers to calls and streams. */
export const PROTOCOLS: readonly Protocol[] = [
  { options: { protocol: "grpc" }, types: ["application/grpc+proto", "application/grpc+proto"] },
  { options: { protocol: "grpc-web" }, types: ["application/grpc-web+proto", "application/grpc-web+proto"] },
  { options: { protocol: "connect" }, types: ["application/proto", "application/connect+proto"] },
  {
    options: { protocol: "grpc-web", httpVersion: "1.1" },
    types: ["application/grpc-web+proto", "application/grpc-web+proto"],
  },
  { options: { protocol: "connect", httpVersion: "1.1" }, types: ["application/proto", "application/connect+proto"] },
];

/** The first bytes of a message that is not complete. */
const BEGUN = Buffer.from([0, 0, 0, 0, 100, 1]);

function answerHttp2(socket: Socket, id: number, type: string): void {
  // :status 200, and the content type as a literal.
  const headers = Buffer.concat([Buffer.from([0x88, 0x0f, 0x10, type.length]), Buffer.from(type)]);
  socket.write(Buffer.concat([frame(HEADERS, END_HEADERS, id, headers), frame(DATA, 0, id, BEGUN)]));
}

function answerHttp1(socket: Socket, type: string): void {
  socket.write(`HTTP/1.1 200 OK\r\ncontent-type: ${type}\r\ncontent-length: 1000\r\n\r\n`);
  socket.write(BEGUN);
}

/** Begins to answer if it knows the content type, and then behaves as given. */
function peer(end: End, type?: string): Server {
  const server = createServer((socket) => {
    socket.on("error", () => {});
    socket.setNoDelay();
    let then: (() => void) | undefined;
    const readHttp2 = splitter((whole) => {
      const id = whole.readUInt32BE(5);
      if (whole[3] === HEADERS) {
        if (type !== undefined) answerHttp2(socket, id, type);
        then = end(socket, id);
      }
      if (whole[3] === GOAWAY) then?.();
    }, PREFACE.length);
    socket.once("data", (first: Buffer) => {
      if (first[0] !== PREFACE.charCodeAt(0)) {
        if (type !== undefined) answerHttp1(socket, type);
        end(socket, 0);
        return;
      }
      socket.write(frame(SETTINGS, 0, 0, Buffer.alloc(0)));
      readHttp2(first);
      socket.on("data", readHttp2);
    });
  });
  return server.listen(0, "127.0.0.1");
}

export interface WaitReport {
  /** The number of waits. */
  readonly waits: number;
  /** The waits that were not settled at the end of the process, or after which something kept the process alive. */
  readonly lost: readonly string[];
  readonly code: number | null;
  readonly errors: string;
}

/** Lets a process of that Node wait for everything, with that client module, over each of these protocols. */
export async function waitForAll(node: string, module: string, protocols = PROTOCOLS): Promise<WaitReport> {
  const servers: Server[] = [];
  const waits: Wait[] = [];
  const listen = async (server: Server): Promise<string> => {
    servers.push(server);
    if (!server.listening) await once(server, "listening");
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  };
  const baseUrls = { silent: await listen(peer(SAYS_NOTHING)), absent: "http://127.0.0.1:1" };
  for (const { options, types } of protocols) {
    const ends = "httpVersion" in options ? ENDS : [...ENDS, ...HTTP2_ENDS];
    for (const [name, end] of ends)
      for (const [way, type] of [
        ["call", types[0]],
        ["stream", types[1]],
      ] as const)
        for (const begun of [undefined, type])
          waits.push({
            name: `${way} ${JSON.stringify(options)}, ${begun === undefined ? "" : "an answer, "}${name}`,
            way,
            options: { ...options, baseUrl: await listen(peer(end, begun)) },
          });
    for (const [way, peers] of WAYS)
      for (const [name, baseUrl] of Object.entries(baseUrls).filter(([name]) => peers.includes(name)))
        waits.push({ name: `${way} ${JSON.stringify(options)}, ${name}`, way, options: { ...options, baseUrl } });
  }
  try {
    const child = spawn(node, [PROGRAM, module, JSON.stringify(waits)], { stdio: ["ignore", "pipe", "pipe"] });
    const printed = { out: "", errors: "" };
    child.stdout.on("data", (chunk: Buffer) => {
      printed.out += chunk.toString();
    });
    child.stderr.on("data", (chunk: Buffer) => {
      printed.errors += chunk.toString();
    });
    const [code] = (await once(child, "close")) as [number | null];
    return {
      waits: waits.length,
      lost: printed.out.split("\n").filter((line) => line !== ""),
      code,
      errors: printed.errors,
    };
  } finally {
    for (const server of servers) server.close();
  }
}

/** The waits of the program, whether they end by themselves or by the caller, and the peers that they may have. */
const WAYS: readonly (readonly [way: string, peers: readonly string[]])[] = [
  ["call with a deadline", ["silent", "absent"]],
  ["call with a signal", ["silent", "absent"]],
  ["call and close()", ["silent", "absent"]],
  ["stream with a signal", ["silent", "absent"]],
  ["stream and close()", ["silent", "absent"]],
  ["watch with a signal", ["silent", "absent"]],
  ["watch whose signal is aborted when the loss of its stream is reported", ["absent"]],
  ["watch and return()", ["silent", "absent"]],
  ["breaker's call that never ends", ["silent", "absent"]],
  ["breaker's ready()", ["silent", "absent"]],
  ["breaker's ready() and close()", ["silent", "absent"]],
  ["breakers' close()", ["silent", "absent"]],
];
