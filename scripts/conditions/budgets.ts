import type { ConditionCase, VectorContext } from "./cases.ts";

const list = (...sizes: readonly number[]): VectorContext[] =>
  sizes.map((times) => ({ repeated_values: { l: [1, times] } }));
const text = (...sizes: readonly number[]): VectorContext[] =>
  sizes.map((times) => ({ repeated_texts: { t: ["a", times] } }));
const l = "context.attributes.l";
const t = "context.attributes.t";

/** Cases at the limits of steps and memory, and cases that show the costs. */
export const BUDGET_CASES: readonly ConditionCase[] = [
  { condition: `${l}.all(x, x > 0.0)`, contexts: list(0, 1, 2, 2499, 2500, 5000) },
  { condition: `${l}.exists(x, x > 1.0)`, contexts: list(2499, 2500) },
  { condition: `${l}.exists_one(x, x > 1.0)`, contexts: list(10, 2500) },
  { condition: `${l}.all(x, ${l}.all(y, x <= y))`, contexts: list(1, 10, 48, 49, 50, 51) },
  { condition: `${l}.map(x, x).size() >= 0`, contexts: list(0, 10, 3332, 3333, 3334) },
  { condition: `${l} == ${l}`, contexts: list(0, 100, 9997, 9998, 20000) },
  { condition: `2.0 in ${l}`, contexts: list(0, 100, 9996, 9997, 9998) },
  { condition: `(${l} + ${l}).size() > 0`, contexts: list(1, 16, 100, 65532, 65534, 65535, 65536, 200000) },
  { condition: `false && ${l}.all(x, x > 0.0)`, contexts: list(5000) },
  { condition: `(${l}.all(x, x > 0.0) || true) && (true || ${l}.all(x, x > 0.0))`, contexts: list(10, 5000) },
  { condition: `${l}.exists(x, x.y) || ${l}.all(x, x == 1.0)`, contexts: list(10, 500, 5000) },
  { condition: `!(${l}.all(x, x > 0.0))`, contexts: list(10, 5000) },
  { condition: `${t} == ${t}`, contexts: text(0, 31, 32, 63, 64, 319_871, 319_904, 319_936, 1_000_000) },
  { condition: `${t} < "b"`, contexts: text(0, 1, 1_000_000) },
  { condition: `${t} <= ${t}`, contexts: text(0, 3, 4, 7, 8, 39_979, 39_983, 39_984, 1_000_000) },
  { condition: `${t}.size() > 0`, contexts: text(0, 3, 4, 7, 8, 100, 39_980, 39_983, 39_984, 1_000_000) },
  { condition: `${t}.contains("b")`, contexts: text(0, 2, 3, 4, 1000, 39_986, 39_987, 1_000_000) },
  { condition: `${t}.contains(${t} + "b")`, contexts: text(1, 1000, 15_000, 30_000) },
  { condition: `(${t} + "b").contains(${t} + "c")`, contexts: text(1, 1000, 10_000, 40_000) },
  { condition: `${t}.startsWith(${t}) && ${t}.endsWith(${t})`, contexts: text(1, 1000, 159_000, 170_000) },
  { condition: `(${t} + ${t}).size() > 0`, contexts: text(0, 1, 15, 16, 1000, 106_000, 107_000, 300_000) },
  {
    condition: `(${t} + ${t} + ${t} + ${t}).size() > 0 && (${t} + ${t} + ${t} + ${t}).size() > 0`,
    contexts: text(1000, 20_000, 29_000),
  },
  {
    condition: `bytes(${t}).size() > 0 && string(bytes(${t})) == ${t}`,
    contexts: text(0, 1, 1000, 50_000, 90_000, 400_000),
  },
  { condition: `${t}.matches("b")`, contexts: text(0, 1, 2, 3, 100, 19_994, 19_995, 1_000_000) },
  { condition: `${t}.matches("^a")`, contexts: text(0, 1, 1_000_000) },
  { condition: `${t}.matches("^(a+)+$")`, contexts: text(1, 100, 7_000, 15_000) },
  { condition: `${t}.matches("(a?){50}a{50}b")`, contexts: text(10, 100, 1000) },
  { condition: `${t}.matches("(x+x+)+y|a{20}b")`, contexts: text(100, 1200, 3000) },
  { condition: `int(${t}) > 0 || true`, contexts: text(1, 2, 3, 64, 65, 19_980, 20_010) },
  { condition: `${t} in ["${"a".repeat(40)}", "b"]`, contexts: text(1, 40, 64, 1_000_000) },
  { condition: `${t} in context.attributes`, contexts: text(1, 32, 1_000_000) },
  { condition: `${t} in [${t}, ${t}]`, contexts: text(1, 64, 100_000, 160_000, 320_000) },
  { condition: `{${t}: 1}[${t}] == 1`, contexts: text(1, 64, 159_900, 160_000) },
  { condition: `{"x": ${t}} == {"x": ${t}}`, contexts: text(1, 64, 100_000, 330_000) },
  {
    condition: `context.session_id.matches("[^a]")`,
    contexts: [100, 90_000].map((times) => ({ session_id: "a".repeat(times > 1000 ? 1024 : times) })),
  },
  {
    condition: "context.attributes.m.all(k, k != '') && context.attributes.m == context.attributes.m",
    contexts: [0, 1, 2, 3, 7, 8, 100, 450, 900].map((size) => ({
      attributes: {
        m: Object.fromEntries(Array.from({ length: size }, (_, at) => [`k${(at * 7919) % Math.max(1, size)}`, at])),
      },
    })),
  },
  { condition: `${l}.map(x, [x, x, x]).size() > 0`, contexts: list(10, 1600, 2000) },
  { condition: `${l}.map(x, {"a": x, "b": [x]}).size() > 0`, contexts: list(10, 1000, 1500) },
  { condition: `${l}.all(x, string(x) == "1" && double(string(x)) == x)`, contexts: list(10, 800, 2000) },
  { condition: `${l}.all(x, string(timestamp(int(x))) != "")`, contexts: list(10, 400, 700) },
  { condition: `[[1, 2], [3]] == [[1, 2], ${l}]`, contexts: list(1, 2) },
  { condition: `["a", "b"] == ${l} || {"a": [1]} == {"a": [1]}`, contexts: list(1, 2) },
];
