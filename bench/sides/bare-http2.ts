// The simplest correct server of the contract on node:http2: the events of each stream, and messages by protobuf-es.
// Argument: a port.
import { createServer, type IncomingHttpHeaders, type ServerHttp2Stream } from "node:http2";
import { fromBinary, toBinary } from "@bufbuild/protobuf";
import { EvaluateFlagRequestSchema, EvaluateFlagResponseSchema } from "../../gen/helios/v1/flag_service_pb.ts";
import { enveloped, opened } from "./envelope.ts";
import { EVALUATE_PATH, evaluate } from "./flag.ts";

const [INVALID_ARGUMENT, NOT_FOUND, UNIMPLEMENTED] = ["3", "5", "12"];

const HEADERS = { ":status": 200, "content-type": "application/grpc+proto" };

function onStream(stream: ServerHttp2Stream, headers: IncomingHttpHeaders): void {
  stream.on("error", () => {});
  if (headers[":path"] !== EVALUATE_PATH) {
    fail(stream, UNIMPLEMENTED);
    return;
  }
  const parts: Buffer[] = [];
  stream.on("data", (part: Buffer) => parts.push(part));
  stream.on("end", () => answer(stream, parts));
}

function answer(stream: ServerHttp2Stream, parts: readonly Buffer[]): void {
  const response = evaluated(parts);
  if (response === undefined || response === "malformed") {
    fail(stream, response === undefined ? NOT_FOUND : INVALID_ARGUMENT);
    return;
  }
  stream.respond(HEADERS, { waitForTrailers: true });
  stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": "0" }));
  stream.end(enveloped(toBinary(EvaluateFlagResponseSchema, response)));
}

function evaluated(parts: readonly Buffer[]): ReturnType<typeof evaluate> | "malformed" {
  try {
    const [first = Buffer.alloc(0)] = parts;
    const bytes = parts.length === 1 ? first : Buffer.concat(parts);
    return evaluate(fromBinary(EvaluateFlagRequestSchema, opened(bytes)));
  } catch {
    return "malformed";
  }
}

function fail(stream: ServerHttp2Stream, code: string | undefined): void {
  stream.respond({ ...HEADERS, "grpc-status": code }, { endStream: true });
}

const server = createServer();
server.on("stream", onStream);
server.listen(Number(process.argv[2]), "127.0.0.1");
