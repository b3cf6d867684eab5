/** A flag in the flags file's shape, and what of it could not be carried over. */
export interface Converted {
  readonly name: string;
  /** Absent: the flag is left out. */
  readonly entry?: Readonly<Record<string, unknown>>;
  /** What is lost or differs, for people; a flag that has lost part of whom it is for is switched off. */
  readonly lost: readonly string[];
  /** Who has it is chosen by a hash, which is another one here. */
  readonly rebuckets?: boolean | undefined;
}

export type Json = Readonly<Record<string, unknown>>;

export const isObject = (value: unknown): value is Json =>
  typeof value === "object" && value !== null && !Array.isArray(value);

export const text = (value: string): string => JSON.stringify(value);

/** A rule that has no counterpart. */
export class NotCarried extends Error {}

/** The file has not what was asked for. */
export class AskedWrongly extends Error {}

/** An attribute by its name in CEL; NotCarried where it has none. */
export function attribute(name: string): string {
  if (/^[A-Za-z_][A-Za-z0-9_]*$/.test(name)) return `context.attributes.${name}`;
  throw new NotCarried(`the field ${text(name)}, whose name is not letters, digits and _`);
}
