import { Agent, type IncomingHttpHeaders, request } from "node:http";
import { type ClientHttp2Session, connect, constants } from "node:http2";

export const PREFIX_BYTES = 5;

export interface Sent {
  readonly httpVersion: "1.1" | "2";
  readonly path: string;
  readonly headers: Readonly<Record<string, string | readonly string[]>>;
  readonly body: Buffer;
  /** Stop reading after that many messages of a stream. */
  readonly messages?: number | undefined;
  /** Whether the end of the request is never sent. */
  readonly staysOpen?: boolean;
}

export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly trailers: Readonly<Record<string, unknown>>;
  readonly body: Buffer;
  /** Whether the server has reset the stream, closed the connection, or sent another length than it has announced. */
  readonly broken: boolean;
}

/** Sends requests as they are given, over one connection for each version of HTTP. */
export class Caller {
  readonly #url: string;
  readonly #session: ClientHttp2Session;
  readonly #agent = new Agent({ keepAlive: true });

  constructor(url: string) {
    this.#url = url;
    this.#session = connect(url, { maxSessionMemory: 256 });
    this.#session.on("error", () => {});
  }

  send(sent: Sent): Promise<Answer> {
    return sent.httpVersion === "2" ? this.#overHttp2(sent) : this.#overHttp1(sent);
  }

  close(): void {
    this.#session.destroy();
    this.#agent.destroy();
  }

  #overHttp2({ path, headers, body, messages, staysOpen }: Sent): Promise<Answer> {
    const stream = this.#session.request({ ":method": "POST", ":path": path, ...headers } as IncomingHttpHeaders);
    let [status, head, trailers, broken] = [0, {}, {}, false];
    let chunks: Buffer = Buffer.alloc(0);
    stream.on("response", (given) => {
      status = Number(given[":status"]);
      head = { ...given };
    });
    stream.on("trailers", (given) => {
      trailers = { ...given };
    });
    stream.on("data", (chunk: Buffer) => {
      chunks = Buffer.concat([chunks, chunk]);
      const end = messages === undefined ? undefined : endOf(chunks, messages);
      if (end === undefined) return;
      chunks = chunks.subarray(0, end);
      stream.close(constants.NGHTTP2_CANCEL);
    });
    // The rest of a refused request need not be sent.
    stream.on("end", () => stream.close(constants.NGHTTP2_CANCEL));
    stream.on("error", () => {
      broken = true;
    });
    if (staysOpen === true) stream.write(body);
    else stream.end(body);
    return new Promise((resolve) => {
      stream.on("close", () => {
        const announced = (head as IncomingHttpHeaders)["content-length"] ?? chunks.length;
        broken ||= Number(announced) !== chunks.length;
        resolve({ status, headers: head, trailers, body: chunks, broken });
      });
    });
  }

  #overHttp1({ path, headers, body, messages, staysOpen }: Sent): Promise<Answer> {
    return new Promise((resolve) => {
      const options = { method: "POST", headers: { ...headers } as Record<string, string>, agent: this.#agent };
      const asked = request(`${this.#url}${path}`, options, (response) => {
        let chunks: Buffer = Buffer.alloc(0);
        let end: number | undefined;
        response.on("data", (chunk: Buffer) => {
          chunks = Buffer.concat([chunks, chunk]);
          end = messages === undefined ? undefined : endOf(chunks, messages);
          if (end !== undefined) asked.destroy();
        });
        response.on("error", () => {});
        response.on("close", () => {
          if (staysOpen === true) asked.destroy();
          const { statusCode: status = 0, headers: head, trailers, complete } = response;
          resolve({
            status,
            headers: head,
            trailers,
            body: chunks.subarray(0, end),
            broken: end === undefined && !complete,
          });
        });
      });
      asked.on("error", () => resolve({ status: 0, headers: {}, trailers: {}, body: Buffer.alloc(0), broken: true }));
      if (staysOpen === true) asked.write(body);
      else asked.end(body);
    });
  }
}

/** Returns where the given number of messages ends, or undefined if they have not arrived. */
function endOf(bytes: Buffer, messages: number): number | undefined {
  let at = 0;
  for (let seen = 0; seen < messages; seen += 1) {
    if (bytes.length < at + PREFIX_BYTES) return undefined;
    at += PREFIX_BYTES + bytes.readUInt32BE(at + 1);
    if (bytes.length < at) return undefined;
  }
  return at;
}
