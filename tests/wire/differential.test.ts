import { constants } from "node:http2";
import { createRegistry, type DescMethod, fromJson, toBinary } from "@bufbuild/protobuf";
import fc from "fast-check";
import { afterAll, beforeAll, expect, it } from "vitest";
import { Health } from "../../gen/grpc/health/v1/health_pb.ts";
import { BreakerService } from "../../gen/helios/v1/breaker_service_pb.ts";
import { FlagService } from "../../gen/helios/v1/flag_service_pb.ts";
import { SERVICES } from "../../src/server/contract.ts";
import { MAX_MESSAGE_BYTES } from "../../src/server/transport/limits.ts";
import { times } from "../effort.ts";
import { DATA, END_STREAM, type Field, frame, message, NOTHING, RST_STREAM, uint32 } from "./abuse/frames.ts";
import { createPeer, type Peer } from "./abuse/peer.ts";
import { grpc, request } from "./abuse/rig.ts";
import { arbitraryMessage } from "./arbitrary.ts";
import { comparable } from "./comparable.ts";
import { PREFIX_BYTES } from "./raw.ts";
import { isEndless, SCRIPT } from "./script.ts";
import { startTwins, type Twins } from "./twins.ts";

const SEED = 20_261_201;
const registry = createRegistry(...SERVICES);
const RPCS = [FlagService, BreakerService, Health]
  .flatMap(({ methods }) => methods)
  .filter(({ methodKind }) => methodKind === "unary" || methodKind === "server_streaming");

/** A call as its bytes on the wire. */
interface Call {
  readonly rpc: DescMethod;
  readonly fields: readonly Field[];
  readonly body: Buffer;
  /** How the request ends. One that stays open must be answered without its end. */
  readonly end: "ends" | "stays open" | "is cancelled";
  /** Sizes of the DATA frames, and of the parts in which the bytes are written to the socket. */
  readonly frames: readonly number[];
  readonly parts: readonly number[];
}

/** Requests that the methods know, in no order that makes sense. */
const known = fc.constantFrom(...SCRIPT).chain(([name, json]) => {
  const rpc = RPCS.find((one) => one.name === name);
  if (rpc === undefined) return fc.constant(undefined);
  return fc.constant({ rpc, content: Buffer.from(toBinary(rpc.input, fromJson(rpc.input, json, { registry }))) });
});
const random = fc
  .constantFrom(...RPCS)
  .chain((rpc) => arbitraryMessage(rpc.input).map((bytes) => ({ rpc, content: Buffer.from(bytes) })));
const garbage = fc.record({
  rpc: fc.constantFrom(...RPCS),
  content: fc.uint8Array({ maxLength: 60 }).map(Buffer.from),
});
const asked = fc.oneof(
  { weight: 4, arbitrary: known.filter((one) => one !== undefined) },
  { weight: 2, arbitrary: random },
  { weight: 1, arbitrary: garbage },
);

type Shape = (content: Buffer) => Pick<Call, "body" | "end">;
const GOOD: Shape = (content) => ({ body: message(content), end: "ends" });
const SHAPES: readonly Shape[] = [
  () => ({ body: NOTHING, end: "ends" }),
  (content) => ({ body: message(content, 0, content.length + 1), end: "ends" }),
  (content) => ({ body: message(content).subarray(0, PREFIX_BYTES - 1), end: "ends" }),
  // If the first of them cannot be read either, each path names another mistake.
  () => ({ body: Buffer.concat([message(NOTHING), message(NOTHING)]), end: "ends" }),
  (content) => ({ body: message(content, 1), end: "ends" }),
  (content) => ({ body: message(content, 6), end: "ends" }),
  (content) => ({ body: message(content, 128), end: "stays open" }),
  (content) => ({ body: message(content, 0, MAX_MESSAGE_BYTES + 1), end: "stays open" }),
  (content) => ({ body: message(content, 0, content.length + 1), end: "is cancelled" }),
  () => ({ body: NOTHING, end: "is cancelled" }),
];
const shape = fc.oneof(
  { weight: 3, arbitrary: fc.constant(GOOD) },
  { weight: 2, arbitrary: fc.constantFrom(...SHAPES) },
);

