import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createAnswerReader } from "../../../bench/load/http1.ts";

const plain = (status: number, body: string): string =>
  `HTTP/1.1 ${status} Some Text\r\ncontent-type: text/plain\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`;
const chunked = (status: number, chunks: readonly string[]): string =>
  `HTTP/1.1 ${status} OK\r\nTransfer-Encoding: chunked\r\n\r\n${[...chunks, ""]
    .map((chunk) => `${Buffer.byteLength(chunk).toString(16)}\r\n${chunk}\r\n`)
    .join("")}`;

const statuses = fc.integer({ min: 200, max: 599 });
const texts = fc.string({ unit: "binary", maxLength: 40 });
const answers = fc.array(
  fc.oneof(
    fc.tuple(statuses, texts).map(([status, body]) => ({ status, body, sent: plain(status, body) })),
    fc
      .tuple(statuses, fc.array(texts.filter((text) => text !== "")))
      .map(([status, chunks]) => ({ status, body: chunks.join(""), sent: chunked(status, chunks) })),
  ),
);

describe("a reader of HTTP/1.1 answers", () => {
  it("passes on every answer, wherever the bytes are cut, even if their buffer is used again", () => {
    fc.assert(
      fc.property(answers, fc.array(fc.integer({ min: 1, max: 30 }), { minLength: 1 }), (all, cuts) => {
        const bytes = Buffer.from(all.map(({ sent }) => sent).join(""));
        const read: unknown[] = [];
        const take = createAnswerReader((status, body) => read.push({ status, body: body.toString() }));
        const buffer = Buffer.alloc(30);
        for (let at = 0, turn = 0; at < bytes.length; turn += 1) {
          const length = bytes.copy(buffer, 0, at, at + (cuts[turn % cuts.length] ?? 1));
          take(buffer.subarray(0, length));
          buffer.fill(0xff);
          at += length;
        }
        expect(read).toEqual(all.map(({ status, body }) => ({ status, body })));
      }),
    );
  });

  it("refuses an answer without a length", () => {
    const take = createAnswerReader(() => {});
    expect(() => take(Buffer.from("HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n"))).toThrow("has no length");
  });
});
