// Loaded into the server before anything else. Every ten seconds it collects garbage and writes the size of the heap to
// the file HEAP_REPORT. So the size does not depend on when the last collection was.
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
