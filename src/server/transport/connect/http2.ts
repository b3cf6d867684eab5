import type { DirectStream } from "../direct/stream.ts";
import { encodeBlock } from "../hpack/encoder.ts";
import type { UnaryExchange } from "./call.ts";

/** An exchange over a stream of HTTP/2. */
export class Http2Exchange implements UnaryExchange {
  readonly #stream: DirectStream;

  constructor(stream: DirectStream) {
    this.#stream = stream;
  }

  get connection(): object {
    return this.#stream.connection;
  }

  get peer(): string {
    return this.#stream.peer;
  }

  get waiting(): number {
    return this.#stream.waiting;
  }

  cut(): void {
    this.#stream.cut();
  }

  answer(status: number, fields: readonly string[], body: string | Uint8Array): void {
    const bytes = typeof body === "string" ? Buffer.from(body) : body;
    this.#stream.answer(encodeBlock([":status", String(status), ...fields]), bytes, undefined);
  }
}
