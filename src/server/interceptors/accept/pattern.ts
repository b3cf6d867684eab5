/**
 * Patterns between `^` and `$`, of ASCII letters, digits, sets of some characters, groups and repetitions. They mean the same
 * to RE2 and to JavaScript.
 */
const COMMON = /^\^(?:[A-Za-z0-9_]|\[[A-Za-z0-9_.:-]+\]|\((?!\?)|\)|[*+?]|\{[0-9]{1,3}\})*\$$/;

/**
 * Returns the pattern, if it has the same meaning in RE2, and JavaScript decides in linear time whether a text matches it.
 * Otherwise undefined.
 */
export function safePattern(source: string): RegExp | undefined {
  // A second repetition without end may make the search slow.
  if (!COMMON.test(source) || (source.match(/[*+]/g) ?? []).length > 1 || /\)[*+{]/.test(source)) return undefined;
  try {
    return new RegExp(source);
  } catch {
    return undefined;
  }
}
