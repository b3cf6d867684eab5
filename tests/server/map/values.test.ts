import { create, type DescField, type DescMessage, fromBinary, type Message, toBinary } from "@bufbuild/protobuf";
import { type Value, ValueSchema } from "@bufbuild/protobuf/wkt";
import { describe, expect, it } from "vitest";
import type { EvaluationContext } from "../../../gen/helios/v1/flag_pb.ts";
import { ModuleService } from "../../../gen/helios/v1/module_service_pb.ts";
import { checkContext } from "../../../src/core/flags/rules/context.ts";
import { HeliosError } from "../../../src/core/index.ts";
import { SERVICES } from "../../../src/server/contract.ts";
import { fromContext } from "../../../src/server/map/flag/evaluation.ts";
import { checkValues } from "../../../src/server/map/values.ts";

const number = (value: number): Value => create(ValueSchema, { kind: { case: "numberValue", value } });

/** The list `prices` of an object: two valid numbers and a third one. */
const FREE: Readonly<Record<string, (third: number) => unknown>> = {
  "google.protobuf.Struct": (third) => ({ prices: [1, 2, third] }),
  "google.protobuf.Value": (third) => {
    const values = [number(1), number(2), number(third)];
    const prices = create(ValueSchema, { kind: { case: "listValue", value: { values } } });
    return create(ValueSchema, { kind: { case: "structValue", value: { fields: { prices } } } });
  },
};

/** Every place in a message of that type for free-form JSON: its path, and a message with a number there. */
function placesIn(desc: DescMessage): { readonly at: string; readonly fill: (third: number) => Message }[] {
  return desc.fields.flatMap((field) => {
    const inner = field.message;
    if (inner === undefined) return [];
    const at = field.fieldKind === "list" ? `${field.name}[0]` : field.name;
    const free = FREE[inner.typeName];
    if (free !== undefined) return [{ at: `${at}.prices[2]`, fill: (third) => holding(desc, field, free(third)) }];
    if (inner.typeName.startsWith("google.protobuf.")) return [];
    return placesIn(inner).map((place) => ({
      at: `${at}.${place.at}`,
      fill: (third: number) => holding(desc, field, place.fill(third)),
    }));
  });
}

function holding(desc: DescMessage, { fieldKind, localName, oneof }: DescField, value: unknown): Message {
  const held = fieldKind === "list" ? [value] : value;
  return create(
    desc,
    oneof === undefined ? { [localName]: held } : { [oneof.localName]: { case: localName, value: held } },
  );
}

const PLACES = SERVICES.flatMap(({ methods }) =>
  methods.flatMap(({ name, input }) => placesIn(input).map((place) => ({ name, input, ...place }))),
);

/** As it arrives over the wire. */
const received = (input: DescMessage, message: Message): Message => fromBinary(input, toBinary(input, message));

function problem(input: DescMessage, message: Message, arrive = received): string | undefined {
  try {
    const read = arrive(input, message);
    checkValues(input, read);
    // A context is checked once, in the evaluation.
    if ("context" in read) checkContext(fromContext(read.context as EvaluationContext));
    return undefined;
  } catch (error) {
    if (error instanceof HeliosError && error.reason === "ARGUMENT_INVALID") return error.metadata.field;
    throw error;
  }
}

describe("free-form JSON in a request", () => {
  it("is accepted in many places", () => {
    expect(PLACES.map(({ name, at }) => `${name} ${at}`)).toEqual(
      expect.arrayContaining(["InvokeModule json.prices[2]", "EvaluateFlag context.attributes.prices[2]"]),
    );
    expect(PLACES.length).toBeGreaterThan(10);
  });

  it.each(PLACES)(
    "free-form JSON in $name at $at is refused with the place of an invalid or inexact number",
    (place) => {
      for (const unfit of [Number.NaN, Infinity, -Infinity, 2 ** 53, -1e20]) {
        expect(problem(place.input, place.fill(unfit))).toBe(place.at);
      }
      for (const fit of [0, -0.5, 2 ** 53 - 1]) expect(problem(place.input, place.fill(fit))).toBeUndefined();
    },
  );

  const { input } = ModuleService.method.invokeModule;
  const invoking = (value: Value): Message => create(input, { input: { case: "json", value } });

  it("is refused if a value is empty", () => {
    expect(problem(input, invoking(create(ValueSchema)))).toBe("json");
  });

  it.each([1, 63, 64, 65, 300])("is checked at a nesting of %i levels too", (levels) => {
    const nested = (inner: Value): Value => {
      let value = inner;
      for (let level = 0; level < levels; level++) {
        const list = { case: "listValue" as const, value: { values: [number(1), value] } };
        value = create(ValueSchema, { kind: list });
      }
      return value;
    };
    // JSON may be nested more deeply than protobuf.
    const asItIs = (_: DescMessage, message: Message): Message => message;
    expect(problem(input, invoking(nested(number(1))), asItIs)).toBeUndefined();
    expect(problem(input, invoking(nested(number(2 ** 53))), asItIs)).toBe(`json${"[1]".repeat(levels)}`);
  });
});
