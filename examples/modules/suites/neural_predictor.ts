import type { SuiteTarget, SuiteTest } from "helios/module";

interface Prediction {
  readonly prediction: string;
  readonly confidence: number;
  readonly probabilities: Readonly<Record<string, number>>;
}

const predict = (module: SuiteTarget, prices: readonly number[]): Promise<Prediction> =>
  module.call("predict", { prices }) as Promise<Prediction>;

const rising = Array.from({ length: 30 }, (_, index) => 100 + index);

/** Tests of this predictor, in addition to the tests of the suite `ml` for every model. */
const suite: SuiteTest[] = [
  {
    name: "follows_a_trend",
    description: "Prices that rise are predicted to go up, and prices that fall to go down.",
    async run(module) {
      const [up, down] = [await predict(module, rising), await predict(module, [...rising].reverse())];
      if (up.prediction !== "up" || down.prediction !== "down") {
        throw new Error(`it predicted ${up.prediction} and ${down.prediction}`);
      }
      return { up: up.confidence, down: down.confidence };
    },
  },
  {
    name: "probabilities_add_up",
    description: "The probabilities of all outcomes add up to 1, and the confidence is the highest.",
    async run(module) {
      const { probabilities, confidence } = await predict(module, rising);
      const all = Object.values(probabilities);
      const sum = all.reduce((total, each) => total + each, 0);
      if (Math.abs(sum - 1) > 1e-9) throw new Error(`they add up to ${sum}`);
      if (confidence !== Math.max(...all)) throw new Error(`the confidence is ${confidence} of ${all}`);
    },
  },
  {
    name: "scale_does_not_matter",
    description: "Prices in cents get the prediction of the same prices in rand.",
    required: false,
    timeoutMs: 5000,
    async run(module) {
      const [rand, cents] = [
        await predict(module, rising),
        await predict(
          module,
          rising.map((price) => price * 100),
        ),
      ];
      if (Math.abs(rand.confidence - cents.confidence) > 1e-6)
        throw new Error(`${rand.confidence}, ${cents.confidence}`);
    },
  },
];

export default suite;
