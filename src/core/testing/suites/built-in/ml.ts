import { canonicalJson } from "../../../json/canonical.ts";
import {
  type BuiltInSuite,
  formatValue,
  type Setting,
  type Test,
  type TestInstance,
  type Values,
  valuesOf,
} from "../suite.ts";
import { expect, expectCleanError, expectLatency, LIFE_TESTS, LONG_TIMEOUT_MS, member, testsOf } from "./checks.ts";

const RISING = Array.from({ length: 30 }, (_, index) => 100 + index + Math.sin(index));
const FALLING = Array.from({ length: 30 }, (_, index) => 130 - index + Math.cos(index));

const SETTINGS = {
  predict: { standard: "predict", about: "The method that predicts." },
  predict_batch: {
    standard: "predict_batch",
    about: "The method that predicts for many inputs. Optional.",
  },
  batch_field: { standard: "inputs", about: "The field of a batch that has its inputs." },
  batch_result_field: {
    standard: "predictions",
    about: "The field of the answer that has the predictions, unless the answer is the list itself.",
  },
  prediction_field: { standard: "prediction", about: "The field of an answer that has the prediction." },
  confidence_field: { standard: "confidence", about: "The field of an answer that has the confidence." },
  inputs: {
    standard: [
      { symbol: "BTCZAR", prices: RISING },
      { symbol: "BTCZAR", prices: FALLING },
    ] as readonly unknown[],
    about: "Valid inputs: 30 rising prices, and 30 falling ones.",
  },
  wrong_shape: { standard: { prices: "not a list" } as unknown, about: "An input of the wrong shape.", any: true },
  not_a_number: {
    standard: { prices: [...RISING.slice(1), null] } as unknown,
    about: "An input with a value that is not a number. JSON has no NaN, so it contains null instead.",
    any: true,
  },
  empty: { standard: {} as unknown, about: "An empty input.", any: true },
  latency_predictions: { standard: 500, about: "The number of predictions that are measured." },
  p99_budget_ms: { standard: 500, about: "The maximum duration of 99 % of the predictions, in ms." },
  heap_warm_up_predictions: {
    standard: 500,
    about: "The number of predictions before the first measurement of the heap.",
  },
  heap_predictions: { standard: 1000, about: "The number of predictions between the two measurements." },
  heap_growth_budget_mb: { standard: 2, about: "The maximum growth of the heap between the measurements, in MB." },
} satisfies Record<string, Setting>;

type Config = Values<typeof SETTINGS>;

/** Tests for models. */
export const mlSuite: BuiltInSuite = {
  name: "ml",
  description: "Models: predictions are valid, repeatable and fast, and wrong inputs are clean errors.",
  settings: SETTINGS,
  tests: (config) => [...LIFE_TESTS, ...predictionTests(valuesOf(SETTINGS, config))],
};

function predictionTests(config: Config): Test[] {
  const { predict, predict_batch, inputs, prediction_field, confidence_field } = config;
  const test = testsOf(predict);
  const predictAll = async (instance: TestInstance): Promise<unknown[]> => {
    const answers: unknown[] = [];
    for (const input of inputs) answers.push(await instance.call(predict, input));
    return answers;
  };
  const predictTimes = async (instance: TestInstance, count: number): Promise<void> => {
    for (let index = 0; index < count; index += 1) await instance.call(predict, inputs[index % inputs.length]);
  };
  /** Fails unless a refused input leaves the predictions unchanged. */
  const refused = (wrong: unknown) => async (instance: TestInstance) => {
    const before = await predictAll(instance);
    const message = await expectCleanError(instance, predict, wrong);
    const after = await predictAll(instance);
    expect(
      canonicalJson(after) === canonicalJson(before),
      `before it predicted ${formatValue(before)}, afterwards ${formatValue(after)}`,
    );
    return message;
  };
  return [
    test("predicts", "The answer to each of `inputs` has a prediction.", async (instance) => {
      const answers = await predictAll(instance);
      for (const answer of answers) {
        const found = member(answer, prediction_field) ?? null;
        expect(found !== null, `${prediction_field} is missing in ${formatValue(answer)}`);
      }
      return answers[0];
    }),
    test("confidence_within_bounds", "Confidence is a number from 0 to 1, for each of `inputs`.", async (instance) => {
      for (const answer of await predictAll(instance)) {
        const confidence = member(answer, confidence_field);
        const sound = typeof confidence === "number" && confidence >= 0 && confidence <= 1;
        expect(sound, `${confidence_field} is ${formatValue(confidence)}`);
      }
    }),
    test(
      "same_input_same_output",
      "The same input gets the same prediction, even after other predictions.",
      async (instance) => {
        const [first, second] = [await predictAll(instance), await predictAll(instance)];
        expect(canonicalJson(first) === canonicalJson(second), `${formatValue(first)}, then ${formatValue(second)}`);
      },
    ),
    test(
      "wrong_shape_is_clean_error",
      "An input of the wrong shape is a clean error, and later predictions are unchanged.",
      refused(config.wrong_shape),
    ),
    test(
      "nan_is_clean_error",
      "An input with a value that is not a number is a clean error, and later predictions are unchanged.",
      refused(config.not_a_number),
    ),
    test(
      "empty_is_clean_error",
      "An empty input is a clean error, and later predictions are unchanged.",
      refused(config.empty),
    ),
    test(
      "batch_equals_singles",
      "A batch gets the same predictions as its inputs one by one, in order.",
      async (instance) => {
        const singles = await predictAll(instance);
        const answer = await instance.call(predict_batch, { [config.batch_field]: inputs });
        const batch = Array.isArray(answer) ? answer : member(answer, config.batch_result_field);
        expect(
          canonicalJson(batch) === canonicalJson(singles),
          `batch ${formatValue(batch)}, singles ${formatValue(singles)}`,
        );
      },
      { method: predict_batch, methodOptional: true },
    ),
    test(
      "p99_latency",
      "99 % of `latency_predictions`, made one after the other, take at most `p99_budget_ms`.",
      (instance) =>
        expectLatency(instance, config.latency_predictions, config.p99_budget_ms, (index) =>
          instance.call(predict, inputs[index % inputs.length]),
        ),
      { timeoutMs: LONG_TIMEOUT_MS },
    ),
    test(
      "heap_does_not_grow",
      "Predictions do not leak memory: after `heap_warm_up_predictions`, another `heap_predictions` let the heap grow by at most `heap_growth_budget_mb`, measured after garbage collections.",
      async (instance) => {
        await predictTimes(instance, config.heap_warm_up_predictions);
        const before = await instance.heapUsed();
        await predictTimes(instance, config.heap_predictions);
        const grownMb = ((await instance.heapUsed()) - before) / 1024 ** 2;
        const [grown, budget] = [grownMb.toFixed(2), config.heap_growth_budget_mb];
        expect(
          grownMb <= budget,
          `it grew by ${grown} MB over ${config.heap_predictions} predictions, over ${budget} MB`,
        );
        return { grown_mb: Number(grown) };
      },
      { timeoutMs: LONG_TIMEOUT_MS },
    ),
  ];
}
