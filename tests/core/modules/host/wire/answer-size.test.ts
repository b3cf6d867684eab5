import { create, fromJson, type JsonValue, toBinary, toJsonString } from "@bufbuild/protobuf";
import { DurationSchema, ValueSchema } from "@bufbuild/protobuf/wkt";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { InvokeModuleResponseSchema } from "../../../../../gen/helios/v1/module_service_pb.ts";
import type { Payload } from "../../../../../src/core/modules/host/types/host.ts";
import {
  checkAnswer,
  MAX_ANSWER_BYTES,
  roomForAnswer,
  valueSize,
} from "../../../../../src/core/modules/host/wire/answer-size.ts";
import { contentOf } from "../../../../../src/core/modules/host/wire/payload.ts";
import { MAX_MESSAGE_BYTES } from "../../../../../src/server/transport/limits.ts";
import { errorOf } from "../../../../support/errors.ts";
import { describeInEach } from "../../../../support/isolations.ts";
import { call, hostRig } from "../../host-rig.ts";

const [NAME, VERSION] = ["order_book", '1.2.3-"rc"\n1'];
const ROOM = roomForAnswer(NAME, VERSION);

/** Sizes of the complete answer that callers get, in protobuf and as JSON, with its other fields as long as possible. */
function sent(payload: Payload): readonly number[] {
  const output =
    "binary" in payload
      ? ({ case: "binary", value: payload.binary } as const)
      : ({ case: "json", value: fromJson(ValueSchema, payload.json as JsonValue) } as const);
  const duration = create(DurationSchema, { seconds: 315_576_000_000n, nanos: 999_999_999 });
  const fields = { output, version: VERSION, answeredBy: NAME, generation: 4_294_967_295, duration };
  const message = create(InvokeModuleResponseSchema, fields);
  const json = toJsonString(InvokeModuleResponseSchema, message);
  return [toBinary(InvokeModuleResponseSchema, message).length, Buffer.byteLength(json)];
}

const membersOf = (count: number, key = '"'): object =>
  Object.fromEntries(Array.from({ length: count }, (_, index) => [`${key}${1e6 + index}`, 1]));

/** About how many of them are in the longest answer below the limit: their sizes grow evenly. */
function estimate(bytes: number, make: (count: number) => Payload, limit: number): number {
  const counts = [200_000, 400_000].map((size) => Math.ceil(size / bytes)) as [number, number];
  const [few, more] = counts.map((count) => Math.max(...sent(make(count)))) as [number, number];
  return Math.floor(counts[0] + ((limit - few) / (more - few)) * (counts[1] - counts[0]));
}

/** What answers can consist of, its bytes, and how to make an answer of it. */
type Kind = [string, number, (count: number) => Payload];

const KINDS: Kind[] = [
  ["text", 1, (count) => ({ json: "x".repeat(count) })],
  ["bytes", 1, (count) => ({ binary: new Uint8Array(count) })],
  ["digits", 11, (count) => ({ json: new Array(count).fill(1) })],
  ["quotes", 2, (count) => ({ json: '"'.repeat(count) })],
  ["members", 23, (count) => ({ json: membersOf(count) })],
  [
    "objects with the same members",
    130 * 110,
    (count) => ({ json: new Array(count).fill(membersOf(130, "k".repeat(90))) }),
  ],
  ["letters with two bytes", 2, (count) => ({ json: "ä".repeat(count) })],
];

/** A sixteenth of the transport's limit, at which the searches for the largest answer take a sixteenth of the time. */
const LESS = MAX_MESSAGE_BYTES / 16;

/** Checks the largest answer that is let through at a limit. */
function checkLargest(bytes: number, make: (count: number) => Payload, limit: number): void {
  const room = ROOM - (MAX_MESSAGE_BYTES - limit);
  const isRefused = (count: number): boolean => {
    try {
      const payload = make(count);
      checkAnswer("book", payload, contentOf(payload, "output"), room);
      return false;
    } catch (error) {
      expect(error).toMatchObject({ name: "RangeError", message: expect.stringContaining("book answers with") });
      return true;
    }
  };
  const near = estimate(bytes, make, limit);
  let [fits, tooLarge] = [near - 2, near + 1];
  for (let step = 2; isRefused(fits); step *= 2) fits -= step;
  for (let step = 2; !isRefused(tooLarge); step *= 2) tooLarge += step;
  while (tooLarge - fits > 1) {
    const middle = Math.floor((fits + tooLarge) / 2);
    if (isRefused(middle)) tooLarge = middle;
    else fits = middle;
  }
  const largest = Math.max(...sent(make(fits)));
  expect(largest).toBeLessThanOrEqual(limit);
  expect(largest).toBeGreaterThan(limit - 200 - bytes);
}

describe("the size of an answer", () => {
  it("is the encoded size of google.protobuf.Value", () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 4 }), (json) => {
        expect(valueSize(json)).toBe(toBinary(ValueSchema, fromJson(ValueSchema, json as JsonValue)).length);
      }),
    );
  });

  it("is limited to the size that the transport lets through", () => {
    expect(MAX_ANSWER_BYTES).toBe(MAX_MESSAGE_BYTES);
  });

  it.each(KINDS)(
    "is checked for %s at a smaller limit: too large is refused, and just below the limit is not",
    (_, bytes, make) => checkLargest(bytes, make, LESS),
  );

  for (const [what, bytes, make] of KINDS) {
    const tags = what === "text" || what === "bytes" ? [] : ["soak"];
    it(`is checked for ${what}: too large is refused, and just below the limit is not`, { tags }, () =>
      checkLargest(bytes, make, MAX_MESSAGE_BYTES),
    );
  }
});

describeInEach("an answer of a module in a %s", (isolation) => {
  it.each(["text", "bytes"])(
    "of %s fails in the module if it is too large for a caller, and arrives just below the limit",
    async (kind) => {
      const instance = await hostRig().start(isolation, "large", { maxHeapMb: 512 });
      const room = roomForAnswer("under_test", "0.0.0");
      const most = kind === "bytes" ? Math.floor(room / 4) * 3 : room;
      const answer = (await call(instance, kind, most - 10)) as { readonly length: number };
      expect(answer.length).toBe(most - 10);
      for (const size of [most + 1, 40_000_000]) {
        expect(await errorOf(call(instance, kind, size))).toMatchObject({
          reason: "MODULE_METHOD_FAILED",
          metadata: {
            method: kind,
            error_name: "RangeError",
            error: expect.stringMatching(
              new RegExp(`^${kind} answers with [0-9]+ bytes, but at most ${most} can be sent`),
            ),
          },
        });
      }
      expect(instance.busy).toBe(0);
    },
  );
});
