import fc from "fast-check";
import type { Payload } from "../../../src/core/modules/host/host.ts";
import type { ToInstance } from "../../../src/core/modules/host/protocol.ts";

/** An object of so many members that it travels in another form. */
export const WIDE: Readonly<Record<string, unknown>> = Object.fromEntries(
  Array.from({ length: 200 }, (_, index) => [`member_${index}`, index]),
);

export function call(id: number, input: Payload): ToInstance {
  return { type: "call", id, deadline: 1.5, method: "m", input };
}

const payload = fc.oneof(
  // JSON text has no -0.
  fc.jsonValue().map((json) => ({ json: JSON.parse(JSON.stringify(json)) as unknown })),
  fc.constantFrom({ json: WIDE }, { json: { list: [WIDE, WIDE] } }, { json: [[1], WIDE] }),
  fc.uint8Array({ maxLength: 50 }).map((binary) => ({ binary })),
);
const id = fc.maxSafeNat();
const deadline = fc.double({ noNaN: true });

/** Messages of every form, a few. */
export const messages = fc.array(
  fc.oneof(
    fc.record({ type: fc.constant("output"), id, output: payload }),
    fc.record({ type: fc.constant("call"), id, deadline, method: fc.string(), input: payload }),
    fc.record({
      type: fc.constant("call"),
      id,
      dependency: fc.string(),
      method: fc.string(),
      input: payload,
      within: id,
    }),
    fc.record({ type: fc.constant("result"), id, value: fc.uint8Array({ maxLength: 50 }) }),
    fc.record({ type: fc.constant("cancel"), id, reason: fc.string() }),
  ),
  { maxLength: 8 },
);
