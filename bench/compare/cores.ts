import { spawnSync } from "node:child_process";
import { availableParallelism } from "node:os";

/** One core for the servers and another for the load, if this machine lets us choose. */
export interface Cores {
  readonly server: number;
  readonly load: number;
}

/** Undefined if there is no `taskset`, or only one core. */
export function findCores(): Cores | undefined {
  if (availableParallelism() < 2) return undefined;
  const { status, stdout } = spawnSync("taskset", ["-cp", String(process.pid)], { encoding: "utf8" });
  if (status !== 0) return undefined;
  const [server, load] = coresOf(stdout.slice(stdout.lastIndexOf(":") + 1));
  return server === undefined || load === undefined ? undefined : { server, load };
}

/** Reads a list such as `0,2-4`. */
export function coresOf(list: string): number[] {
  return list
    .trim()
    .split(",")
    .flatMap((part) => {
      const [first = Number.NaN, last = first] = part.split("-").map(Number);
      return Array.from({ length: last - first + 1 }, (_, index) => first + index);
    });
}

/** The command that runs another one on this core alone. */
export function pinned(core: number | undefined, command: readonly string[]): readonly string[] {
  return core === undefined ? command : ["taskset", "-c", String(core), ...command];
}
