// Loaded into the server before anything else. Every ten seconds its garbage is collected, and what is left of its heap is
// written to the file HEAP_REPORT: so one knows what it holds, and not when it last cleaned up.
import { writeFileSync } from "node:fs";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

const file = process.env.HEAP_REPORT;
if (file !== undefined) {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  const report = (): void => {
    collect();
    writeFileSync(file, String(process.memoryUsage().heapUsed));
  };
  setInterval(report, 10_000).unref();
}
