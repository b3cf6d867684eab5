/** A flag in the format of the flags file, and what could not be carried over. */
export interface Converted {
  readonly name: string;
  /** Absent: the flag is omitted. */
  readonly entry?: Readonly<Record<string, unknown>>;
  /**
   * What was lost or differs, for people. If the target group of a flag could not be carried over completely, the flag
   * is switched off.
   */
  readonly lost: readonly string[];
  /** A hash chooses who has the flag, and the hash differs here. */
  readonly rebuckets?: boolean | undefined;
}

export type Json = Readonly<Record<string, unknown>>;

export const isObject = (value: unknown): value is Json =>
  typeof value === "object" && value !== null && !Array.isArray(value);

export const text = (value: string): string => JSON.stringify(value);

/** A rule that has no equivalent. */
export class NotCarried extends Error {}

/** The file does not contain what was requested. */
export class AskedWrongly extends Error {}

/** The CEL name of an attribute. NotCarried if it has none. */
export function attribute(name: string): string {
  if (/^[A-Za-z_][A-Za-z0-9_]*$/.test(name)) return `context.attributes.${name}`;
  throw new NotCarried(`the field ${text(name)}, whose name is not letters, digits and _`);
}
