import type { Layer } from "./network.ts";
import NeuralPredictor from "./neural_predictor.ts";

/** The new architecture: a hidden layer, in which volatility dampens momentum. */
export default class NeuralPredictorV2 extends NeuralPredictor {
  static override readonly version: string = "2.0.0";
  protected override readonly _layers: readonly Layer[] = [
    {
      weights: [
        [0.5, 1.2, -0.3, 0.8, 0.2],
        [-0.4, -0.9, 0.5, -1, -0.1],
        [0.1, 0.2, 1.3, 0.1, 0],
        [0.7, -0.2, 0.1, 0.3, 0.9],
      ],
      biases: [0.05, -0.02, -0.4, 0.1],
    },
    {
      weights: [
        [-1.3, 1.1, -0.2, -0.5],
        [-0.1, -0.1, 0.9, 0],
        [1.3, -1.1, -0.2, 0.5],
      ],
      biases: [0, 0.25, 0],
    },
  ];
}
