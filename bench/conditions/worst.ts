import type { EvaluationContext } from "../../src/core/index.ts";

/** A condition that is as slow as its kind can be, and the context that makes it so. */
export interface Worst {
  readonly name: string;
  readonly condition: string;
  readonly context: EvaluationContext;
}

const numbers = (length: number): number[] => Array.from({ length }, (_, index) => index % 97);
const texts = (length: number, text: (index: number) => string): string[] =>
  Array.from({ length }, (_, at) => text(at));
const long = (units: number, text = "a"): string => text.repeat(units / text.length);
const attributes = (members: Record<string, unknown>): EvaluationContext => ({ attributes: members });
const each = (body: string): string => `context.attributes.l.all(x, ${body})`;

/** Kinds of work, each driven to the limit of steps or memory. */
export const WORST: readonly Worst[] = [
  {
    name: "nodes: nested loops",
    condition: each("context.attributes.l.all(y, x + y < 1000.0)"),
    context: attributes({ l: numbers(300) }),
  },
  {
    name: "whole numbers of 64 bits",
    condition: each("(int(x) * 7 + 9223372036854775) % 1000003 / 3 < 9000000"),
    context: attributes({ l: numbers(3000) }),
  },
  { name: "failures that are absorbed", condition: each("x.y || true"), context: attributes({ l: numbers(3000) }) },
  {
    name: "failures that are told",
    condition: each('int("n" + string(x)) > 0 || true'),
    context: attributes({ l: numbers(3000) }),
  },
  {
    name: "texts to doubles",
    condition: each("double(x) >= 0.0"),
    context: attributes({ l: texts(4000, (at) => `${at}.12345678901234567890123456789012345678901234567890e-30`) }),
  },
  {
    name: "doubles to texts",
    condition: each('string(x * 1.1e-7) != ""'),
    context: attributes({ l: Array.from({ length: 4000 }, (_, at) => Math.sqrt(at + 2)) }),
  },
  {
    name: "texts to ints",
    condition: each("int(x) >= 0"),
    context: attributes({ l: texts(4000, (at) => `${"0".repeat(45)}123456789012${at}`) }),
  },
  {
    name: "texts to timestamps",
    condition: each('timestamp(x) > timestamp("2000-01-01T00:00:00Z")'),
    context: attributes({ l: texts(4000, () => "2026-01-16T10:00:00.123456789+13:59") }),
  },
  {
    name: "timestamps to texts",
    condition: each('string(timestamp(int(x))) != ""'),
    context: attributes({ l: numbers(4000) }),
  },
  {
    name: "texts to durations",
    condition: each('duration(x) > duration("-1s")'),
    context: attributes({ l: texts(4000, () => "1h1m1s1ms1us1ns1h1m1s1ms1us1ns1h1m1s1ms1us1ns1h1m1s1ms1us1ns1h1") }),
  },
  {
    name: "durations of many parts",
    condition: each('duration(x) > duration("-1s")'),
    context: attributes({ l: texts(4000, () => "1ns".repeat(21)) }),
  },
  {
    name: "parts of a timestamp in a zone",
    condition: each('timestamp(int(x)).getHours("Europe/Zurich") >= 0'),
    context: attributes({ l: numbers(4000) }),
  },
  {
    name: "texts joined",
    condition: each('(context.attributes.t + "b").size() > 0'),
    context: attributes({ l: numbers(3000), t: long(1000) }),
  },
  {
    name: "texts joined and searched",
    condition: each('(context.attributes.t + "b").contains("bb")'),
    context: attributes({ l: numbers(3000), t: long(1000) }),
  },
  {
    name: "a text searched: many near misses",
    condition: "context.attributes.t.contains(context.attributes.n)",
    context: attributes({ t: long(60_000), n: `b${long(18_999)}` }),
  },
  {
    name: "a text searched: near misses at the end",
    condition: "context.attributes.t.contains(context.attributes.n)",
    context: attributes({ t: long(60_000), n: `${long(18_999)}b` }),
  },
  {
    name: "a text searched for little",
    condition: "context.attributes.t.contains('aaaaaaab')",
    context: attributes({ t: long(79_000) }),
  },
  {
    name: "texts compared",
    condition: "context.attributes.t == context.attributes.n",
    context: attributes({ t: `${long(319_000)}b`, n: `${long(319_000)}c` }),
  },
  {
    name: "texts put in order",
    condition: "context.attributes.t < context.attributes.n",
    context: attributes({ t: `${long(319_000)}b`, n: `${long(319_000)}c` }),
  },
  {
    name: "characters counted",
    condition: "context.attributes.t.size() > 0",
    context: attributes({ t: long(318_000, "🚀") }),
  },
  {
    name: "bytes made of texts",
    condition: each("bytes(context.attributes.t).size() > 0"),
    context: attributes({ l: numbers(3000), t: long(1000, "é") }),
  },
  {
    name: "a text of one field",
    condition: "context.session_id.matches('[^a]b')",
    context: { sessionId: long(2_000_000) },
  },
  {
    name: "a pattern of many states",
    condition: "context.attributes.t.matches('(a?){200}a{200}b')",
    context: attributes({ t: long(100_000) }),
  },
  {
    name: "a pattern of two states",
    condition: "context.attributes.t.matches('(a+)+$|b')",
    context: attributes({ t: `${long(80_000)}c` }),
  },
  {
    name: "a pattern with a class of Unicode",
    condition: "context.attributes.t.matches('\\\\p{L}{50}\\\\d')",
    context: attributes({ t: long(100_000, "한") }),
  },
  {
    name: "patterns over many short texts",
    condition: each("x.matches('^(a|b|c){1,40}$')"),
    context: attributes({ l: texts(3000, () => "ab") }),
  },
  {
    name: "lists compared",
    condition: "context.attributes.l == context.attributes.m",
    context: attributes({ l: numbers(20_000), m: numbers(20_000) }),
  },
  {
    name: "a list gone through for a member",
    condition: each("x in context.attributes.l"),
    context: attributes({ l: numbers(300) }),
  },
  {
    name: "lists joined",
    condition: each("size(context.attributes.l + context.attributes.l) > 0"),
    context: attributes({ l: numbers(2000) }),
  },
  {
    name: "maps compared",
    condition: "context.attributes.m == context.attributes.m",
    context: attributes({ m: Object.fromEntries(numbers(4900).map((_, at) => [`k${(at * 7919) % 4900}`, at])) }),
  },
  {
    name: "keys put in order",
    condition: "context.attributes.all(k, k.size() > 0)",
    context: attributes(Object.fromEntries(numbers(2000).map((_, at) => [`k${(at * 7919) % 2000}`, at]))),
  },
  {
    name: "long keys put in order",
    condition: "context.attributes.all(k, k.size() > 0)",
    context: attributes(Object.fromEntries(numbers(300).map((_, at) => [`${long(1000)}${(at * 7919) % 300}`, at]))),
  },
  {
    name: "members of a large map",
    condition: "context.attributes.size() > 0",
    context: attributes(Object.fromEntries(numbers(9990).map((_, at) => [`k${at}`, at]))),
  },
  {
    name: "members of a map that is too large",
    condition: "context.attributes.size() > 0",
    context: attributes(Object.fromEntries(numbers(200_000).map((_, at) => [`k${at}`, at]))),
  },
  {
    name: "lists made",
    condition: each("context.attributes.l.map(y, y).size() > 0"),
    context: attributes({ l: numbers(300) }),
  },
  {
    name: "maps made",
    condition: each('{"a": x, "b": x, "c": x, "d": x}.size() > 0'),
    context: attributes({ l: numbers(3000) }),
  },
];
