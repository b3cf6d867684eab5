import type { HeliosModule, ModuleContext } from "helios/module";
import { forward, type Layer } from "./network.ts";

const OUTCOMES = ["down", "neutral", "up"] as const;
const FEATURES = 5;
const MAX_BATCH = 1000;
/** Predictions of a batch that run at once. More would slow the feature extractor down for other callers. */
const AT_ONCE = 16;

/** Features, or prices from which the feature extractor computes them. */
export interface PredictorInput {
  readonly features?: readonly number[];
  readonly prices?: readonly number[];
}

export interface Prediction {
  readonly prediction: (typeof OUTCOMES)[number];
  /** From 0 to 1. */
  readonly confidence: number;
  readonly probabilities: Readonly<Record<string, number>>;
}

/** Returns are about a thousandth; this factor scales features to about one. */
const SCALE = [300, 800, 300, 40, 2];
const CENTRE = [0, 0, 0.001, 0, 0.5];

/** Predicts the direction of a price with a small network with fixed weights: one layer, dominated by momentum. */
export default class NeuralPredictor implements HeliosModule {
  static readonly version: string = "1.0.0";
  #ctx: ModuleContext | undefined;
  protected readonly _layers: readonly Layer[] = [
    {
      weights: [
        [-0.6, -1.1, 0.2, -0.9, -0.3],
        [0, 0, -0.4, 0, 0],
        [0.6, 1.1, 0.2, 0.9, 0.3],
      ],
      biases: [0, 0.3, 0],
    },
  ];

  start(ctx: ModuleContext): void {
    this.#ctx = ctx;
  }

  /** The prediction for one input. Equal inputs get equal predictions. */
  async predict(input: PredictorInput): Promise<Prediction> {
    return this._infer(await this.#featuresOf(input));
  }

  /** The predictions for many inputs, in order. Each equals the result of `predict`. */
  async predictBatch(input: { inputs: readonly PredictorInput[] }): Promise<{ predictions: Prediction[] }> {
    if (!Array.isArray(input?.inputs) || input.inputs.length > MAX_BATCH) {
      throw wrong(`inputs must be a list of at most ${MAX_BATCH}`);
    }
    const predictions: Prediction[] = [];
    for (let start = 0; start < input.inputs.length; start += AT_ONCE) {
      const some = input.inputs.slice(start, start + AT_ONCE);
      predictions.push(...(await Promise.all(some.map((each) => this.predict(each)))));
    }
    return { predictions };
  }

  protected _infer(features: readonly number[]): Prediction {
    const scaled = features.map((value, index) => {
      const distance = (value - (CENTRE[index] ?? 0)) * (SCALE[index] ?? 1);
      // Larger features do not occur in practice, so they are limited.
      return Math.max(-10, Math.min(10, distance));
    });
    const probabilities = forward(this._layers, scaled);
    const confidence = Math.max(...probabilities);
    const prediction = OUTCOMES[probabilities.indexOf(confidence)] ?? "neutral";
    return {
      prediction,
      confidence,
      probabilities: Object.fromEntries(OUTCOMES.map((outcome, index) => [outcome, probabilities[index] ?? 0])),
    };
  }

  async #featuresOf(input: PredictorInput): Promise<readonly number[]> {
    if (typeof input !== "object" || input === null) throw wrong("an input must have features or prices");
    if (input.features !== undefined) return checked(input.features);
    if (input.prices === undefined) throw wrong("an input must have features or prices");
    if (!Array.isArray(input.prices)) throw wrong("prices must be a list of numbers");
    try {
      const answer = await this.#ctx?.call("feature_extractor", "extract", { prices: input.prices });
      return checked((answer as { features: number[] }).features);
    } catch (error) {
      // The extractor refuses only invalid prices, and the prices came from our caller.
      const { code, message } = error as { code?: string; message: string };
      throw code === "MODULE_METHOD_FAILED" ? wrong(message) : error;
    }
  }
}

function checked(features: unknown): readonly number[] {
  if (!Array.isArray(features) || features.length !== FEATURES) throw wrong(`features must be ${FEATURES} numbers`);
  const bad = features.findIndex((value) => typeof value !== "number" || !Number.isFinite(value));
  if (bad >= 0) throw wrong(`features[${bad}] must be a number, not ${JSON.stringify(features[bad])}`);
  return features as number[];
}

function wrong(message: string): Error {
  return Object.assign(new Error(message), { callerFault: true });
}
