import { findCores } from "../compare/cores.ts";
import { describeMachine, loadNow, readVersions } from "../compare/machine.ts";
import type { Result, Results } from "../compare/results.ts";
import { startLoad } from "../load/load.ts";
import { breakers } from "./breakers.ts";
import { fanOut } from "./fan-out.ts";
import { growth } from "./growth.ts";
import { json } from "./json.ts";
import { local } from "./local.ts";
import { invoke, swap } from "./modules.ts";
import { store } from "./store.ts";
import type { Suite } from "./suite.ts";
import { trips } from "./trips.ts";
import { unary } from "./unary.ts";

/** All suites, in the order in which they run. */
export const SUITES: readonly Suite[] = [unary, json, fanOut, trips, local, breakers, invoke, swap, store, growth];

/** The suites with ratios that differ little between runs. Their record guards them. */
export const GUARDED: readonly Suite[] = [unary, json, fanOut, local, breakers];

export interface RunOptions {
  readonly suites: readonly Suite[];
  readonly rounds: number;
  readonly isQuick: boolean;
}

/** The rounds of a run that does not say otherwise. */
export const roundsOf = (isQuick: boolean): number => (isQuick ? 5 : 7);

/** Runs suites, one after the other. */
export async function runSuites({ suites, rounds, isQuick }: RunOptions): Promise<Results> {
  const cores = findCores();
  if (cores === undefined) say("taskset or a second core is missing: servers and load share the cores");
  const [begun, startMs, loadBefore] = [new Date().toISOString(), performance.now(), loadNow()];
  // An exit ends the servers too.
  process.once("SIGTERM", () => process.exit(1));
  const load = startLoad(cores);
  const results: Result[] = [];
  try {
    for (const suite of suites) results.push(...(await suite.run({ rounds, isQuick, cores, load, say })));
  } finally {
    await load.stop();
  }
  return {
    machine: { ...describeMachine(cores), loadBefore, loadAfter: loadNow() },
    versions: readVersions(),
    rounds,
    isQuick,
    begun,
    seconds: Math.round((performance.now() - startMs) / 1000),
    results,
  };
}

/** Tells the user what happens, beside the results. */
export function say(line: string): void {
  process.stderr.write(`${line}\n`);
}
