import { accessSync, constants, mkdirSync } from "node:fs";
import { join } from "node:path";
import { type DestinationStream, type Level, multistream, pino, type StreamEntry } from "pino";
import pretty from "pino-pretty";
import type { Log, LogArea, LogLevel } from "../core/index.ts";
import type { LogThreshold } from "./config.ts";

/** The areas that have a file of their own besides the standard output. */
const FILES: Readonly<Partial<Record<LogArea, string>>> = {
  modules: "module_loader.log",
  flags: "feature_flags.log",
  breakers: "circuit_breaker.log",
};

export interface LoggingOptions {
  readonly level: LogThreshold;
  readonly directory: string;
  /** Whether a person reads the output: one coloured line an entry instead of JSON. */
  readonly terminal: boolean;
  /** Where the output goes; for tests. Default: the standard output. */
  readonly output?: DestinationStream;
}

export interface Logging {
  /** For the engine. */
  readonly log: Log;
  /** For the server itself. */
  readonly server: (level: LogLevel, message: string, fields?: Record<string, unknown>) => void;
}

/** Structured logs on the standard output and in the files of their areas. Files that cannot be written are done without. */
export function createLogging({ level, directory, terminal, output }: LoggingOptions): Logging {
  const stdout =
    output ?? (terminal ? pretty({ sync: true, ignore: "pid,hostname" }) : pino.destination({ dest: 1, sync: true }));
  const problem = unwritable(directory);
  const loggerOf = (area: LogArea | "server"): ReturnType<typeof pino> => {
    const file = area === "server" ? undefined : FILES[area];
    const streams: StreamEntry[] = [entry(stdout)];
    if (file !== undefined && problem === undefined) {
      streams.push(entry(pino.destination({ dest: join(directory, file), sync: true })));
    }
    return pino({ level, base: { area }, timestamp: pino.stdTimeFunctions.isoTime }, multistream(streams));
  };
  const areas: readonly LogArea[] = ["modules", "flags", "breakers", "testing", "store", "engine"];
  const loggers = Object.fromEntries(areas.map((area) => [area, loggerOf(area)]));
  const own = loggerOf("server");
  if (problem !== undefined) own.warn({ directory, problem }, "no log files: the directory cannot be written");
  return {
    log: (area, entryLevel, message, fields = {}) => loggers[area]?.[entryLevel](fields, message),
    server: (entryLevel, message, fields = {}) => own[entryLevel](fields, message),
  };
}

/** The loggers decide what is written: the streams take everything. */
function entry(stream: DestinationStream): StreamEntry<Level> {
  return { level: "trace", stream };
}

function unwritable(directory: string): string | undefined {
  try {
    mkdirSync(directory, { recursive: true });
    accessSync(directory, constants.W_OK);
    return undefined;
  } catch (error) {
    return String(error);
  }
}
