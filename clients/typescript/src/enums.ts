import type { DescEnum } from "@bufbuild/protobuf";

/** Returns the short name of an enum's value, such as `HALF_OPEN`, or its number if this client does not know the value. */
export function enumName(schema: DescEnum, value: number): string {
  return schema.value[value]?.localName ?? String(value);
}
