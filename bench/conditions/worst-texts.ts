import { each, long, numbers, texts, type Worst, worst } from "./inputs.ts";

const A = "context.attributes";
const two = (t: string, n: string) => (): Record<string, unknown> => ({ t, n });
/** Concatenated, so that no two strings are the same object. */
const ascii = (units: number, end = ""): string => `${long(units)}${end}`;

const conversions: readonly Worst[] = [
  each("failures that are told", 'int("n" + string(x)) > 0 || true', () => ({ l: numbers(3000) })),
  each("texts that are no numbers", "int(x) > 0 || double(x) > 0.0 || uint(x) > 1u || true", () => ({
    l: texts(4000, () => "\u0001".repeat(60)),
  })),
  each(
    "short texts that are no numbers",
    "int(x) > 0 || double(x) > 0.0 || duration(x) == duration('1s') || true",
    () => ({
      l: texts(4000, () => "x"),
    }),
  ),
  each("texts to doubles", "double(x) >= 0.0", () => ({
    l: texts(4000, (at) => `${at}.12345678901234567890123456789012345678901234567890e-30`),
  })),
  each("texts to short doubles", "double(x) >= 0.0", () => ({ l: texts(4000, (at) => `${at % 10}.5`) })),
  each("texts to ints", "int(x) >= 0", () => ({ l: texts(4000, (at) => `${"0".repeat(45)}123456789012${at}`) })),
  each("texts to short ints", "int(x) >= 0 && uint(x) >= 0u", () => ({ l: texts(4000, (at) => `${at % 10}`) })),
  each("texts to bools", "bool(x)", () => ({ l: texts(4000, () => "1") })),
  each("texts to times", 'timestamp(x) > timestamp("2000-01-01T00:00:00Z")', () => ({
    l: texts(4000, () => "2026-01-16T10:00:00.123456789+13:59"),
  })),
  each("texts to spans", 'duration(x) > duration("-1s")', () => ({
    l: texts(4000, () => "1h1m1s1ms1us1ns1h1m1s1ms1us1ns1h1m1s1ms1us1ns1h1m1s1ms1us1ns1h1"),
  })),
  each("spans of many parts", 'duration(x) > duration("-1s")', () => ({ l: texts(4000, () => "1ns".repeat(21)) })),
  each("spans of fractions", 'duration(x) > duration("-1s")', () => ({ l: texts(4000, () => "1.1h".repeat(16)) })),
  each("a span of a long fraction", 'duration(x) > duration("-1s")', () => ({
    l: texts(4000, () => `0.${"9".repeat(61)}h`),
  })),
  each("short spans", 'duration(x) > duration("-1s")', () => ({ l: texts(4000, () => "1h") })),
  each("doubles to texts", 'string(x * 1.1e-7) != ""', () => ({
    l: Array.from({ length: 4000 }, (_, at) => Math.sqrt(at + 2)),
  })),
  each("whole numbers to texts", 'string(int(x)) + string(uint(x)) != ""', () => ({
    l: Array.from({ length: 4000 }, (_, at) => 1e15 + at),
  })),
  each("bools to texts", 'string(x > 1.0) != ""', () => ({ l: numbers(4000) })),
  each("times to texts", 'string(timestamp(int(x))) != ""', () => ({ l: numbers(4000) })),
  each("spans to texts", 'string(duration(int(x))) != ""', () => ({ l: numbers(4000) })),
  each("bytes to texts", 'string(b"abc") + string(bytes(x)) != ""', () => ({ l: texts(4000, (at) => `t${at}`) })),
  each("long bytes to texts", 'string(bytes(x)) != ""', () => ({ l: texts(4000, () => long(1000, "한")) })),
  each("bytes that are no texts", `string(${`b"${"\\x80".repeat(8)}"`} + bytes(x)) != "" || true`, () => ({
    l: texts(4000, (at) => `t${at}`),
  })),
  each("texts to bytes", `bytes(${A}.t).size() > 0`, () => ({ l: numbers(3000), t: long(1000, "é") })),
  each("short texts to bytes", "bytes(x).size() > 0", () => ({ l: texts(4000, (at) => `t${at}`) })),
  worst("bytes compared", `bytes(${A}.t) == bytes(${A}.n)`, two(ascii(100_000), ascii(100_000))),
  worst("bytes in order", `bytes(${A}.t) < bytes(${A}.n)`, two(ascii(100_000, "b"), ascii(100_000, "c"))),
  each("bytes joined", `size(bytes(${A}.t) + bytes(${A}.t)) > 0`, () => ({ l: numbers(3000), t: long(1000) })),
];

