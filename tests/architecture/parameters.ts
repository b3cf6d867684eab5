export interface Method {
  readonly method: string;
  /** Names, in order. */
  readonly parameters: readonly string[];
}

/** A method's name at the beginning of a line, with type parameters, up to its parenthesis. */
const METHOD = /^ +(\w+)(?:<[^()]*>)?\(/gm;

/** The methods of the interfaces in a TypeScript file whose signatures end in a semicolon. */
export function parametersOf(text: string): Method[] {
  const found: Method[] = [];
  for (const match of text.matchAll(METHOD)) {
    const start = match.index + match[0].length;
    const end = endOf(text, start);
    if (!/^\): [^={;]*(?:\{[^=}]*\}[^={;]*)?;/.test(text.slice(end))) continue;
    found.push({ method: match[1] ?? "", parameters: namesIn(text.slice(start, end)) });
  }
  return found;
}

/** The index of the parenthesis that closes the one before `start`. */
function endOf(text: string, start: number): number {
  let depth = 0;
  for (let at = start; at < text.length; at += 1) {
    const character = text[at] ?? "";
    if (character === ")" && depth === 0) return at;
    if ("([{".includes(character)) depth += 1;
    if (")]}".includes(character)) depth -= 1;
  }
  return text.length;
}

/** The names in a list of parameters. Commas within types do not separate parameters. */
function namesIn(list: string): string[] {
  let depth = 0;
  let name = "";
  const names: string[] = [];
  let isName = true;
  for (const character of list.replaceAll("=>", "")) {
    if ("([{<".includes(character)) depth += 1;
    if (")]}>".includes(character)) depth -= 1;
    if (character === "," && depth === 0) {
      isName = true;
      name = "";
    } else if (isName && /[?:]/.test(character)) {
      names.push(name.trim());
      isName = false;
    } else if (isName) {
      name += character;
    }
  }
  return names;
}
