import type { DescEnum } from "@bufbuild/protobuf";

/** Returns the name of an enum's value in lower case without the prefix that all values share, such as `percentage`. */
export function shortName(desc: DescEnum, name: string): string {
  const prefix = desc.sharedPrefix ?? "";
  const lower = name.toLowerCase();
  return lower.startsWith(prefix) ? lower.slice(prefix.length) : lower;
}

/** Returns the short names of the values that a caller can use. */
export function shortNames(desc: DescEnum): readonly string[] {
  return desc.values.filter(({ number }) => number !== 0).map(({ name }) => shortName(desc, name));
}

/**
 * Returns the full name of a value, from its short or full name in upper or lower case. Undefined if there is no such
 * value.
 */
export function wholeName(desc: DescEnum, text: string): string | undefined {
  const lower = text.toLowerCase();
  const found = desc.values.find(({ name }) => name.toLowerCase() === lower || shortName(desc, name) === lower);
  return found?.name;
}
