import {
  type BuiltInSuite,
  DEFAULT_TIMEOUT_MS,
  expect,
  expectCleanError,
  LIFE_TESTS,
  p99,
  type Test,
  type TestInstance,
  told,
} from "../suite.ts";

const RISING = Array.from({ length: 30 }, (_, index) => 100 + index + Math.sin(index));
const FALLING = Array.from({ length: 30 }, (_, index) => 130 - index + Math.cos(index));

const DEFAULT_CONFIG = {
  /** Methods, by what they do. */
  predict: "predict",
  predict_batch: "predict_batch",
  /** Where a batch's inputs and its answers are. */
  batch_field: "inputs",
  batch_result_field: "predictions",
  confidence_field: "confidence",
  /** Inputs that are valid. */
  inputs: [
    { symbol: "BTCZAR", prices: RISING },
    { symbol: "BTCZAR", prices: FALLING },
  ] as unknown[],
  /** Inputs that are not, by what is wrong with them. JSON has no NaN: null stands where it would. */
  wrong_shape: { prices: "not a list" } as unknown,
  not_a_number: { prices: [...RISING.slice(1), null] } as unknown,
  empty: {} as unknown,
  latency_predictions: 100,
  p99_budget_ms: 500,
};

type Config = typeof DEFAULT_CONFIG;

/** What a model must be able to do. */
export const mlSuite: BuiltInSuite = {
  name: "ml",
  description: "Models: predictions are sound, repeatable and fast, and wrong inputs are told.",
  defaultConfig: DEFAULT_CONFIG,
  anyValue: ["wrong_shape", "not_a_number", "empty"],
  tests: (config) => [...LIFE_TESTS, ...predictionTests({ ...DEFAULT_CONFIG, ...config } as Config)],
};

function predictionTests(config: Config): Test[] {
  const { predict, predict_batch, inputs } = config;
  const [input] = inputs;
  const test = (name: string, description: string, run: Test["run"], more: Partial<Test> = {}): Test => ({
    name,
    description,
    required: true,
    timeoutMs: DEFAULT_TIMEOUT_MS,
    method: predict,
    run,
    ...more,
  });
  const refused = (wrong: unknown) => async (instance: TestInstance) => {
    const message = await expectCleanError(instance, predict, wrong);
    await instance.call(predict, input);
    return message;
  };
  return [
    test("predicts", "A valid input gets a prediction.", async (instance) => {
      const output = await instance.call(predict, input);
      expect(output !== null && output !== undefined, "the prediction is empty");
      return output;
    }),
    test("confidence_within_bounds", "Confidence is from 0 to 1.", async (instance) => {
      for (const each of inputs) {
        const output = (await instance.call(predict, each)) as Record<string, unknown> | null;
        const confidence = output?.[config.confidence_field];
        const sound = typeof confidence === "number" && confidence >= 0 && confidence <= 1;
        expect(sound, `${config.confidence_field} is ${told(confidence)}`);
      }
    }),
    test("same_input_same_output", "The same input gets the same prediction.", async (instance) => {
      const [first, second] = [await instance.call(predict, input), await instance.call(predict, input)];
      expect(JSON.stringify(first) === JSON.stringify(second), `${told(first)}, then ${told(second)}`);
    }),
    test(
      "wrong_shape_is_clean_error",
      "An input of the wrong shape is an error, and no more.",
      refused(config.wrong_shape),
    ),
    test(
      "nan_is_clean_error",
      "An input with what is no number is an error, and no more.",
      refused(config.not_a_number),
    ),
    test("empty_is_clean_error", "An empty input is an error, and no more.", refused(config.empty)),
    test(
      "batch_equals_singles",
      "A batch gets the predictions that its inputs get one by one.",
      async (instance) => {
        const singles = await Promise.all(inputs.map((each) => instance.call(predict, each)));
        const answer = (await instance.call(predict_batch, { [config.batch_field]: inputs })) as unknown;
        const batch = Array.isArray(answer) ? answer : (answer as Record<string, unknown>)?.[config.batch_result_field];
        expect(JSON.stringify(batch) === JSON.stringify(singles), `batch ${told(batch)}, singles ${told(singles)}`);
      },
      { method: predict_batch, methodOptional: true },
    ),
    test(
      "p99_latency",
      "99 of 100 predictions are answered within the budget.",
      async (instance) => {
        const durations: number[] = [];
        for (let count = 0; count < config.latency_predictions; count += 1) {
          const start = instance.now();
          await instance.call(predict, inputs[count % inputs.length]);
          durations.push(instance.now() - start);
        }
        const slowest = p99(durations);
        expect(slowest <= config.p99_budget_ms, `p99 is ${slowest.toFixed(1)} ms, over ${config.p99_budget_ms} ms`);
        return { p99_ms: slowest };
      },
      { timeoutMs: 60_000 },
    ),
  ];
}
