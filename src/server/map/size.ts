import { type DescField, type DescMessage, ScalarType } from "@bufbuild/protobuf";
import type { Value } from "@bufbuild/protobuf/wkt";
import { encodedSize, LONGEST_NUMBER, PAGE_BYTES, textSize } from "../../core/index.ts";
import { JsonValueInit } from "./json-value.ts";

/** Bytes beside each field: a tag and a length, or quotes, a colon and a comma. */
const MARKS = 6;
/** Bytes of a Timestamp or a Duration as text. */
const TIME_BYTES = 36;

/**
 * Upper bound of the bytes of a message in any protocol: as protobuf, as protobuf's JSON, or as REST, which shows every
 * singular field. `message` may also be the initializer of a message.
 */
export function wireSize(desc: DescMessage, message: object): number {
  const plan = planOf(desc);
  const values = message as Readonly<Record<string, unknown>>;
  let size = plan.base;
  for (const { sizeOf, localName, oneof } of plan.fields) {
    const holder = oneof === undefined ? undefined : (values[oneof] as { case?: string; value?: unknown } | undefined);
    const value = oneof === undefined ? values[localName] : holder?.case === localName ? holder.value : undefined;
    if (value !== undefined) size += sizeOf(value);
  }
  return size;
}

type SizeOf = (value: never) => number;

interface Plan {
  /** Bytes of the names and default values of all fields. */
  readonly base: number;
  readonly fields: readonly {
    readonly localName: string;
    readonly oneof: string | undefined;
    readonly sizeOf: (value: unknown) => number;
  }[];
}

const plans = new Map<DescMessage, Plan>();

function planOf(desc: DescMessage): Plan {
  const before = plans.get(desc);
  if (before !== undefined) return before;
  const plan = {
    base: desc.fields.reduce((sum, { name }) => sum + name.length + MARKS + 4, 8),
    fields: desc.fields.map((field) => ({
      localName: field.localName,
      oneof: field.oneof?.localName,
      sizeOf: sizerOf(field) as (value: unknown) => number,
    })),
  };
  plans.set(desc, plan);
  return plan;
}

function sizerOf(field: DescField): SizeOf {
  const one = oneOf(field) as (value: unknown) => number;
  switch (field.fieldKind) {
    case "list":
      return (values: readonly unknown[]) => values.reduce<number>((sum, value) => sum + one(value) + MARKS, 0);
    case "map":
      return (entries: Readonly<Record<string, unknown>>) =>
        Object.entries(entries).reduce((sum, [key, value]) => sum + textSize(key) + one(value) + 2 * MARKS, 0);
    default:
      return one;
  }
}

function oneOf(field: DescField): SizeOf {
  const { message } = field;
  if (message !== undefined) return WELL_KNOWN[message.typeName] ?? ((value: object) => wireSize(message, value));
  if (field.enum !== undefined) {
    const longest = Math.max(LONGEST_NUMBER, ...field.enum.values.map(({ name }) => name.length + 2));
    return () => longest;
  }
  switch (field.scalar) {
    case ScalarType.STRING:
      return textSize;
    case ScalarType.BYTES:
      return (bytes: Uint8Array) => Math.ceil(bytes.length / 3) * 4 + MARKS;
    default:
      return () => LONGEST_NUMBER;
  }
}

const WELL_KNOWN: Readonly<Record<string, SizeOf>> = {
  "google.protobuf.Timestamp": () => TIME_BYTES,
  "google.protobuf.Duration": () => TIME_BYTES,
  "google.protobuf.Struct": encodedSize,
  "google.protobuf.Value": valueSize,
};

/** Like `encodedSize` of the value. */
function valueSize(value: Value | JsonValueInit): number {
  if (value instanceof JsonValueInit) return encodedSize(value.json ?? null);
  const { kind } = value;
  switch (kind.case) {
    case "listValue":
      return encodedSize([]) + kind.value.values.reduce((sum, one) => sum + valueSize(one) + MARKS, 0);
    case "structValue":
      return Object.entries(kind.value.fields).reduce(
        (sum, [key, one]) => sum + textSize(key) + valueSize(one) + MARKS,
        encodedSize({}),
      );
    default:
      return encodedSize(kind.value ?? null);
  }
}

/** Lower bound of the bytes of a message or its initializer in any protocol: the bytes of its texts. */
export function leastSize(message: unknown): number {
  if (typeof message === "string" || message instanceof Uint8Array) return message.length;
  if (typeof message !== "object" || message === null) return 0;
  let size = 0;
  for (const [name, value] of Object.entries(message)) if (name !== "$typeName") size += leastSize(value);
  return size;
}

/** How items are converted to messages. */
export interface Sized<T, Message> {
  readonly toMessage: (item: T) => Message;
  /** Upper bound of the bytes of a message in any protocol. */
  readonly sizeOf: (message: Message) => number;
}

/** For names, which are also texts in a message. */
export const NAMES: Sized<string, string> = { toMessage: (name) => name, sizeOf: textSize };

/** Converts the first `items`: as many as fit into `budget` bytes, but at least one. */
export function mapFitting<T, Message>(
  items: Iterable<T>,
  { toMessage, sizeOf }: Sized<T, Message>,
  budget: number = PAGE_BYTES,
): Message[] {
  const messages: Message[] = [];
  let size = 0;
  for (const item of items) {
    const message = toMessage(item);
    size += sizeOf(message);
    if (size > budget && messages.length > 0) return messages;
    messages.push(message);
  }
  return messages;
}
