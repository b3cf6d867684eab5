/** How much an entry matters to an operator. */
export type LogLevel = "debug" | "info" | "warn" | "error";

/** The part of the engine that speaks; the server gives each of the first three its own file. */
export type LogArea = "modules" | "flags" | "breakers" | "testing" | "store" | "engine";

/** Takes one structured log entry. It must not throw. */
export type Log = (area: LogArea, level: LogLevel, message: string, fields?: Record<string, unknown>) => void;

/** Discards every entry. */
export const silentLog: Log = () => {};
