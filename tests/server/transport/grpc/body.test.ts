import { Code, ConnectError } from "@connectrpc/connect";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { errorInfo } from "../../../../clients/typescript/src/index.ts";
import { RequestBody } from "../../../../src/server/transport/grpc/body.ts";

const MOST = 1000;

function enveloped(message: Uint8Array, flags = 0, length = message.length): Buffer {
  const head = Buffer.alloc(5);
  head[0] = flags;
  head.writeUInt32BE(length, 1);
  return Buffer.concat([head, message]);
}

/** Adds a body in parts of these sizes. Returns the message, or the error. */
function read(body: Buffer, sizes: readonly number[]): Buffer | ConnectError {
  const reader = new RequestBody(MOST);
  try {
    let at = 0;
    for (let part = 0; ; part += 1) {
      const end = Math.min(body.length, at + (sizes[part % Math.max(1, sizes.length)] ?? body.length));
      // The bytes belong to a chunk that is used again.
      const chunk = Buffer.from(body.subarray(at, end));
      const isLast = end === body.length;
      const result = reader.add(chunk, isLast);
      const kept = Buffer.isBuffer(result) ? Buffer.from(result) : result;
      chunk.fill(0xff);
      if (Buffer.isBuffer(kept)) return kept;
      expect(kept).toBeGreaterThanOrEqual(end);
      expect(kept).toBeLessThanOrEqual(2 * end);
      at = end;
    }
  } catch (error) {
    return ConnectError.from(error);
  }
}

const sizes = fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 5 });

describe("the body of a gRPC request", () => {
  it("is the same message however it is divided", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), sizes, (message, parts) => {
        expect(read(enveloped(message), parts)).toEqual(Buffer.from(message));
      }),
    );
  });

  it("is refused with the same code however it is divided, and nothing else is thrown", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), sizes, (bytes, parts) => {
        const body = Buffer.from(bytes);
        const [whole, divided] = [read(body, [body.length + 1]), read(body, parts)];
        expect(whole instanceof ConnectError).toBe(divided instanceof ConnectError);
        if (whole instanceof ConnectError && divided instanceof ConnectError) {
          // What is wrong at the beginning may be noticed before it is clear that the rest is wrong as well.
          if (body.length < 5 || body.readUInt32BE(1) <= MOST) expect(divided.code).toBe(whole.code);
        } else expect(divided).toEqual(whole);
      }),
    );
  });

  it.each<[string, Buffer, Code]>([
    ["nothing", Buffer.alloc(0), Code.Unimplemented],
    ["a part of the prefix", Buffer.from([0, 0]), Code.InvalidArgument],
    ["less than the announced length", enveloped(Buffer.alloc(3), 0, 4), Code.InvalidArgument],
    ["two messages", Buffer.concat([enveloped(Buffer.alloc(3)), enveloped(Buffer.alloc(0))]), Code.Unimplemented],
    ["a message above the limit", enveloped(Buffer.alloc(0), 0, MOST + 1), Code.ResourceExhausted],
    ["a length of 4 GiB", enveloped(Buffer.alloc(0), 0, 2 ** 32 - 1), Code.ResourceExhausted],
    ["unknown flags", enveloped(Buffer.alloc(0), 2), Code.Internal],
    ["nothing but unknown flags", Buffer.of(4), Code.Internal],
    ["a compressed message without the name of a compression", enveloped(Buffer.alloc(0), 1), Code.Internal],
  ])("is refused if it is %s", (_, body, code) => {
    expect(read(body, [body.length + 1])).toMatchObject({ code });
  });

  it("that is too large is refused as soon as its length has arrived", () => {
    const reader = new RequestBody(MOST);
    expect(() => reader.add(enveloped(Buffer.alloc(1), 0, MOST + 1), false)).toThrow(/message size 1001/);
  });

  it.each([1, 2, 255])("with the flags %s has a reason of its own, although gRPC requires INTERNAL", (flags) => {
    const error = read(enveloped(Buffer.alloc(0), flags), [9]);
    expect(errorInfo(error)?.reason).toBe("REQUEST_MALFORMED");
  });
});
