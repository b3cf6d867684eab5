/** A fully connected layer. */
export interface Layer {
  /** One row of weights for each output. */
  readonly weights: readonly (readonly number[])[];
  readonly biases: readonly number[];
}

/** Computes the network's output: tanh in each layer, softmax at the end. */
export function forward(layers: readonly Layer[], inputs: readonly number[]): number[] {
  const last = layers.length - 1;
  const outputs = layers.reduce<readonly number[]>((values, { weights, biases }, index) => {
    const sums = weights.map((row, output) => dot(row, values) + (biases[output] ?? 0));
    return index === last ? sums : sums.map(Math.tanh);
  }, inputs);
  const highest = Math.max(...outputs);
  const powers = outputs.map((value) => Math.exp(value - highest));
  const total = powers.reduce((sum, value) => sum + value, 0);
  return powers.map((value) => value / total);
}

const dot = (row: readonly number[], values: readonly number[]): number =>
  row.reduce((sum, weight, index) => sum + weight * (values[index] ?? 0), 0);
