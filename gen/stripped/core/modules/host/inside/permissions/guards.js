import { closeSync } from "node:fs";
import { syncBuiltinESMExports } from "node:module";
import v8 from "node:v8";
import { isMainThread } from "node:worker_threads";
import { denied } from "./denied.js";
import { guardSqlite } from "./sqlite.js";

/**
 * Refuses what Node's permission model lets through: signals to other processes, databases in files that are not granted,
 * and in a thread what is of the whole service. Before any code of the module runs. A guard against mistakes: code that
 * means harm finds its way around it.
 */
export function guard()       {
  guardSignals();
  const sqlite = process.getBuiltinModule("node:sqlite");
  if (isMainThread && sqlite === undefined) return;
  if (!isMainThread) guardService();
  if (sqlite !== undefined) guardSqlite(sqlite);
  // For code that imports them by name.
  syncBuiltinESMExports();
}

/** Closes what the service itself was started with and hands on without knowing. */
export function closeInherited()       {
  if (!isMainThread) return;
  for (const descriptor of process.argv.splice(2)) {
    try {
      closeSync(Number(descriptor));
    } catch {
      // It is closed.
    }
  }
}

/** What `process.kill` calls: returns an error's number, or 0. */
                                                    

function guardSignals()       {
  const internal = process                                                                    ;
  const kill = internal._kill;
  const itself = process.pid;
  const service = isMainThread ? process.ppid : itself;
  const mayStart = internal.permission.has("child");
  const isOwn = (pid        )          => isMainThread && (pid === itself || pid === 0 || pid === -itself);
  const mayReach = (pid        )          => mayStart && Math.abs(pid) !== service && pid !== -1 && pid !== 0;
  internal._kill = (pid, signal) => {
    // Signal 0 asks whether there is such a process.
    if (signal === 0 || isOwn(pid) || mayReach(pid)) return kill(pid, signal);
    const rule = "a module sends no signals to the service, and to others with child_process alone";
    throw denied(rule, "ChildProcess", String(pid));
  };
  // They send signals, too.
  for (const name of ["_debugProcess", "_debugEnd"]) Object.defineProperty(process, name, { value: undefined });
}

/** In a thread: what shows or changes the whole process, which is the service. */
function guardService()       {
  // It has the service's environment, with what may be secret in it.
  Object.defineProperty(process, "report", { value: undefined });
  v8.setFlagsFromString = () => {
    throw denied("V8's flags are of the whole service", "Service");
  };
}
