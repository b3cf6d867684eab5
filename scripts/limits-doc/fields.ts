import { type DescField, type DescMessage, getOption, hasOption } from "@bufbuild/protobuf";
import { field as fieldRules } from "@bufbuild/protovalidate/gen/buf/validate/validate_pb.js";
import { SERVICES } from "../../src/server/contract.ts";
import { constraintsOf, itemRules } from "../openapi/constraints.ts";
import type { Schema } from "../openapi/schemas.ts";

/** The part of the page about fields of requests that have a limit. Fields with equal name and limit share a row. */
export function fieldLimits(): string {
  const alike = new Map<string, string[]>();
  for (const message of requestMessages()) {
    for (const field of message.fields) {
      const bounds = boundsOf(field);
      if (bounds === "") continue;
      const key = `\`${field.name}\` | ${bounds}`;
      alike.set(key, [...(alike.get(key) ?? []), message.name]);
    }
  }
  const rows = [...alike]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, owners]) => `| ${key} | ${ofMessages(owners)} |`);
  return [INTRODUCTION, "| Field | Limit | In |", "|---|---|---|", ...rows, ""].join("\n");
}

function ofMessages(names: readonly string[]): string {
  return names.length > MOST_NAMED ? `${names.length} messages` : names.map((name) => `\`${name}\``).join(", ");
}

/** Messages that a row names. If there are more, it shows their number. */
const MOST_NAMED = 4;

const INTRODUCTION = `## Fields of requests

A value outside these limits is refused with \`ARGUMENT_INVALID\`, before anything is done. Lengths of strings are in characters.
`;

/** All request messages, and every message that they contain, by name. */
function requestMessages(): DescMessage[] {
  const found = new Set(SERVICES.flatMap((service) => service.methods.map(({ input }) => input)));
  // The loop also visits the messages that it adds to the set.
  for (const { fields } of found) {
    for (const { message } of fields) if (message?.typeName.startsWith("helios.")) found.add(message);
  }
  return [...found].sort((a, b) => (a.name < b.name ? -1 : 1));
}

function boundsOf(field: DescField): string {
  const rules = hasOption(field, fieldRules) ? getOption(field, fieldRules) : undefined;
  const own = phrases(constraintsOf(rules));
  const items = phrases(constraintsOf(itemRules(rules))).map((phrase) => `each ${phrase}`);
  return [...own, ...items].join("; ");
}

const PHRASES: readonly (readonly [string, (bound: string) => string])[] = [
  ["maxLength", (bound) => `at most ${bound} characters`],
  ["maxItems", (bound) => `at most ${bound} entries`],
  ["maxProperties", (bound) => `at most ${bound} entries`],
  ["minimum", (bound) => `${bound} or more`],
  ["exclusiveMinimum", (bound) => `more than ${bound}`],
  ["maximum", (bound) => `at most ${bound}`],
  ["exclusiveMaximum", (bound) => `less than ${bound}`],
];

function phrases(schema: Schema): string[] {
  return PHRASES.flatMap(([key, phrase]) => {
    const bound = schema[key];
    return typeof bound === "number" ? [phrase(bound.toLocaleString("en-US"))] : [];
  });
}
