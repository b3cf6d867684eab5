import { each, long, members, nested, numbers, texts, type Worst, worst } from "./inputs.ts";
import { WORST_TEXTS } from "./worst-texts.ts";

const l = (count = 4000) => ({ l: numbers(count) });
const A = "context.attributes";

const nodes: readonly Worst[] = [
  worst("loops in loops", `${A}.l.all(x, ${A}.l.all(y, x + y < 1000.0))`, () => l(300)),
  worst("exists in exists_one", `${A}.l.exists_one(x, ${A}.l.exists(y, x - y > 1000.0))`, () => l(300)),
  each("and, or, not, choice", "!(x < 0.0) && (x < 0.0 || x >= 0.0) ? !(x == -1.0) : false", l),
  each("members asked for", "has(x.a.b) && x.a.b <= x['a'].b", () => ({ l: Array(4000).fill({ a: { b: 1 } }) })),
  each("elements by index", "x[0] < x[1] && x[2u] > x[1.0]", () => ({ l: Array(4000).fill([1, 2, 3]) })),
  each("deep arithmetic", `${"-(".repeat(60)}x${")".repeat(60)} * 1.5 / 2.5 < 1000.0`, () => l(300)),
  each("whole numbers", "(int(x) * 7 + 9223372036854775) % 1000003 / 3 < 9000000", l),
  each("unsigned numbers", "(uint(x) * 7u + 9223372036854775u) % 1000003u / 3u < 9000000u", l),
  each("numbers of several types", "int(x) <= x && uint(x) == int(x) && -int(x) <= 0 && x >= uint(x)", l),
  each("doubles to whole numbers", "int(x * 1.1e10) + int(uint(x * 1.1e10)) >= 0", l),
  each("failures that are absorbed", "x.y || true", l),
  each("failures in all", "!x || x && true || x + 'a' == x || x in x || true", l),
  each("types", "type(x) == double && type(type(x)) == type", l),
  each("spans added to times", "timestamp(int(x)) + duration('1h') - duration(int(x)) != timestamp(int(x))", l),
  each("times taken from times", "timestamp(int(x)) - timestamp(0) < duration(int(x)) + duration('1s')", l),
  each("lists of a few", "[x, x, x].size() == 3 && [x][0] == x", l),
  each("maps of a few", '{"a": x, "b": x, 1: x, true: x, 2u: x}.size() == 5', l),
  each("lists in lists made", `${A}.l.map(y, [y]).size() > 0`, () => l(300)),
  each("elements kept", `${A}.l.filter(y, y > 50.0).size() > 0 && ${A}.l.map(y, y > 50.0, -y).size() > 0`, () => l(90)),
  each("lists joined", `size(${A}.l + ${A}.l) > 0`, () => l(2000)),
  each("short lists joined", "size(x + x + x) > 0", () => ({ l: Array(4000).fill([1, 2, 3]) })),
];

const zoned = (part: string): string => `timestamp(int(x)).get${part}("Europe/Zurich") >= 0`;
const times: readonly Worst[] = [
  each("parts of times in a zone", zoned("Hours"), () => ({ l: texts(4000, (at) => `${at * 900_000}`) })),
  each("days of years", `${zoned("DayOfYear")} && ${zoned("DayOfWeek")}`, () => ({
    l: Array.from({ length: 4000 }, (_, at) => at * 900_000 - 1e9),
  })),
  each("parts of dates", 'timestamp(int(x)).getMonth("Asia/Kathmandu") + timestamp(int(x)).getDate("UTC") >= 0', l),
  each("parts of days", "timestamp(int(x)).getDayOfMonth() + timestamp(int(x)).getMinutes() >= 0", l),
  each("seconds of times and spans", "timestamp(int(x)).getSeconds() + duration(int(x)).getSeconds() >= 0", l),
  each("parts of a second", "timestamp(int(x)).getMilliseconds() + timestamp(int(x)).getFullYear() >= 0", l),
  each("parts of spans", "duration(int(x)).getHours() + duration(int(x)).getMilliseconds() >= 0", l),
];

