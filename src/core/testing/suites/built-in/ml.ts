import { canonicalJson } from "../../../json/canonical.ts";
import {
  type BuiltInSuite,
  DEFAULT_TIMEOUT_MS,
  expect,
  expectCleanError,
  expectLatency,
  LIFE_TESTS,
  LONG_TIMEOUT_MS,
  member,
  type Setting,
  type Test,
  type TestInstance,
  told,
  type Values,
  valuesOf,
} from "../suite.ts";

const RISING = Array.from({ length: 30 }, (_, index) => 100 + index + Math.sin(index));
const FALLING = Array.from({ length: 30 }, (_, index) => 130 - index + Math.cos(index));

const SETTINGS = {
  predict: { standard: "predict", about: "The method that predicts." },
  predict_batch: {
    standard: "predict_batch",
    about: "The method that predicts for many inputs; a module may lack it.",
  },
  batch_field: { standard: "inputs", about: "Where in a batch its inputs are." },
  batch_result_field: {
    standard: "predictions",
    about: "Where in its answer the predictions are, unless it is the list itself.",
  },
  prediction_field: { standard: "prediction", about: "Where in an answer the prediction is." },
  confidence_field: { standard: "confidence", about: "Where its confidence is." },
  inputs: {
    standard: [
      { symbol: "BTCZAR", prices: RISING },
      { symbol: "BTCZAR", prices: FALLING },
    ] as readonly unknown[],
    about: "Inputs that are valid: 30 prices that rise, and 30 that fall.",
  },
  wrong_shape: { standard: { prices: "not a list" } as unknown, about: "An input of the wrong shape.", any: true },
  not_a_number: {
    standard: { prices: [...RISING.slice(1), null] } as unknown,
    about: "An input with what is no number; JSON has no NaN: null stands where it would.",
    any: true,
  },
  empty: { standard: {} as unknown, about: "An input in which nothing is.", any: true },
  latency_predictions: { standard: 500, about: "Predictions that are measured." },
  p99_budget_ms: { standard: 500, about: "How long 99 % of them may take, in ms." },
  heap_warm_up_predictions: { standard: 500, about: "Predictions before the heap is measured first." },
  heap_predictions: { standard: 1000, about: "Predictions between the two measurements." },
  heap_growth_budget_mb: { standard: 2, about: "By how much the heap may have grown then, in MB." },
} satisfies Record<string, Setting>;

type Config = Values<typeof SETTINGS>;

/** What a model must be able to do. */
export const mlSuite: BuiltInSuite = {
  name: "ml",
  description: "Models: predictions are sound, repeatable and fast, and wrong inputs are told.",
  settings: SETTINGS,
  tests: (config) => [...LIFE_TESTS, ...predictionTests(valuesOf(SETTINGS, config))],
};

function predictionTests(config: Config): Test[] {
  const { predict, predict_batch, inputs, prediction_field, confidence_field } = config;
  const test = (name: string, description: string, run: Test["run"], more: Partial<Test> = {}): Test => ({
    name,
    description,
    required: true,
    timeoutMs: DEFAULT_TIMEOUT_MS,
    method: predict,
    run,
    ...more,
  });
  const predictAll = async (instance: TestInstance): Promise<unknown[]> => {
    const answers: unknown[] = [];
    for (const input of inputs) answers.push(await instance.call(predict, input));
    return answers;
  };
  const predictTimes = async (instance: TestInstance, count: number): Promise<void> => {
    for (let index = 0; index < count; index += 1) await instance.call(predict, inputs[index % inputs.length]);
  };
  /** What is refused changes nothing: the predictions after it are those before it. */
  const refused = (wrong: unknown) => async (instance: TestInstance) => {
    const before = await predictAll(instance);
    const message = await expectCleanError(instance, predict, wrong);
    const after = await predictAll(instance);
    expect(
      canonicalJson(after) === canonicalJson(before),
      `before it predicted ${told(before)}, afterwards ${told(after)}`,
    );
    return message;
  };
  return [
    test("predicts", "Valid inputs get predictions: the answer to each of `inputs` has one.", async (instance) => {
      const answers = await predictAll(instance);
      for (const answer of answers) {
        const found = member(answer, prediction_field) ?? null;
        expect(found !== null, `${prediction_field} is missing in ${told(answer)}`);
      }
      return answers[0];
    }),
    test("confidence_within_bounds", "Confidence is a number from 0 to 1, for each of `inputs`.", async (instance) => {
      for (const answer of await predictAll(instance)) {
        const confidence = member(answer, confidence_field);
        const sound = typeof confidence === "number" && confidence >= 0 && confidence <= 1;
        expect(sound, `${confidence_field} is ${told(confidence)}`);
      }
    }),
    test(
      "same_input_same_output",
      "The same input gets the same prediction, whatever was predicted in between.",
      async (instance) => {
        const [first, second] = [await predictAll(instance), await predictAll(instance)];
        expect(canonicalJson(first) === canonicalJson(second), `${told(first)}, then ${told(second)}`);
      },
    ),
    test(
      "wrong_shape_is_clean_error",
      "An input of the wrong shape is an error of the method's own, and later predictions are as before.",
      refused(config.wrong_shape),
    ),
    test(
      "nan_is_clean_error",
      "An input with what is no number is an error of the method's own, and later predictions are as before.",
      refused(config.not_a_number),
    ),
    test(
      "empty_is_clean_error",
      "An empty input is an error of the method's own, and later predictions are as before.",
      refused(config.empty),
    ),
    test(
      "batch_equals_singles",
      "A batch gets the predictions that its inputs get one by one, in their order.",
      async (instance) => {
        const singles = await predictAll(instance);
        const answer = await instance.call(predict_batch, { [config.batch_field]: inputs });
        const batch = Array.isArray(answer) ? answer : member(answer, config.batch_result_field);
        expect(canonicalJson(batch) === canonicalJson(singles), `batch ${told(batch)}, singles ${told(singles)}`);
      },
      { method: predict_batch, methodOptional: true },
    ),
    test(
      "p99_latency",
      "Predictions come fast: of `latency_predictions`, one after the other, 99 % within `p99_budget_ms`.",
      (instance) =>
        expectLatency(instance, config.latency_predictions, config.p99_budget_ms, (index) =>
          instance.call(predict, inputs[index % inputs.length]),
        ),
      { timeoutMs: LONG_TIMEOUT_MS },
    ),
    test(
      "heap_does_not_grow",
      "Predictions leave nothing behind: after `heap_warm_up_predictions`, `heap_predictions` more let the heap, its garbage collected, grow by at most `heap_growth_budget_mb`.",
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
