import {
  type DescEnum,
  type DescField,
  type DescMessage,
  getOption,
  hasOption,
  isFieldSet,
  ScalarType,
} from "@bufbuild/protobuf";
import {
  type FieldRules,
  FieldRulesSchema,
  field as fieldRules,
} from "@bufbuild/protovalidate/gen/buf/validate/validate_pb.js";
import { shortName, shortNames } from "../../src/server/rest/enums.ts";
import type { CommentOf } from "./comments.ts";
import { constraintsOf, itemRules } from "./constraints.ts";

export type Schema = Record<string, unknown>;

/**
 * A schema of a request says which fields are required. A schema of an answer says which fields are always present, and
 * allows no others.
 */
export type Side = "input" | "output";

/** The schemas of the requested messages and enums, and of everything that these refer to. */
export interface Schemas {
  /** A reference to a message's schema. */
  message(desc: DescMessage, side: Side): Schema;
  /** The schema of a field's JSON. */
  field(field: DescField, side: Side): Schema;
  /** The schemas by name. */
  readonly components: Readonly<Record<string, Schema>>;
}

export function createSchemas(commentOf: CommentOf): Schemas {
  const components: Record<string, Schema> = {};

  const message = (desc: DescMessage, side: Side): Schema => {
    const wellKnown = WELL_KNOWN[desc.typeName];
    if (wellKnown !== undefined) return wellKnown;
    const name = side === "input" ? inputName(desc) : desc.name;
    if (components[name] === undefined) {
      // Entered before its fields are processed, because they may refer to it.
      components[name] = {};
      Object.assign(components[name], objectOf(desc, side));
    }
    return { $ref: `#/components/schemas/${name}` };
  };

  const objectOf = (desc: DescMessage, side: Side): Schema => {
    const properties = Object.fromEntries(desc.fields.map((one) => [one.name, described(one, side)]));
    const required = desc.fields.filter((one) => (side === "input" ? isRequired(one) : isAlwaysThere(one)));
    return {
      type: "object",
      ...describe(commentOf(desc)),
      properties,
      ...(required.length === 0 ? {} : { required: required.map(({ name }) => name) }),
      additionalProperties: false,
    };
  };

  const described = (one: DescField, side: Side): Schema => {
    const schema = field(one, side);
    const comment = commentOf(one);
    const oneof =
      one.oneof === undefined ? "" : ` At most one of ${one.oneof.fields.map(({ name }) => name).join(", ")}.`;
    return { ...schema, ...describe(`${comment}${oneof}`) };
  };

  const field = (one: DescField, side: Side): Schema => {
    const rules = hasOption(one, fieldRules) ? getOption(one, fieldRules) : undefined;
    if (one.fieldKind === "list") {
      return { type: "array", items: single(one, side, itemRules(rules)), ...inputOnly(side, constraintsOf(rules)) };
    }
    if (one.fieldKind === "map") {
      return {
        type: "object",
        additionalProperties: single(one, side, undefined),
        ...inputOnly(side, constraintsOf(rules)),
      };
    }
    return single(one, side, rules);
  };

  const single = (one: DescField, side: Side, rules: FieldRules | undefined): Schema => {
    if (one.message !== undefined) return message(one.message, side);
    if (one.enum !== undefined) return enumOf(one.enum, side);
    return { ...scalarOf(one.scalar), ...inputOnly(side, constraintsOf(rules)) };
  };

  const enumOf = (desc: DescEnum, side: Side): Schema => {
    const comments = desc.values
      .filter(({ number }) => number !== 0)
      .map((value) => `\`${shortName(desc, value.name)}\`: ${commentOf(value)}`);
    // In a request, "unspecified" is a valid value too.
    const values = side === "input" ? [...shortNames(desc), "unspecified"] : shortNames(desc);
    return { type: "string", enum: values, ...describe([commentOf(desc), ...comments].join("\n\n")) };
  };

  return { message, field, components };
}

function inputName({ name }: DescMessage): string {
  return name.endsWith("Request") ? name : `${name}Input`;
}

const describe = (description: string): Schema => (description === "" ? {} : { description });
const inputOnly = (side: Side, constraints: Schema): Schema => (side === "input" ? constraints : {});

export function isRequired(one: DescField): boolean {
  if (!hasOption(one, fieldRules)) return false;
  const rules = getOption(one, fieldRules);
  if (rules.required) return true;
  const { minLength, minItems } = constraintsOf(rules) as { minLength?: number; minItems?: number };
  // Fields that are empty by default, but must not be.
  return (
    one.presence === IMPLICIT &&
    !isFieldSet(rules, FieldRulesSchema.field.ignore) &&
    ((minLength ?? 0) > 0 || (minItems ?? 0) > 0)
  );
}

/** google.protobuf.FeatureSet.FieldPresence.IMPLICIT */
const IMPLICIT = 2;

/** The unspecified value of an enum is omitted. */
function isAlwaysThere(one: DescField): boolean {
  if (one.fieldKind === "list" || one.fieldKind === "map") return true;
  return one.fieldKind === "scalar" && one.presence === IMPLICIT;
}

function scalarOf(type: ScalarType | undefined): Schema {
  switch (type) {
    case ScalarType.BOOL:
      return { type: "boolean" };
    case ScalarType.STRING:
      return { type: "string" };
    case ScalarType.BYTES:
      return { type: "string", contentEncoding: "base64" };
    case ScalarType.DOUBLE:
    case ScalarType.FLOAT:
      return { type: "number" };
    case ScalarType.INT32:
      return { type: "integer", format: "int32" };
    case ScalarType.UINT32:
      return { type: "integer", minimum: 0, maximum: 4_294_967_295 };
    default:
      return { type: "integer", format: "int64" };
  }
}

const WELL_KNOWN: Readonly<Record<string, Schema>> = {
  "google.protobuf.Timestamp": { type: "string", format: "date-time" },
  "google.protobuf.Duration": { type: "string", pattern: "^-?[0-9]+(\\.[0-9]{1,9})?s$", examples: ["1.5s"] },
  "google.protobuf.FieldMask": { type: "string", examples: ["percentage,enabled"] },
  "google.protobuf.Struct": { type: "object", additionalProperties: true },
  "google.protobuf.Value": {},
  "google.protobuf.ListValue": { type: "array", items: {} },
};