const collections: readonly Worst[] = [
  worst("lists compared", `${A}.l == ${A}.m`, () => ({ l: numbers(20_000), m: numbers(20_000) })),
  worst("lists of texts compared", `${A}.l == ${A}.m`, () => ({
    l: texts(10_000, () => long(31)),
    m: texts(10_000, () => long(31)),
  })),
  worst("lists in lists compared", `${A}.l == ${A}.m`, () => ({
    l: Array.from({ length: 200 }, () => nested(90, 1)),
    m: Array.from({ length: 200 }, () => nested(90, 1)),
  })),
  worst("lists of small maps compared", `${A}.l == ${A}.m`, () => ({
    l: Array.from({ length: 3000 }, (_, a) => ({ a, b: 1 })),
    m: Array.from({ length: 3000 }, (_, a) => ({ a, b: 1 })),
  })),
  worst("lists of empty maps compared", `${A}.l == ${A}.m`, () => ({
    l: Array.from({ length: 10_000 }, () => ({})),
    m: Array.from({ length: 10_000 }, () => ({})),
  })),
  worst("maps compared", `${A}.m == ${A}.n`, () => ({
    m: members(4900, (at) => `k${at}`),
    n: members(
      4900,
      (at) => `k${at}`,
      () => 7,
    ),
  })),
  worst("maps with numbers for keys compared", `${A}.m == ${A}.m`, () => ({
    m: members(4900, (at) => `${at * 1000}`),
  })),
  worst("maps with long keys compared", `${A}.m == ${A}.m`, () => ({ m: members(300, (at) => `${long(900)}${at}`) })),
  each("maps that are made compared", "{'a': x, 'b': 1} == {'b': 1, 'a': x}", l),
  each("a member of a list", `x in ${A}.l`, () => l(300)),
  each("a member of a written list", `x in [${numbers(90).map((at) => `"t${at}"`)}]`, () => ({
    l: texts(4000, (at) => `t${at % 90}`),
  })),
  each("a list that is none of it", `${A}.n in x`, () => ({
    n: numbers(20),
    l: Array.from({ length: 300 }, () => Array.from({ length: 40 }, () => numbers(20))),
  })),
  each("members of objects", `x in ${A}.m && ${A}.m[x] >= 0.0`, () => ({
    l: texts(4000, (at) => `k${at}`),
    m: members(4000, (at) => `k${at}`),
  })),
  each("whether there are attributes", `has(context.attributes) || ${A} == x`, () => ({
    ...l(),
    ...members(100_000, (at) => `k${at}`),
  })),
  worst("keys in order", `${A}.all(k, k.size() > 0)`, () => members(1100, (at) => `k${at}`)),
  worst("more keys in order", `${A}.all(k, true)`, () => members(1320, (at) => `k${at}`)),
  worst("keys that are numbers in order", `${A}.all(k, true)`, () => members(1320, (at) => `${at}`)),
  worst("keys that are alike in order", `${A}.all(k, true)`, () => members(380, (at) => `${long(31)}${at + 1000}`)),
  worst("long keys in order", `${A}.all(k, true)`, () => members(64, (at) => `${long(250)}${at + 1000}`)),
  worst("keys with rockets in order", `${A}.all(k, true)`, () => members(760, (at) => `🚀🚀🚀${at}`)),
  each("keys of small objects in order", "x.all(k, k != '')", () => ({
    l: Array.from({ length: 4000 }, () => ({ c: 1, b: 1, a: 1 })),
  })),
  worst("members counted", `${A}.size() > 0`, () => members(9990, (at) => `k${at}`)),
  worst("too many members counted", `${A}.size() > 0`, () => members(200_000, (at) => `k${at}`)),
  each("members of small objects counted", "x.size() == 30", () => ({
    l: Array(4000).fill(members(30, (at) => `k${at}`)),
  })),
  each("members of objects counted again", "x.size() == 1000", () => ({
    l: Array(4000).fill(members(1000, (at) => `k${at}`)),
  })),
];

/** Every operation, with the input that makes it most expensive for its steps. */
export const WORST: readonly Worst[] = [...nodes, ...times, ...collections, ...WORST_TEXTS];
