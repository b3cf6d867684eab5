/** The part of an open database that the store needs. Every call is synchronous. */
export interface SqlDatabase {
  readonly isTransaction: boolean;
  exec(sql: string): void;
  prepare(sql: string): SqlStatement;
}

export type SqlValue = string | number | Uint8Array | null;

export interface SqlStatement {
  get(...values: SqlValue[]): unknown;
  all(...values: SqlValue[]): unknown[];
  iterate(...values: SqlValue[]): Iterable<unknown>;
  run(...values: SqlValue[]): unknown;
  /** Whether rows are returned as arrays of their columns instead of objects. */
  setReturnArrays(enabled: boolean): void;
}

/** Statements by the names of their texts. */
export type Prepared<Texts> = { readonly [Name in keyof Texts]: SqlStatement };

/** Prepares statements, which are then run again and again. */
export function prepareAll<Texts extends Readonly<Record<string, string>>>(
  database: SqlDatabase,
  texts: Texts,
): Prepared<Texts> {
  const prepared = Object.entries(texts).map(([name, text]) => [name, database.prepare(text)] as const);
  return Object.fromEntries(prepared) as Prepared<Texts>;
}
