/** How important an entry is to an operator. */
export type LogLevel = "debug" | "info" | "warn" | "error";

/** The part of the engine that logs. The server has a log file for each of the first three. */
export type LogArea = "modules" | "flags" | "breakers" | "testing" | "store" | "engine";

/** Takes one structured log entry. It must not throw. */
export type Log = (area: LogArea, level: LogLevel, message: string, fields?: Record<string, unknown>) => void;

export const silentLog: Log = () => {};
