import { performance } from "node:perf_hooks";
import v8 from "node:v8";
import { runInNewContext } from "node:vm";
                                              

// Taken before the module's code runs, which can replace these functions.
const { memoryUsage } = process;
const { setFlagsFromString } = v8;
const eventLoopUtilization = performance.eventLoopUtilization.bind(performance);

let collectGarbage                          ;

/**
 * Creates a function that reads the usage. The utilization of the event loop is measured from that function's previous
 * call.
 */
export function createUsageReader()                              {
  let last = eventLoopUtilization();
  return (collect) => {
    if (collect) {
      collectGarbage ??= exposedCollector();
      collectGarbage();
    }
    const { heapUsed, external } = memoryUsage();
    const now = eventLoopUtilization();
    const { utilization } = eventLoopUtilization(now, last);
    last = now;
    return { heapUsedBytes: heapUsed, externalBytes: external, eventLoopUtilization: utilization };
  };
}

function exposedCollector()             {
  setFlagsFromString("--expose-gc");
  return runInNewContext("gc")              ;
}
