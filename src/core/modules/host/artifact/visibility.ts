/** A `private` or `protected` member of a class. */
export interface HiddenMember {
  /**
   * Position, in UTF-16 units, at which its text without types begins. Modifiers that belong to a method's own text, such
   * as `async`, are included.
   */
  readonly at: number;
  /** Absent if the name is computed. */
  readonly name?: string;
}

const KEYWORD = /(?<![\p{ID_Continue}$#.\\\u200c\u200d])(?:private|protected)(?![\p{ID_Continue}$\\\u200c\u200d])/gu;
const BLANK = /(?:\s+|\/\/[^\n\r\u2028\u2029]*|\/\*[\s\S]*?\*\/)*/y;
const WORD = /[\p{ID_Start}$_][\p{ID_Continue}$\u200c\u200d]*/uy;
const TEXT = /"([^"\\\n]*)"|'([^'\\\n]*)'/y;
const MODIFIERS: ReadonlySet<string> = new Set([
  "abstract",
  "accessor",
  "async",
  "declare",
  "get",
  "override",
  "readonly",
  "set",
  "static",
]);
/** Characters that can follow a name but not a modifier. */
const AFTER_NAME = /[(=;:?!,}<]|$/y;

/**
 * Finds the `private` and `protected` members of instances in a TypeScript file by comparing it with its text without
 * types: the keyword is gone, but the name after it has stayed. Texts, comments and types do not match, because they keep
 * or lose both.
 */
export function hiddenMembers(original: string, stripped: string): readonly HiddenMember[] {
  const found: HiddenMember[] = [];
  for (const { index, 0: keyword } of original.matchAll(KEYWORD)) {
    if (stripped.startsWith(keyword, index)) continue;
    const member = memberAfter(original, stripped, index + keyword.length);
    if (member !== undefined) found.push(member);
  }
  return found;
}

function memberAfter(original: string, stripped: string, from: number): HiddenMember | undefined {
  let at = skip(BLANK, original, from);
  let start: number | undefined;
  for (;;) {
    const word = match(WORD, original, at)?.[0];
    const isStar = original[at] === "*";
    if (!isStar && (word === undefined || !MODIFIERS.has(word))) break;
    const next = skip(BLANK, original, at + (word ?? "*").length);
    if (!isStar && match(AFTER_NAME, original, next) !== null) break;
    // A static member is not a member of instances.
    if (word === "static") return undefined;
    if (stripped.startsWith(word ?? "*", at)) start ??= at;
    at = next;
  }
  const word = match(WORD, original, at)?.[0];
  const text = match(TEXT, original, at);
  const isMember = word !== undefined || /["'[\d.]/.test(original[at] ?? "");
  if (!isMember || stripped[at] !== original[at]) return undefined;
  const name = word ?? text?.[1] ?? text?.[2];
  return { at: start ?? at, ...(name === undefined ? {} : { name }) };
}

function match(pattern: RegExp, text: string, at: number): RegExpExecArray | null {
  pattern.lastIndex = at;
  return pattern.exec(text);
}

function skip(pattern: RegExp, text: string, at: number): number {
  return at + (match(pattern, text, at)?.[0].length ?? 0);
}
