// The simplest correct server of the contract on node:http2: the events of each stream, and messages by protobuf-es. The
// frame of a change is encoded once, and written to each watcher.
// Argument: a port.
import { createServer, type IncomingHttpHeaders, type ServerHttp2Stream } from "node:http2";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import {
  EvaluateFlagRequestSchema,
  EvaluateFlagResponseSchema,
  SetPercentageRequestSchema,
  SetPercentageResponseSchema,
  WatchFlagsResponseSchema,
} from "../../gen/helios/v1/flag_service_pb.ts";
import { enveloped, opened } from "./envelope.ts";
import { EVALUATE_PATH, evaluate } from "./flag.ts";
import { CHANGE_PATH, setPercentage, snapshotFrame, WATCH_PATH } from "./watching.ts";

const [INVALID_ARGUMENT, NOT_FOUND, UNIMPLEMENTED] = ["3", "5", "12"];

const HEADERS = { ":status": 200, "content-type": "application/grpc+proto" };

const HANDLERS: Readonly<Record<string, (stream: ServerHttp2Stream, message: Uint8Array) => void>> = {
  [EVALUATE_PATH](stream, message) {
    const response = evaluate(fromBinary(EvaluateFlagRequestSchema, message));
    if (response === undefined) fail(stream, NOT_FOUND);
    else answer(stream, toBinary(EvaluateFlagResponseSchema, response));
  },
  [CHANGE_PATH](stream, message) {
    const { percentage = 0 } = fromBinary(SetPercentageRequestSchema, message);
    const { flag, frame } = setPercentage(percentage);
    const bytes = enveloped(toBinary(WatchFlagsResponseSchema, frame));
    for (const watcher of watchers) watcher.write(bytes);
    answer(stream, toBinary(SetPercentageResponseSchema, create(SetPercentageResponseSchema, { flag })));
  },
  [WATCH_PATH](stream) {
    stream.respond(HEADERS);
    stream.write(enveloped(toBinary(WatchFlagsResponseSchema, snapshotFrame())));
    watchers.add(stream);
    stream.on("close", () => watchers.delete(stream));
  },
};
const watchers = new Set<ServerHttp2Stream>();

function onStream(stream: ServerHttp2Stream, headers: IncomingHttpHeaders): void {
  stream.on("error", () => {});
  const handle = HANDLERS[headers[":path"] ?? ""];
  if (handle === undefined) {
    fail(stream, UNIMPLEMENTED);
    return;
  }
  const parts: Buffer[] = [];
  stream.on("data", (part: Buffer) => parts.push(part));
  stream.on("end", () => {
    try {
      const [first = Buffer.alloc(0)] = parts;
      handle(stream, opened(parts.length === 1 ? first : Buffer.concat(parts)));
    } catch {
      fail(stream, INVALID_ARGUMENT);
    }
  });
}

function answer(stream: ServerHttp2Stream, message: Uint8Array): void {
  stream.respond(HEADERS, { waitForTrailers: true });
  stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": "0" }));
  stream.end(enveloped(message));
}

function fail(stream: ServerHttp2Stream, code: string | undefined): void {
  stream.respond({ ...HEADERS, "grpc-status": code }, { endStream: true });
}

// Ten thousand streams on one connection take more memory than Node allows a connection by default.
const server = createServer({ maxSessionMemory: 1000 });
server.on("stream", onStream);
server.listen(Number(process.argv[2]), "127.0.0.1");
