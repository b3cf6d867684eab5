/** Converts `placeOrder` to `place_order`. A name in snake_case stays as it is. */
export function snakeCase(name: string): string {
  return name
    .replace(/([\p{Ll}\p{N}])(\p{Lu})/gu, "$1_$2")
    .replace(/(\p{Lu})(\p{Lu}\p{Ll})/gu, "$1_$2")
    .toLowerCase();
}

/** Converts `place_order` to `placeOrder`. Underscores at the ends, and several in a row, stay. */
export function camelCase(name: string): string {
  return name.replace(/(?<=[^_])_([\p{Ll}\p{N}])/gu, (part, first: string) => {
    const upper = first.toUpperCase();
    // Some letters have no capital of their own. The capital of a dotless i, for example, is that of i.
    return upper.toLowerCase() === first ? upper : part;
  });
}

/**
 * Maps each spelling by which one of these methods can be called to the name in its class. The spellings of a method are
 * this name, and the same in camelCase and in snake_case. A name that a class gives always means that method. A converted
 * spelling that two methods would share means neither of them.
 */
export function spellingsOf(methods: readonly string[]): ReadonlyMap<string, string> {
  const others = new Map<string, string | undefined>();
  for (const method of methods) {
    const snake = snakeCase(method);
    for (const other of new Set([snake, camelCase(snake), camelCase(method)])) {
      others.set(other, others.has(other) ? undefined : method);
    }
  }
  const spellings = new Map<string, string>();
  for (const [other, method] of others) if (method !== undefined) spellings.set(other, method);
  for (const method of methods) spellings.set(method, method);
  return spellings;
}

/** Whether two names mean the same one of these methods. */
export function isSameMethod(methods: readonly string[], one: string, other: string): boolean {
  if (one === other) return true;
  if (letters(one) !== letters(other)) return false;
  const spellings = spellingsOf(methods);
  return spellings.has(one) && spellings.get(one) === spellings.get(other);
}

/** Returns the letters that all spellings of a name have in common. */
const letters = (name: string): string => name.replaceAll("_", "").toLowerCase();
