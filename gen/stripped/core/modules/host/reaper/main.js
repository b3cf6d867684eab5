// A process beside the service that lives as long as the service's end of a pipe is open. Then it ends whatever module
// processes are left: one whose event loop is blocked does not see that the service is gone.
import { setRepeatingTimer, systemClock } from "../../../../kernel/clock.js";
import { Family } from "./family.js";
                                         
import { readProcesses } from "./processes.js";

/**
 * How often the reaper looks for processes that modules have started. A process that leaves its parents within this
 * time, and also hides, is not found. @limit ms
 */
const LOOK_INTERVAL_MS = 500;

const families = new Map                ();
/** Of roots that have ended: looked at once more. */
const left = new Set        ();

function obey(order       )       {
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
  for (const line of lines) obey(JSON.parse(line)         );
});
process.stdin.once("close", end);
process.stdin.on("error", () => {});
// Nobody is there to hear it.
process.stdout.on("error", () => {});
// Whoever ends the service's whole group means the service, which has not ended its modules then.
for (const name of ["SIGTERM", "SIGINT", "SIGHUP"]         ) process.on(name, () => {});
