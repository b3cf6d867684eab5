/** Returns the candidate that `word` is most likely a misspelling of, ignoring case. Undefined if none is close enough. */
export function nearest(word: string, candidates: readonly string[]): string | undefined {
  let best: string | undefined;
  // At most a third of the letters may differ. With more differences, a guess does not help.
  let bestDistance = Math.max(1, Math.floor(word.length / 3)) + 1;
  for (const candidate of candidates) {
    if (Math.abs(candidate.length - word.length) >= bestDistance) continue;
    const distance = editDistance(word.toLowerCase(), candidate.toLowerCase(), bestDistance);
    if (distance >= bestDistance) continue;
    best = candidate;
    bestDistance = distance;
  }
  return best;
}

/** The Levenshtein distance of two texts. If it is `most` or more, returns some number that is at least `most`. */
function editDistance(a: string, b: string, most: number): number {
  const row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (const [above, letter] of [...a].entries()) {
    let diagonal = above;
    let least = above + 1;
    row[0] = above + 1;
    for (let at = 1; at <= b.length; at++) {
      const up = row[at] ?? 0;
      row[at] = Math.min(diagonal + (letter === b[at - 1] ? 0 : 1), up + 1, (row[at - 1] ?? 0) + 1);
      diagonal = up;
      least = Math.min(least, row[at] ?? 0);
    }
    // No later row can have a smaller minimum than this one.
    if (least >= most) return least;
  }
  return row[b.length] ?? 0;
}
