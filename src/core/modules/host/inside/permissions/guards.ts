import { closeSync } from "node:fs";
import { syncBuiltinESMExports } from "node:module";
import v8 from "node:v8";
import { isMainThread } from "node:worker_threads";
import { denied } from "./denied.ts";
import { guardSqlite } from "./sqlite.ts";

/**
 * Refuses actions that Node's permission model allows: signals to other processes, SQLite databases in files that are not
 * granted, and in a thread the settings of the whole service. Must be called before the module's code runs. This protects
 * against mistakes: malicious code can get around it.
 */
export function guard(): void {
  guardSignals();
  const sqlite = process.getBuiltinModule("node:sqlite");
  if (isMainThread && sqlite === undefined) return;
  if (!isMainThread) guardService();
  if (sqlite !== undefined) guardSqlite(sqlite);
  // Updates the exports for code that imports them by name.
  syncBuiltinESMExports();
}

/** Closes the descriptors that the service inherited from its parent, and passed on to this process. */
export function closeInherited(): void {
  if (!isMainThread) return;
  for (const descriptor of process.argv.splice(2)) {
    try {
      closeSync(Number(descriptor));
    } catch {
      // The descriptor is closed already.
    }
  }
}

/** The function behind `process.kill`. It returns an error number, or 0. */
type Kill = (pid: number, signal: number) => number;

function guardSignals(): void {
  const internal = process as unknown as { _kill: Kill; permission: NodeJS.ProcessPermission };
  const kill = internal._kill;
  const itself = process.pid;
  const service = isMainThread ? process.ppid : itself;
  const mayStart = internal.permission.has("child");
  const isOwn = (pid: number): boolean => isMainThread && (pid === itself || pid === 0 || pid === -itself);
  const mayReach = (pid: number): boolean => mayStart && Math.abs(pid) !== service && pid !== -1 && pid !== 0;
  internal._kill = (pid, signal) => {
    // Signal 0 only asks whether the process exists.
    if (signal === 0 || isOwn(pid) || mayReach(pid)) return kill(pid, signal);
    const rule =
      "a module may not send signals to the service, and needs child_process to send them to other processes";
    throw denied(rule, "ChildProcess", String(pid));
  };
  // These functions send signals as well.
  for (const name of ["_debugProcess", "_debugEnd"]) Object.defineProperty(process, name, { value: undefined });
}

/** Removes from a thread what would show or change the whole process, which is the service. */
function guardService(): void {
  // A report contains the service's environment, and possibly secrets.
  Object.defineProperty(process, "report", { value: undefined });
  v8.setFlagsFromString = () => {
    throw denied("V8's flags apply to the whole service", "Service");
  };
}
