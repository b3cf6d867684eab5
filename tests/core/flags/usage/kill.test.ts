import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { makeDirectory } from "../../store/directories.ts";
import { COUNTED, openFlags } from "./counter.ts";

const HOUR = 3_600_000;
const COUNTER = fileURLToPath(new URL("counter.ts", import.meta.url));

/** Runs the process until it has printed so many numbers, kills it, and returns the last number. */
async function killed(directory: string, client: string, startMs: number, after: number): Promise<number> {
  const child = spawn(process.execPath, [COUNTER, directory, client, String(startMs)], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  let text = "";
  const closed = once(child, "close");
  const enough = new Promise<void>((resolve) => {
    child.stdout.setEncoding("utf8").on("data", (part: string) => {
      text += part;
      if (text.split("\n").length > after) resolve();
    });
  });
  await Promise.race([enough, closed]);
  child.kill("SIGKILL");
  await closed;
  // A number without its line end was cut off.
  return Number(text.split("\n").at(-2));
}

describe("a process that is killed while it counts", () => {
  it("loses at most what was not written, counts nothing twice, and loses no flag", { timeout: 60_000 }, async () => {
    const directory = makeDirectory();
    let [least, most] = [0, 0];
    for (const [round, after] of [1, 5].entries()) {
      const startMs = 1.7e12 + round * HOUR;
      const written = await killed(directory, `client-${round}`, startMs, after);
      expect(written).toBeGreaterThanOrEqual(after);
      least += written;
      // The report after the last written one may be on the disk, for some flags.
      most += written + 1;
      const { flags, feed, store } = await openFlags(directory, startMs + HOUR / 2);
      expect(flags.list().length).toBe(COUNTED.length);
      const counts = COUNTED.map((name) => flags.usage(name).count);
      expect(Math.min(...counts)).toBeGreaterThanOrEqual(least);
      expect(Math.max(...counts)).toBeLessThanOrEqual(most);
      expect(new Set(COUNTED.map((name) => flags.usage(name).clients))).toEqual(new Set([round + 1]));
      feed.close();
      await store.close();
    }
  });
});
