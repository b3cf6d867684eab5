// Matches contexts against the entries of whitelists.

/** The fields of a context that are compared with the entries of a whitelist. */
interface Listable {
  readonly sessionId?: string | undefined;
  readonly userId?: string | undefined;
  readonly symbol?: string | undefined;
  readonly system?: string | undefined;
}

const FIELDS: Readonly<Record<string, keyof Listable>> = {
  user_id: "userId",
  symbol: "symbol",
  system: "system",
  session_id: "sessionId",
};

/** The field that an entry such as `user_id:alice` names, and its value. Undefined for an entry that names no field. */
export function qualified(entry: string): { readonly field: keyof Listable; readonly value: string } | undefined {
  const at = entry.indexOf(":");
  const prefix = entry.slice(0, Math.max(0, at));
  const field = Object.hasOwn(FIELDS, prefix) ? FIELDS[prefix] : undefined;
  return field && { field, value: entry.slice(at + 1) };
}

/**
 * Whether a context is listed: one of its four fields is an entry, or the field that an entry names has that value.
 * The comparison is exact and case-sensitive. It allocates no memory.
 */
export function listing(entries: readonly string[]): (context: Listable) => boolean {
  const any = new Set<string>();
  // Most whitelists use one or two kinds of entries, so only those have a set.
  const own: { -readonly [Field in keyof Required<Listable>]: Set<string> | undefined } = {
    userId: undefined,
    symbol: undefined,
    system: undefined,
    sessionId: undefined,
  };
  const setOf = (field: keyof Listable): Set<string> => {
    own[field] ??= new Set();
    return own[field];
  };
  for (const entry of entries) {
    const named = qualified(entry);
    if (named === undefined) any.add(entry);
    else setOf(named.field).add(named.value);
  }
  const has = (set: ReadonlySet<string> | undefined, value: string | undefined): boolean =>
    value !== undefined && value !== "" && (any.has(value) || set?.has(value) === true);
  return ({ userId, symbol, system, sessionId }) =>
    has(own.userId, userId) || has(own.symbol, symbol) || has(own.system, system) || has(own.sessionId, sessionId);
}

/** The entry that lists a context, and the field that it matched, by the contract's name. Undefined: it is not listed. */
export function listedBy(
  entries: readonly string[],
  context: Listable,
): { readonly field: string; readonly entry: string } | undefined {
  for (const [field, key] of Object.entries(FIELDS)) {
    const value = context[key];
    if (value === undefined || value === "") continue;
    const entry = entries.find((each) => {
      const named = qualified(each);
      return named === undefined ? each === value : named.field === key && named.value === value;
    });
    if (entry !== undefined) return { field, entry };
  }
  return undefined;
}

/** The fields of a context that are compared and have a value, by the contract's names. */
export function listableFields(context: Listable): readonly (readonly [field: string, value: string])[] {
  return Object.entries(FIELDS).flatMap(([field, key]) => {
    const value = context[key];
    return value === undefined || value === "" ? [] : [[field, value] as const];
  });
}