const plain: readonly Worst[] = [
  each("texts joined", `(${A}.t + "b").size() > 0`, () => ({ l: numbers(3000), t: long(1000) })),
  each("short texts joined", '(x + "b" + x + "c").size() > 0', () => ({ l: texts(3000, () => "a") })),
  each("texts joined and searched", `!(${A}.t + "b").contains("bb")`, () => ({ l: numbers(3000), t: long(1000) })),
  each("short texts searched", 'x.contains("b") || x.contains("aaaaaaaab") || true', () => ({
    l: texts(3000, () => "aa"),
  })),
  each("texts searched in a square", `x.contains(${A}.n) || true`, () => ({
    l: texts(3000, () => ascii(255)),
    n: `b${ascii(250)}`,
  })),
  each("texts searched in a square, from the end", `x.contains(${A}.n) || true`, () => ({
    l: texts(3000, () => ascii(255)),
    n: ascii(250, "b"),
  })),
  each("texts searched in a rectangle", `x.contains(${A}.n) || true`, () => ({
    l: texts(300, () => ascii(2000)),
    n: `b${ascii(31)}`,
  })),
  worst(
    "a text searched: near misses at the beginning",
    `${A}.t.contains(${A}.n)`,
    two(ascii(30_000), `b${ascii(9_499)}`),
  ),
  worst("a text searched: near misses at the end", `${A}.t.contains(${A}.n)`, two(ascii(30_000), ascii(9_499, "b"))),
  worst("a text searched: borders", `${A}.t.contains(${A}.n)`, two(long(30_000, "aab"), `${long(9_498, "aabaab")}c`)),
  worst("a text searched for little", `${A}.t.contains('aaaaaaab')`, two(ascii(39_500), "")),
  worst("texts compared", `${A}.t == ${A}.n`, two(ascii(319_000, "b"), ascii(319_000, "c"))),
  worst("texts of two widths compared", `${A}.t == ${A}.n`, two(ascii(319_000, "b"), ascii(319_000, "한"))),
  worst("texts in order", `${A}.t < ${A}.n`, two(ascii(39_900, "b"), ascii(39_900, "c"))),
  worst("texts of two widths in order", `${A}.t < ${A}.n`, two(ascii(39_900, "b"), ascii(39_900, "한"))),
  each("texts below a block in order", `x < ${A}.n`, () => ({
    l: texts(3000, () => ascii(255, "a")),
    n: ascii(255, "b"),
  })),
  each("texts of one step in order", `x < ${A}.n`, () => ({ l: texts(3000, () => ascii(30, "a")), n: ascii(30, "b") })),
  worst(
    "texts that begin and end alike",
    `${A}.t.startsWith(${A}.n) && ${A}.t.endsWith(${A}.n)`,
    two(ascii(159_000), ascii(159_000)),
  ),
  worst("characters counted", `${A}.t.size() > 0`, two(long(39_900, "🚀"), "")),
  each("characters of short texts counted", "x.size() == 15", () => ({ l: texts(4000, () => long(30, "🚀")) })),
  each("long keys", `${A}[x] == 1.0 || true`, () => ({ l: texts(300, (at) => `${ascii(1000)}${at}`) })),
  each("long keys of a map that is made", `{x: 1, x + "b": 2}[x] == 1`, () => ({
    l: texts(300, (at) => `${ascii(1000)}${at}`),
  })),
  each("a long text among texts", `x in ["${"a".repeat(40)}b", "${"a".repeat(40)}c"] || true`, () => ({
    l: texts(3000, () => ascii(40, "d")),
  })),
];

const matched = (name: string, pattern: string, t: () => string): Worst =>
  worst(name, `${A}.t.matches('${pattern}')`, () => ({ t: t() }));
const patterns: readonly Worst[] = [
  {
    name: "a text of one field",
    condition: "context.session_id.matches('[^a]b')",
    context: () => ({ sessionId: long(2_000_000) }),
  },
  matched("a pattern of one state over rockets", "[^🚀]b", () => long(2_000_000, "🚀")),
  matched("a pattern of many states", "(a?){200}a{200}b", () => long(100_000)),
  matched("a pattern of two states", "(a+)+$|b", () => `${long(80_000)}c`),
  matched("a pattern anchored", "^(?:a|b)*c", () => long(100_000)),
  matched("a pattern with a class of Unicode", "\\\\p{L}{50}\\\\d", () => long(100_000, "한")),
  matched("a pattern with many classes", "(?:[^b-c]|[^d-e]|[^f-g]|[^h-i]|\\\\P{Lu}|\\\\P{Nd}){3}b", () =>
    long(100_000, "한"),
  ),
  matched("a pattern of places", "(?:\\\\b|\\\\B|^|$)(?:\\\\b|\\\\B)(?:\\\\b|\\\\B)x", () => long(100_000, "a ")),
  matched("a pattern of lines", "(?m)(?:^|$)(?:^|$|a)(?:^|$)x", () => long(100_000, "\n")),
  each("patterns over many short texts", "x.matches('^(a|b|c){1,40}$')", () => ({ l: texts(3000, () => "ab") })),
  each("a large pattern over many empty texts", "x.matches('^(?:abcdefghij){90}$') || true", () => ({
    l: texts(3000, () => ""),
  })),
  each("patterns of one letter", "x.matches('^a') && x.matches('b$')", () => ({ l: texts(3000, () => "ab") })),
];

export const WORST_TEXTS: readonly Worst[] = [...conversions, ...plain, ...patterns];
