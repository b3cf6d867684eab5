/** Calls of one version, and those of them that count against it. */
interface Counts {
  calls: number;
  hits: number;
}

/** The assumed rate of the current version before any call, and the weight of that assumption in calls. */
const PRIOR_RATE = 0.5;
const PRIOR_CALLS = 1;
/** The weight, in calls, of the assumption that the candidate's rate is the current version's. */
const PRIOR_CANDIDATE_CALLS = 8;
/** Standard deviations by which a rate may be too high by chance without more calls being needed. */
const DOUBTFUL_DEVIATIONS = 1;
/** Halvings of the interval in which the nearest null is searched: the rest is below the precision of a number. */
const HALVINGS = 50;

/**
 * Evidence that calls of a candidate are hit (fail, or are slow) more often than those of the current version, by more
 * than a margin. It is an e-process: while the candidate is no worse than that, the probability that the evidence ever
 * reaches `1 / alpha` is at most `alpha`. That holds however often one looks, whatever share of the calls the candidate
 * has, and at small counts too.
 *
 * After Turner, Ly, Grünwald, "Generic E-variables for exact sequential k-sample tests that allow for optional
 * stopping" (Journal of Statistical Planning and Inference 230, 2024; arXiv:2106.02693), with the null of Turner,
 * Grünwald, "Exact anytime-valid confidence intervals for contingency tables and beyond" (Statistics & Probability
 * Letters 198, 2023; arXiv:2203.09785). Calls are taken in blocks of some of the current version's and some of the
 * candidate's. Before a block is seen, the rates are estimated from those before it: (a, b), and (x, y) is the pair
 * nearest to that, in Kullback-Leibler divergence, with y <= x + margin. The evidence is multiplied by how much better
 * (a, b) foretells the block than (x, y) does.
 *
 * Why that holds: the expected factor of n calls of the current version and m of the candidate, at true rates (p, q),
 * is A(p)^n B(q)^m with A and B linear, so its logarithm is concave in (p, q). At (x, y) it is 0, and its gradient
 * there is what the choice of the nearest pair makes point out of the null, which is convex: within the null it is at
 * most 0. By Jensen's inequality the same is true where the rates change within a block and their means are in the
 * null.
 *
 * A block ends with the first call by which it has one of each. So the calls that are compared ended at about the same
 * time: a time in which all calls fail speaks against neither.
 */
export class Excess {
  readonly #margin: number;
  #current: Counts = { calls: 0, hits: 0 };
  #candidate: Counts = { calls: 0, hits: 0 };
  /** The calls of the block that is not complete yet. */
  #ofCurrent: Counts = { calls: 0, hits: 0 };
  #ofCandidate: Counts = { calls: 0, hits: 0 };
  #log = 0;

  /** `margin`: by how much the candidate's rate may be above the current version's; 0 to 1. */
  constructor(margin: number) {
    this.#margin = margin;
  }

  /** 1 before any call. Above 1 the calls so far speak against the candidate. */
  get evidence(): number {
    return Math.exp(this.#log);
  }

  /**
   * Whether more calls are needed before the candidate can pass: there is evidence against it, or its rate so far is
   * further above the allowed one than chance explains.
   */
  get isDoubtful(): boolean {
    return this.#log > 0 || this.deviations > DOUBTFUL_DEVIATIONS;
  }

  /**
   * By how many standard deviations the candidate's rate so far is above the allowed one; 0 where it is not above. The
   * incomplete block counts, too: a candidate that fails in it must not pass meanwhile.
   */
  get deviations(): number {
    const { calls: n, hits: h } = sum(this.#current, this.#ofCurrent);
    const { calls: m, hits: k } = sum(this.#candidate, this.#ofCandidate);
    if (n === 0 || m === 0) return 0;
    const above = k / m - h / n - this.#margin;
    if (above <= 0) return 0;
    const pooled = (h + k) / (n + m);
    return above / Math.sqrt(pooled * (1 - pooled) * (1 / n + 1 / m));
  }

  /** Whether the next call begins a block. */
  get isBetween(): boolean {
    return this.#ofCurrent.calls === 0 && this.#ofCandidate.calls === 0;
  }

  /**
   * Adds a call. Calls come in the order in which they end: those of a slow version fall into blocks with later calls
   * of the other version.
   */
  add(isCandidate: boolean, isHit: boolean): void {
    const counts = isCandidate ? this.#ofCandidate : this.#ofCurrent;
    counts.calls += 1;
    if (isHit) counts.hits += 1;
    if (this.#ofCurrent.calls > 0 && this.#ofCandidate.calls > 0) this.#endBlock();
  }

  #endBlock(): void {
    const [current, candidate] = [this.#ofCurrent, this.#ofCandidate];
    const a = estimate(this.#current, PRIOR_RATE, PRIOR_CALLS);
    // It is assumed to be as good until it is seen to be worse, so that little evidence changes little.
    const b = estimate(this.#candidate, a, PRIOR_CANDIDATE_CALLS);
    // An estimate within the null is its own nearest pair: the factor is 1.
    if (b > a + this.#margin) {
      const x = nearestNull(a, b, current.calls, candidate.calls, this.#margin);
      this.#log += gain(current, a, x) + gain(candidate, b, x + this.#margin);
    }
    this.#current = sum(this.#current, current);
    this.#candidate = sum(this.#candidate, candidate);
    this.#ofCurrent = { calls: 0, hits: 0 };
    this.#ofCandidate = { calls: 0, hits: 0 };
  }
}

/** The estimated rate, strictly between 0 and 1 as `prior` is. */
function estimate({ calls, hits }: Counts, prior: number, weight: number): number {
  return (hits + weight * prior) / (calls + weight);
}

/** The logarithm of how much likelier the calls are at the rate `to` than at `from`. */
function gain({ calls, hits }: Counts, to: number, from: number): number {
  return hits * Math.log(to / from) + (calls - hits) * Math.log((1 - to) / (1 - from));
}

function sum(one: Counts, other: Counts): Counts {
  return { calls: one.calls + other.calls, hits: one.hits + other.hits };
}

/**
 * The current version's rate x of the pair (x, x + margin) that is nearest to (a, b), for so many calls of each; b is
 * above a + margin. Exported for its tests.
 */
export function nearestNull(a: number, b: number, ofCurrent: number, ofCandidate: number, margin: number): number {
  // The divergence falls after a and rises before b - margin: its minimum is in between.
  let [low, high] = [a, b - margin];
  for (let halving = 0; halving < HALVINGS; halving += 1) {
    const x = (low + high) / 2;
    if (slope(a, x, ofCurrent) + slope(b, x + margin, ofCandidate) > 0) high = x;
    else low = x;
  }
  return (low + high) / 2;
}

/** The derivative, by `to`, of the divergence of the rate `to` from the rate `from`. */
function slope(from: number, to: number, calls: number): number {
  return (calls * (to - from)) / (to * (1 - to));
}
