// Loaded into a server's process with --import: answers each message with the longest time since the last one for which the
// event loop was blocked, and with the memory after a garbage collection.
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

export interface Held {
  /**
   * The longest block of the event loop, in ms of CPU time of its thread. The time on the clock depends on what else the
   * machine does.
   */
  readonly blockMs: number;
  readonly heapBytes: number;
  readonly rssBytes: number;
}

setFlagsFromString("--expose-gc");
const gc = runInNewContext("gc") as () => void;
const now = (): number => {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1000;
};
let last = now();
let longest = 0;
// Between two runs of the timer lies at least everything that one turn of the event loop did.
const look = (): void => {
  const at = now();
  longest = Math.max(longest, at - last);
  last = at;
};
setInterval(look, 1).unref();
process.on("message", (what) => {
  look();
  if (what === "memory") gc();
  const { heapUsed: heapBytes, rss: rssBytes } = process.memoryUsage();
  process.send?.({ blockMs: longest, heapBytes, rssBytes } satisfies Held);
  last = now();
  longest = 0;
});
process.channel?.unref();
