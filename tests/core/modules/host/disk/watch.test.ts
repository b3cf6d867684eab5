import { EventEmitter } from "node:events";
import { mkdirSync, renameSync } from "node:fs";
import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { watchFiles } from "../../../../../src/core/modules/host/disk/watch.ts";
import { watchedClock } from "../../../../support/clocks.ts";
import { until } from "../../../../support/until.ts";
import { tree } from "../../artifact-rig.ts";

/** A watch of the operating system that can be made to fail. */
class Watcher extends EventEmitter {
  isOpen = true;

  close(): void {
    this.isOpen = false;
  }
}

/** A watch of files on a system that accepts watches while `system.isWilling`. */
function watching() {
  const { clock, delays } = watchedClock();
  const system = { isWilling: true, watchers: [] as Watcher[] };
  const problems: string[] = [];
  const files = watchFiles({
    clock,
    changed: () => {},
    unwatched: (problem) => void problems.push(problem),
    watch: () => {
      if (!system.isWilling) throw Object.assign(new Error("no more watches"), { code: "ENOSPC" });
      const watcher = new Watcher();
      system.watchers.push(watcher);
      return watcher;
    },
  });
  onTestFinished(() => files.close());
  /** The next poll, `delayMs` after the last one, and the delay before the poll after it. */
  const look = async (delayMs: number): Promise<number | undefined> => {
    const timers = delays.length;
    clock.advance(delayMs);
    await until(() => delays.length > timers && delays.at(-1) !== 200);
    return delays.at(-1);
  };
  return { files, system, problems, look, clock };
}

it("files are polled more often only while the system accepts no more watches, which is logged once", async () => {
  const { files, system, problems, look } = watching();
  system.isWilling = false;
  await files.follow("m", [tree()]);
  expect(await look(5000)).toBe(1000);
  expect(await look(1000)).toBe(1000);
  system.isWilling = true;
  expect(await look(1000)).toBe(5000);
  expect(problems).toEqual(["no more watches"]);
});

it("a watch that fails ends alone, without the watch that has replaced it", async () => {
  const { files, system, clock } = watching();
  const directory = join(tree({ "a/file": "" }), "a");
  await files.follow("m", [directory]);
  const [old] = system.watchers;
  renameSync(directory, `${directory}.old`);
  mkdirSync(directory);
  await until(() => {
    clock.advance(1000);
    return system.watchers.length === 2;
  });
  old?.emit("error", new Error("it is gone"));
  expect(system.watchers.map(({ isOpen }) => isOpen)).toEqual([false, true]);
});
