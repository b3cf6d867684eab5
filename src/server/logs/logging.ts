import { join } from "node:path";
import { type Level, multistream, pino, type StreamEntry } from "pino";
import { prettyFactory } from "pino-pretty";
import { Serial } from "../../core/async/index.ts";
import { type Clock, type Log, type LogArea, type LogLevel, messageOf, systemClock } from "../../core/index.ts";
import type { LogThreshold } from "../config/settings.ts";
import { createLogFile } from "./file.ts";
import { DEFAULT_LOG_KEEP, DEFAULT_LOG_MAX_BYTES } from "./limits.ts";
import { MAX_LOG_LINE_BYTES, toLine, toPrintable } from "./line.ts";
import { createOutput } from "./output.ts";
import { type Destination, Sink, type SinkStatus } from "./sink.ts";

/** The areas with a log file of their own. */
const FILES: Readonly<Partial<Record<LogArea, string>>> = {
  modules: "module_loader.log",
  flags: "feature_flags.log",
  breakers: "circuit_breaker.log",
};
const AREAS: readonly LogArea[] = ["modules", "flags", "breakers", "testing", "store", "engine"];
const STDOUT_FD = 1;
/**
 * Time that the ending server waits for its log lines to be written; lines that are not written by then are lost.
 * @limit ms
 */
const FAREWELL_MS = 1000;

export interface LoggingOptions {
  readonly level: LogThreshold;
  readonly directory: string;
  /** Whether a person reads the output. It then has one coloured line for each entry instead of JSON. */
  readonly terminal: boolean;
  /** For each file; see `createLogFile`. */
  readonly maxBytes?: number;
  readonly keep?: number;
  /** Replaces the standard output, for tests. */
  readonly output?: Destination;
  readonly clock?: Clock;
}

export type LogLine = (level: LogLevel, message: string, fields?: Record<string, unknown>) => void;

export interface ServerLog extends LogLine {
  /** Whether entries of that level are written. */
  readonly isOn: (level: LogLevel) => boolean;
}

export interface Logging {
  /** The log of the engine. */
  readonly log: Log;
  /** The log of the server itself. */
  readonly server: ServerLog;
  /** The state of each destination: the output first, then the files. */
  status(): readonly SinkStatus[];
  /** Whether a write is in progress. A thread may be blocked by it, and the process cannot exit before. */
  isBusy(): boolean;
  /** Resolves when all entries are written, or after a second (or `ms`). */
  flush(ms?: number): Promise<void>;
  /** Like `flush`, and closes the files. */
  close(): Promise<void>;
}

/**
 * Structured logs on the standard output and in the files of their areas. Logging never throws, waits or blocks, whatever
 * the state of the destinations: see `Sink`. If one destination fails, the others log that.
 */
export function createLogging(options: LoggingOptions): Logging {
  const { level, directory, terminal, clock = systemClock } = options;
  const { maxBytes = DEFAULT_LOG_MAX_BYTES, keep = DEFAULT_LOG_KEEP } = options;
  const turns = new Serial();
  const alone = <T>(work: () => Promise<T>): Promise<T> => turns.run(work);
  const sinkOf = (destination: Destination): Sink =>
    new Sink({
      destination,
      clock,
      maxWriteBytes: Math.min(maxBytes, MAX_LOG_LINE_BYTES),
      notice: (dropped) => noticeOf(dropped, clock),
      changed: (status) => announce(status),
    });
  const output = sinkOf(options.output ?? createOutput(STDOUT_FD));
  const files = new Map<string, Sink>();
  const destinations: Destination[] = [];
  for (const name of Object.values(FILES)) {
    const destination = createLogFile({ path: join(directory, name), maxBytes, kept: keep, clock, alone });
    const sink = sinkOf(destination);
    destinations.push(destination);
    files.set(name, sink);
    if (level !== "silent") sink.open();
  }

  const pretty = prettyFactory({ colorize: true, ignore: "pid,hostname" });
  const toOutput = terminal
    ? (line: string): void => output.write(String(pretty(toPrintable(line)) ?? ""))
    : (line: string): void => output.write(line);
  const loggerOf = (area: LogArea | "server", streams: readonly ((line: string) => void)[]): ReturnType<typeof pino> =>
    pino({ level, base: { area }, timestamp: pino.stdTimeFunctions.isoTime }, multistream(streams.map(entryOf)));
  const loggers = Object.fromEntries(
    AREAS.map((area) => {
      const file = files.get(FILES[area] ?? "");
      return [area, loggerOf(area, file === undefined ? [toOutput] : [toOutput, (line) => file.write(line)])];
    }),
  );
  const own = loggerOf("server", [toOutput]);
  const inFiles = loggerOf(
    "server",
    [...files.values()].map((file) => (line: string) => file.write(line)),
  );
  const announce = (status: SinkStatus): void => {
    const { name, problem, dropped } = status;
    const logger = name === output.status.name ? inFiles : own;
    if (problem !== undefined) write(logger, "error", "a log cannot be written", { log: name, directory, problem });
    else write(logger, "info", "a log is written again", { log: name, directory, dropped });
  };
  const flush = async (ms = FAREWELL_MS): Promise<void> => {
    await Promise.all([output, ...files.values()].map((sink) => sink.flush(ms)));
  };
  return {
    log: (area, entryLevel, message, fields = {}) => write(loggers[area] ?? own, entryLevel, message, fields),
    server: Object.assign(
      (entryLevel: LogLevel, message: string, fields: Record<string, unknown> = {}) =>
        write(own, entryLevel, message, fields),
      { isOn: (entryLevel: LogLevel) => own.isLevelEnabled(entryLevel) },
    ),
    isBusy: () => [output, ...files.values()].some((sink) => sink.isBusy),
    status: () => [output, ...files.values()].map((sink) => sink.status),
    flush,
    async close() {
      await flush();
      await Promise.all(destinations.map((destination) => destination.close?.()));
    },
  };
}

type Logger = ReturnType<typeof pino>;

/** Fields of every entry. A caller's field of the same name would be mistaken for them. */
const OWN_FIELDS = new Set(["level", "time", "area", "msg"]);

function write(logger: Logger, level: LogLevel, message: string, fields: Record<string, unknown>): void {
  try {
    const names = Object.keys(fields);
    const isForged = names.some((name) => OWN_FIELDS.has(name));
    const entry = isForged
      ? Object.fromEntries(names.map((name) => [OWN_FIELDS.has(name) ? `field_${name}` : name, fields[name]]))
      : fields;
    logger[level](entry, message);
  } catch (error) {
    // For example, a field whose getter throws.
    logger[level]({ problem: messageOf(error) }, String(message));
  }
}

/** The loggers filter by level, so each stream accepts all levels. */
function entryOf(stream: (line: string) => void): StreamEntry<Level> {
  return { level: "trace", stream: { write: (entry: string) => stream(toLine(entry)) } };
}

const WARN = 40;

function noticeOf(dropped: number, clock: Clock): string {
  const time = new Date(clock.now()).toISOString();
  return `${JSON.stringify({ level: WARN, time, area: "server", dropped, msg: "lines were dropped here" })}\n`;
}
