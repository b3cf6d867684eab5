import type { UniversalHandlerFn, UniversalServerRequest } from "@connectrpc/connect/protocol";
import { expect, it } from "vitest";
import { FlagService } from "../../../gen/helios/v1/flag_service_pb.ts";
import { strictJson } from "../../../src/server/http/strict-json.ts";

const MOST = 1000;

/** Reads a body through the check, as far as the sender has sent it. `ends`: whether the sender has sent everything. */
async function read(parts: readonly Buffer[], ends: boolean): Promise<Buffer> {
  async function* body(): AsyncGenerator<Uint8Array> {
    yield* parts;
    if (!ends) await new Promise(() => {});
  }
  const received: Uint8Array[] = [];
  const handler: UniversalHandlerFn = async (request) => {
    for await (const chunk of request.body as AsyncIterable<Uint8Array>) {
      received.push(chunk);
      if (Buffer.concat(received).length >= Buffer.concat(parts).length) break;
    }
    return { status: 200 };
  };
  const header = new Headers({ "content-type": "application/connect+json" });
  const request = { header, body: body() } as unknown as UniversalServerRequest;
  await strictJson(handler, FlagService.method.watchFlags, MOST)(request);
  return Buffer.concat(received);
}

const prefix = (length: number): Buffer => {
  const head = Buffer.alloc(5);
  head.writeUInt32BE(length, 1);
  return head;
};

it.each([
  ["in one part", [Buffer.concat([prefix(2 ** 32 - 1), Buffer.from("{}")])]],
  ["in single bytes", [...prefix(MOST + 1)].map((byte) => Buffer.of(byte))],
])("a message that announces too many bytes is passed on before it has arrived: %s", async (_, parts) => {
  expect(await read(parts, false)).toEqual(Buffer.concat(parts));
});

it("a message within the limit is passed on as a whole when it has been checked", async () => {
  const text = Buffer.from('{"names":["a"]}');
  const body = Buffer.concat([prefix(text.length), text]);
  expect(await read([body.subarray(0, 3), body.subarray(3, 9), body.subarray(9)], true)).toEqual(body);
  const deep = Buffer.from(`${"[".repeat(150)}${"]".repeat(150)}`);
  await expect(read([Buffer.concat([prefix(deep.length), deep])], true)).rejects.toThrow(/100/);
});
