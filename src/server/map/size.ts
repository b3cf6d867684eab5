import { type DescField, type DescMessage, ScalarType } from "@bufbuild/protobuf";
import type { Value } from "@bufbuild/protobuf/wkt";
import { encodedSize, PAGE_BYTES, textSize } from "../../core/index.ts";

/** Bytes beside each field: a tag and a length, or quotes, colon and comma. */
const MARKS = 6;
const LONGEST_NUMBER = 24;
/** Of a Timestamp or a Duration, written out. */
const TIME_BYTES = 36;

/**
 * Bytes that a message takes at most, by whichever protocol it goes: as protobuf, as protobuf's JSON, or as REST shows
 * it, where every field of a single value is there. `message` may also be what a message is made of.
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
  /** Of the names of all fields, as if each were there with its default. */
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

/** As `encodedSize` of what it stands for. */
function valueSize({ kind }: Value): number {
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

/** Bytes that a message, or what one is made of, takes at least, by whichever protocol: those of its texts. */
export function leastSize(message: unknown): number {
  if (typeof message === "string" || message instanceof Uint8Array) return message.length;
  if (typeof message !== "object" || message === null) return 0;
  let size = 0;
  for (const [name, value] of Object.entries(message)) if (name !== "$typeName") size += leastSize(value);
  return size;
}

/** How items become messages. */
export interface Sized<T, Message> {
  readonly toMessage: (item: T) => Message;
  /** Bytes of a message at most, by whichever protocol. */
  readonly sizeOf: (message: Message) => number;
}

/** Of names, which are texts in a message too. */
export const NAMES: Sized<string, string> = { toMessage: (name) => name, sizeOf: textSize };

/** The first of `items` as messages: as many as fit into `budget` bytes, and one at least. */
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
