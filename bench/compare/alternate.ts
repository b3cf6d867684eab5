/**
 * Lets the sides take turns, in each round in another order. Returns what each side gave, by rounds. A disturbance of the
 * machine that lasts longer than a round affects all sides alike, so ratios are taken within a round.
 */
export async function alternate<S, R>(
  sides: readonly S[],
  rounds: number,
  measure: (side: S) => Promise<R>,
): Promise<R[][]> {
  const all: R[][] = sides.map(() => []);
  for (let round = 0; round < rounds; round += 1) {
    for (const turn of sides.keys()) {
      const index = (turn + round) % sides.length;
      const side = sides[index];
      if (side !== undefined) all[index]?.push(await measure(side));
    }
  }
  return all;
}
