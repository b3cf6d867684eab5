import type { DescEnum } from "@bufbuild/protobuf";

/** The name of an enum's value without what all of its values share, in lower case: `percentage`. */
export function shortName(desc: DescEnum, name: string): string {
  const prefix = desc.sharedPrefix ?? "";
  const lower = name.toLowerCase();
  return lower.startsWith(prefix) ? lower.slice(prefix.length) : lower;
}

/** The values that a caller can name, short. */
export function shortNames(desc: DescEnum): readonly string[] {
  return desc.values.filter(({ number }) => number !== 0).map(({ name }) => shortName(desc, name));
}

/** The value's whole name, of a name that is short or whole, in upper or lower case; undefined: there is none. */
export function wholeName(desc: DescEnum, text: string): string | undefined {
  const lower = text.toLowerCase();
  const found = desc.values.find(({ name }) => name.toLowerCase() === lower || shortName(desc, name) === lower);
  return found?.name;
}
