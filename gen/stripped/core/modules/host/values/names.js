/** `placeOrder` as `place_order`; a name that is in snake_case as it is. */
export function snakeCase(name        )         {
  return name
    .replace(/([\p{Ll}\p{N}])(\p{Lu})/gu, "$1_$2")
    .replace(/(\p{Lu})(\p{Lu}\p{Ll})/gu, "$1_$2")
    .toLowerCase();
}

/** `place_order` as `placeOrder`; underscores at the ends, and several in a row, stay. */
export function camelCase(name        )         {
  return name.replace(/(?<=[^_])_([\p{Ll}\p{N}])/gu, (part, first        ) => {
    const upper = first.toUpperCase();
    // Some letters have no capital of their own: that of a dotless i is the one of i.
    return upper.toLowerCase() === first ? upper : part;
  });
}

/**
 * Every name by which one of these methods can be called, with the name that its class gives it: that one, and the same in
 * camelCase and in snake_case. A name that the class gives is of that method alone, and one that two methods would
 * have by their other spellings is of neither.
 */
export function spellingsOf(methods                   )                              {
  const others = new Map                            ();
  for (const method of methods) {
    const snake = snakeCase(method);
    for (const other of new Set([snake, camelCase(snake), camelCase(method)])) {
      others.set(other, others.has(other) ? undefined : method);
    }
  }
  const spellings = new Map                ();
  for (const [other, method] of others) if (method !== undefined) spellings.set(other, method);
  for (const method of methods) spellings.set(method, method);
  return spellings;
}

/** Whether two names are of the same one of these methods. */
export function isSameMethod(methods                   , one        , other        )          {
  if (one === other) return true;
  if (letters(one) !== letters(other)) return false;
  const spellings = spellingsOf(methods);
  return spellings.has(one) && spellings.get(one) === spellings.get(other);
}

/** What all spellings of a name have in common. */
const letters = (name        )         => name.replaceAll("_", "").toLowerCase();
