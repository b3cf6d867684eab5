import type { IncomingMessage, ServerResponse } from "node:http";
import type { Clock } from "../../../core/index.ts";
import type { RequestHead } from "../direct/head.ts";
import { readHead } from "../direct/head.ts";
import type { StreamReader } from "../direct/stream.ts";
import { connectionOf, peerOf, socketOf } from "../peer.ts";
import type { RequestHandler } from "../request-handler.ts";
import { discardRest } from "../rest-of-request.ts";
import type { UnaryExchange } from "./call.ts";

type Request = Parameters<RequestHandler>[0];
type Response = Parameters<RequestHandler>[1];

const NOTHING = Buffer.alloc(0);

/** Fields that HTTP/1.1 has, and that mean nothing for a call. */
const OF_CONNECTIONS: ReadonlySet<string> = new Set(["host", "connection", "keep-alive", "transfer-encoding"]);

/** Returns the head of a plain POST request, as `readHead` does for HTTP/2, or undefined. */
export function headOf({ httpVersion, method, url = "", rawHeaders }: Request): RequestHead | undefined {
  if (httpVersion !== "1.1" || method !== "POST") return undefined;
  const fields: string[] = [];
  let host: string | undefined;
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = (rawHeaders[at] ?? "").toLowerCase();
    const value = rawHeaders[at + 1] ?? "";
    if (name === "host") {
      if (host !== undefined) return undefined;
      host = value;
    } else if (!OF_CONNECTIONS.has(name)) fields.push(name, value);
  }
  if (host === undefined || host === "") return undefined;
  const pseudo = [":method", "POST", ":path", url, ":scheme", "http", ":authority", host];
  return readHead([...pseudo, ...fields]);
}

/** An exchange over HTTP/1.1. */
export class Http1Exchange implements UnaryExchange {
  readonly connection: object;
  readonly peer: string;
  readonly #request: IncomingMessage;
  readonly #response: ServerResponse;
  readonly #clock: Clock;
  #reader: StreamReader | undefined;

  constructor(request: Request, response: Response, clock: Clock) {
    this.connection = connectionOf(request);
    this.peer = peerOf(socketOf(request) ?? {});
    this.#request = request as IncomingMessage;
    this.#response = response as ServerResponse;
    this.#clock = clock;
  }

  get waiting(): number {
    return this.#response.writableLength;
  }

  /** Passes the body of the request to the call. */
  feed(reader: StreamReader): void {
    this.#reader = reader;
    const request = this.#request;
    const response = this.#response;
    request.on("data", (bytes: Buffer) => reader.data(bytes, false));
    request.once("end", () => reader.data(NOTHING, true));
    request.on("error", () => {});
    response.on("error", () => {});
    response.once("close", () => {
      if (response.writableFinished) reader.sent();
      else reader.closed();
    });
  }

  cut(): void {
    this.#response.destroy();
  }

  answer(status: number, fields: readonly string[], body: string | Uint8Array): void {
    const response = this.#response;
    if (response.destroyed) return;
    response.writeHead(status, fields as string[]);
    // Node sends a text together with the head, but bytes in a part of their own.
    response.end(body);
    if (response.writableLength > 0) this.#reader?.blocked();
    discardRest(this.#request, this.#clock);
  }
}