/** The runtime's own timers read the machine's clock, so no deadline passes during a test, or it has passed before. */
const TIMEOUTS = ["1H", "99999999H", "600S", "soon", "1", "-1S"];
const PASSED = ["0n", "0S", "00000000H"];
const name = fc.constantFrom("x-a", "x-b-bin", "user-agent", "x-c", "accept-encoding", "grpc-accept-encoding");
const value = fc
  .string({ unit: fc.constantFrom(..."abc=, 123/"), minLength: 1, maxLength: 12 })
  .map((text) => text.trim());
const metadata = fc.array(fc.tuple(name, value), { maxLength: 3 });
const sizes = fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 4 });

const call: fc.Arbitrary<Call> = fc
  .record({
    ...{ asked, shape, metadata, frames: sizes, parts: sizes },
    timeout: fc.option(fc.constantFrom(...TIMEOUTS, ...PASSED), { freq: 3, nil: undefined }),
  })
  .map(({ asked: { rpc, content }, shape, metadata, timeout, frames, parts }) => {
    // Of two mistakes, each path may name another.
    const isLate = timeout !== undefined && PASSED.includes(timeout);
    const { body, end } = (isLate ? GOOD : shape)(isLate ? NOTHING : content);
    const given: Field[] = timeout === undefined ? [] : [["grpc-timeout", timeout]];
    const fields = grpc(`/${rpc.parent.typeName}/${rpc.name}`, [...given, ...metadata]);
    return { rpc, fields, body, end, frames, parts };
  });

function* cut(bytes: Buffer, sizes: readonly number[]): Generator<Buffer> {
  for (let at = 0, part = 0; at < bytes.length; part += 1) {
    const size = sizes[part % sizes.length] ?? bytes.length;
    yield bytes.subarray(at, at + size);
    at += size;
  }
}

/** Makes the call on a stream. Resolves to what must be equal of its answer; of a stream that does not end, its first message. */
async function answerTo(peer: Peer, stream: number, { rpc, fields, body, end, frames, parts }: Call): Promise<object> {
  const data = [...cut(body, frames)].map((part) => frame(DATA, 0, stream, part));
  const last = end === "ends" ? [frame(DATA, END_STREAM, stream)] : [];
  for (const part of cut(Buffer.concat([request(stream, fields), ...data, ...last]), parts)) peer.write(part);
  const cancel = (): void => peer.write(frame(RST_STREAM, 0, stream, uint32(constants.NGHTTP2_CANCEL)));
  if (end === "is cancelled") {
    cancel();
    return {};
  }
  const answer = peer.answer(stream);
  const isEnough = (): boolean => {
    const { data } = answer;
    return isEndless(rpc) && data.length >= PREFIX_BYTES && data.length >= PREFIX_BYTES + data.readUInt32BE(1);
  };
  await peer.until(() => answer.isEnded || isEnough());
  const first = isEnough() ? answer.data.subarray(0, PREFIX_BYTES + answer.data.readUInt32BE(1)) : answer.data;
  const { headers, trailers } = answer;
  const isCut = isEnough() && trailers["grpc-status"] === undefined;
  if (!answer.isEnded || end === "stays open") cancel();
  const broken = !isCut && trailers["grpc-status"] === undefined;
  return comparable(rpc, { status: Number(headers[":status"]), headers, trailers, body: first, broken });
}

let twins: Twins;
beforeAll(async () => {
  twins = await startTwins();
});
afterAll(() => twins.close());

it("any sequence of gRPC calls has the same answers, directly and through Connect", async () => {
  const ask = async (port: number, calls: readonly Call[]): Promise<object[]> => {
    const peer = await createPeer(port);
    const answers: object[] = [];
    for (const [index, one] of calls.entries()) answers.push(await answerTo(peer, 2 * index + 1, one));
    await peer.heard();
    expect(peer.isClosed).toBe(false);
    peer.destroy();
    return answers;
  };
  const { direct, connect } = twins.ports;
  await fc.assert(
    fc.asyncProperty(fc.array(call, { minLength: 1, maxLength: 6 }), async (calls) => {
      const [one, other] = await Promise.all([ask(direct, calls), ask(connect, calls)]);
      expect(one).toEqual(other);
    }),
    { numRuns: times(20, 500), seed: SEED },
  );
});
