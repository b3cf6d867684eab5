import type { FieldRules } from "@bufbuild/protovalidate/gen/buf/validate/validate_pb.js";
import type { Schema } from "./schemas.ts";

/** The rules of buf.validate that JSON Schema can express. */
export function constraintsOf(rules: FieldRules | undefined): Schema {
  if (rules === undefined) return {};
  const { type } = rules;
  switch (type.case) {
    case "string": {
      const { minLen, maxLen, pattern, wellKnown } = type.value;
      return {
        ...(minLen > 0n ? { minLength: Number(minLen) } : {}),
        ...(maxLen > 0n ? { maxLength: Number(maxLen) } : {}),
        ...(pattern === "" ? {} : { pattern }),
        ...(wellKnown.case === "uuid" ? { format: "uuid" } : {}),
      };
    }
    case "repeated": {
      const { minItems, maxItems, unique } = type.value;
      return {
        ...(minItems > 0n ? { minItems: Number(minItems) } : {}),
        ...(maxItems > 0n ? { maxItems: Number(maxItems) } : {}),
        ...(unique ? { uniqueItems: true } : {}),
      };
    }
    case "map": {
      const { minPairs, maxPairs } = type.value;
      return {
        ...(minPairs > 0n ? { minProperties: Number(minPairs) } : {}),
        ...(maxPairs > 0n ? { maxProperties: Number(maxPairs) } : {}),
      };
    }
    case "int32":
    case "uint32":
    case "int64":
    case "uint64":
    case "double": {
      const { greaterThan, lessThan } = type.value;
      return { ...boundOf(greaterThan, LOWER), ...boundOf(lessThan, UPPER) };
    }
    default:
      return {};
  }
}

/** The rules for the items of a list. */
export function itemRules(rules: FieldRules | undefined): FieldRules | undefined {
  return rules?.type.case === "repeated" ? rules.type.value.items : undefined;
}

type Bound = { readonly case: string | undefined; readonly value?: number | bigint | undefined };
const LOWER = { gt: "exclusiveMinimum", gte: "minimum" } as const;
const UPPER = { lt: "exclusiveMaximum", lte: "maximum" } as const;

function boundOf(bound: Bound, names: Readonly<Record<string, string>>): Schema {
  const name = bound.case === undefined ? undefined : names[bound.case];
  return name === undefined || bound.value === undefined ? {} : { [name]: Number(bound.value) };
}
