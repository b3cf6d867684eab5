import fc from "fast-check";
import type { Payload } from "../../../src/core/modules/host/types/host.ts";
import type { Awaited } from "../../../src/core/modules/host/wire/frames.ts";
import type { FromInstance, ToInstance } from "../../../src/core/modules/host/wire/protocol.ts";

/** An object with so many members that it is sent in another form. */
export const WIDE: Readonly<Record<string, unknown>> = Object.fromEntries(
  Array.from({ length: 200 }, (_, index) => [`member_${index}`, index]),
);

export function call(id: number, input: Payload): ToInstance {
  return { type: "call", id, deadline: 1.5, method: "m", input };
}

/** A receiver that waits for every message. */
export const AWAITED: Awaited = { isAwaited: () => true, isStateAwaited: () => true };

// JSON text has no -0.
const json = fc.jsonValue().map((value) => JSON.parse(JSON.stringify(value)) as unknown);
const wide = fc
  .uniqueArray(fc.string({ maxLength: 5 }), { minLength: 129, maxLength: 140 })
  .chain((keys) => fc.tuple(...keys.map((key) => fc.tuple(fc.constant(key), json))))
  .map((members) => Object.fromEntries(members) as unknown);
const payload = fc.oneof(
  { arbitrary: json.map((value) => ({ json: value })), weight: 4 },
  fc.constantFrom(
    { json: WIDE },
    { json: { list: [WIDE, WIDE] } },
    { json: [[1], WIDE] },
    { json: { a: { b: WIDE } } },
  ),
  wide.map((value) => ({ json: { narrow: 1, wide: value } })),
  fc.uint8Array({ maxLength: 50 }).map((binary) => ({ binary })),
);
const id = fc.maxSafeNat();
const deadline = fc.double({ noNaN: true });
const bytes = fc.uint8Array({ maxLength: 50 });
const type = <T extends string>(name: T) => fc.constant(name);

/** A few messages of every form that the service sends. */
export const toInstance: fc.Arbitrary<ToInstance[]> = fc.array(
  fc.oneof(
    fc.record({ type: type("call"), id, deadline, method: fc.string(), input: payload }),
    fc.record({ type: type("answer"), id, value: payload }),
    fc.record({
      type: type("import"),
      id,
      deadline,
      state: bytes,
      from: fc.record({ fromVersion: fc.string(), schema: fc.nat() }),
    }),
    fc.record({
      type: type("refusal"),
      id,
      error: fc.record({ name: fc.string(), message: fc.string(), stack: fc.string(), code: fc.string() }),
    }),
    fc.record({ type: type("cancel"), id, reason: fc.string() }),
    fc.record({ type: type("usage"), id, deadline, collect: fc.boolean() }),
  ),
  { maxLength: 8 },
);

/** A few messages of every form that an instance sends. */
export const fromInstance: fc.Arbitrary<FromInstance[]> = fc.array(
  fc.oneof(
    fc.record({ type: type("output"), id, output: payload }),
    fc.record({ type: type("state"), id, state: bytes }),
    fc.record({
      type: type("call"),
      id,
      dependency: fc.string(),
      method: fc.string(),
      input: payload,
      within: id,
    }),
    fc.record({ type: type("dropped"), id }),
    fc.record({ type: type("log"), level: type("info"), message: fc.string(), fields: fc.constant({ a: [1] }) }),
  ),
  { maxLength: 8 },
);
