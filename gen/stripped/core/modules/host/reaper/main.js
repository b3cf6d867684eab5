// The reaper: a process that runs until the service closes its end of a pipe. Then the reaper kills the module processes
// that are left. A module whose event loop is blocked would not notice that the service is gone.
import { setRepeatingTimer, systemClock } from "../../../../kernel/clock.js";
import { Family } from "./family.js";
                                         
import { readProcesses } from "./processes.js";

/**
 * How often the reaper looks for processes that modules have started. A process that leaves its parents within this
 * time, and also hides, is not found. @limit ms
 */
const LOOK_INTERVAL_MS = 500;

const families = new Map                ();
/** Families whose roots have ended. They are swept once more. */
const left = new Set        ();

function handle(order       )       {
  switch (order.type) {
    case "root":
      families.set(order.id, new Family(order.root));
      return;
    case "child":
      families.get(order.id)?.add(order.pid, order.start);
      return;
    case "sweep":
      families.get(order.id)?.sweep();
      return;
    case "ended": {
      const family = families.get(order.id);
      families.delete(order.id);
      if (family?.grows) {
        family.sweep();
        left.add(family);
      }
      process.stdout.write(`${order.id}\n`);
    }
  }
}

function end()       {
  for (const family of [...families.values(), ...left]) family.sweep();
  process.exit(0);
}

const look = ()       => {
  for (const family of left) family.sweep();
  left.clear();
  const growing = [...families.values()].filter(({ grows }) => grows);
  if (growing.length === 0) return;
  const table = readProcesses();
  for (const family of growing) family.remember(table);
};
setRepeatingTimer(systemClock, LOOK_INTERVAL_MS, look, true);

let rest = "";
process.stdin.setEncoding("utf8");
process.stdin.on("data", (chunk        ) => {
  const lines = (rest + chunk).split("\n");
  rest = lines.pop() ?? "";
  for (const line of lines) handle(JSON.parse(line)         );
});
process.stdin.once("close", end);
process.stdin.on("error", () => {});
// The service may be gone.
process.stdout.on("error", () => {});
// Such a signal may be sent to the service's whole process group. It is meant for the service, and its modules still run
// then.
for (const name of ["SIGTERM", "SIGINT", "SIGHUP"]         ) process.on(name, () => {});
