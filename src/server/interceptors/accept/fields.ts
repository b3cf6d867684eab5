import { type DescField, type DescMessage, getOption, type Message, ScalarType } from "@bufbuild/protobuf";
import { type FieldRules, field as fieldOption, Ignore } from "@bufbuild/protovalidate/gen/buf/validate/validate_pb.js";
import { type Accepts, type Checks, combined, joined } from "./checks.ts";
import { compileExpressions } from "./expressions.ts";
import { compileRules } from "./rules.ts";

/** The members of a message by their names in JavaScript. */
export type Values = Readonly<Record<string, unknown>>;

/** Returns the checks of a message inside. */
type Nested = (desc: DescMessage) => Checks;

/** Returns the checks of a field in its message. */
export function compileField(field: DescField, nested: Nested): Checks<Values> {
  const rules = getOption(field, fieldOption);
  if (rules.$unknown !== undefined || rules.ignore === Ignore.ALWAYS) return undefined;
  const inner = compileValue(field, rules, nested);
  if (inner === undefined) return undefined;
  const { required } = rules;
  if (inner.length === 0 && !required) return [];
  const read = readerOf(field);
  const accepts = combined(inner);
  // The rules of a field without presence apply to its zero value too.
  if (isImplicit(field) && !required && rules.ignore !== Ignore.IF_ZERO_VALUE) {
    return [(values) => accepts(read(values))];
  }
  const isSet = settingOf(field);
  return [
    (values) => {
      const value = read(values);
      return isSet(value) ? accepts(value) : !required;
    },
  ];
}

/** Value of `FieldPresence` for a field whose zero value counts as not set. */
const IMPLICIT = 2;

const isImplicit = ({ presence, oneof }: DescField): boolean => presence === IMPLICIT && oneof === undefined;

function readerOf({ localName, oneof }: DescField): (values: Values) => unknown {
  if (oneof === undefined) return (values) => values[localName];
  const { localName: holder } = oneof;
  return (values) => {
    const chosen = values[holder] as { readonly case?: string; readonly value?: unknown };
    return chosen.case === localName ? chosen.value : undefined;
  };
}

/** Returns whether a value that was read is set. */
function settingOf(field: DescField): Accepts {
  if (!isImplicit(field)) return (value) => value !== undefined;
  switch (field.fieldKind) {
    case "list":
      return (value) => (value as readonly unknown[]).length > 0;
    case "map":
      return (value) => Object.keys(value as object).length > 0;
    default:
      if (field.scalar === ScalarType.STRING) return (value) => value !== "";
      return (value) => value !== 0 && value !== 0n && value !== false;
  }
}

/** Returns the checks of the value of a field, if it is set. */
function compileValue(field: DescField, rules: FieldRules, nested: Nested): Checks {
  const own = compileExpressions(rules.cel) as Checks;
  if (rules.celExpression.length > 0) return undefined;
  switch (field.fieldKind) {
    case "list":
      return joined(own, compileList(field, rules, nested));
    case "map":
      return joined(own, compileMap(field, rules, nested));
    default:
      return joined(own, compileOne(field, rules, nested));
  }
}

/** Returns the checks of a single value, an element of a list, or a value of a map. */
function compileOne(field: DescField, rules: FieldRules | undefined, nested: Nested): Checks {
  const { message } = field;
  return joined(compileTyped(field, rules?.type, ownRules(field)), message === undefined ? [] : nested(message));
}

/** Undefined if the rules are for another type, which protovalidate reports. */
function compileTyped(field: DescField, rules: FieldRules["type"] | undefined, wanted: string | undefined): Checks {
  if (rules?.case === undefined) return [];
  return rules.value.$typeName === wanted ? compileRules(rules.value, field) : undefined;
}

/** The name of the rules that apply to a value of the field. */
function ownRules({ message, scalar, enum: itsEnum }: DescField): string | undefined {
  if (itsEnum !== undefined) return "buf.validate.EnumRules";
  if (message !== undefined) return DURATIONS.get(message.typeName);
  return scalar === undefined ? undefined : SCALARS[scalar];
}

const DURATIONS: ReadonlyMap<string, string> = new Map([["google.protobuf.Duration", "buf.validate.DurationRules"]]);

const SCALARS: Readonly<Partial<Record<ScalarType, string>>> = {
  [ScalarType.STRING]: "buf.validate.StringRules",
  [ScalarType.DOUBLE]: "buf.validate.DoubleRules",
  [ScalarType.INT32]: "buf.validate.Int32Rules",
  [ScalarType.UINT32]: "buf.validate.UInt32Rules",
  [ScalarType.INT64]: "buf.validate.Int64Rules",
  [ScalarType.UINT64]: "buf.validate.UInt64Rules",
};

/** Rules of elements have the type of rules of fields. What only concerns a field is not compiled. */
const isPlain = (rules: FieldRules | undefined): boolean =>
  rules === undefined ||
  (rules.ignore === Ignore.UNSPECIFIED &&
    !rules.required &&
    rules.cel.length + rules.celExpression.length === 0 &&
    rules.$unknown === undefined);

function compileList(field: DescField, { type }: FieldRules, nested: Nested): Checks {
  if (type.case !== undefined && type.case !== "repeated") return undefined;
  const items = type.value?.items;
  if (!isPlain(items)) return undefined;
  const each = compileOne(field, items, nested);
  const own = type.value === undefined ? [] : compileRules(type.value as Message, field, ["items"]);
  return joined(own, each && each.length > 0 ? [everyItem(combined(each))] : each);
}

const everyItem =
  (accepts: Accepts): Accepts =>
  (items) =>
    (items as readonly unknown[]).every((item) => accepts(item));

function compileMap(field: DescField & { fieldKind: "map" }, { type }: FieldRules, nested: Nested): Checks {
  if (type.case !== undefined && type.case !== "map") return undefined;
  const { keys, values } = type.value ?? {};
  if (field.mapKey !== ScalarType.STRING || !isPlain(keys) || !isPlain(values)) return undefined;
  const eachKey = compileTyped(field, keys?.type, SCALARS[ScalarType.STRING]);
  const each = compileOne(field, values, nested);
  const own = type.value === undefined ? [] : compileRules(type.value as Message, field, ["keys", "values"]);
  if (eachKey === undefined || each === undefined || eachKey.length + each.length === 0)
    return joined(own, eachKey, each);
  return joined(own, [everyEntry(combined(eachKey), combined(each))]);
}

const everyEntry =
  (acceptsKey: Accepts, accepts: Accepts): Accepts =>
  (entries) =>
    Object.entries(entries as object).every(([key, value]) => acceptsKey(key) && accepts(value));
