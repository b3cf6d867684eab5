import { DEFAULT_LOG_KEEP, DEFAULT_LOG_MAX_BYTES } from "../logs/limits.ts";
import { age, host, hosts, logBytes, notEmpty, origins, port, whole } from "./checks.ts";
import { readBytes, readCount } from "./quantities.ts";

const LOG_LEVELS = ["debug", "info", "warn", "error", "silent"] as const;
/** Entries below this level are not written. */
export type LogThreshold = (typeof LOG_LEVELS)[number];

export const WATCH_MODES = { off: undefined, merge: "MERGE", replace: "REPLACE" } as const;

interface Setting {
  readonly name: string;
  readonly fallback: string;
  readonly meaning: string;
  /** Returns what is wrong with a value, or undefined. */
  readonly check?: (value: string) => string | undefined;
}

/**
 * All settings, by their environment variables. The command-line flag has the same name in kebab case without the prefix.
 */
export const SETTINGS = [
  { name: "HELIOS_HOST", fallback: "127.0.0.1", meaning: "Address to listen on.", check: host },
  { name: "HELIOS_PORT", fallback: "8000", meaning: "Port to listen on. 0 selects a free port.", check: port },
  {
    name: "HELIOS_DATA_DIR",
    fallback: "data",
    meaning: "Directory of the database and of the modules' code.",
    check: notEmpty,
  },
  {
    name: "HELIOS_MODULES_ROOT",
    fallback: "examples/modules",
    meaning: "Directory below which all module files are.",
    check: notEmpty,
  },
  {
    name: "HELIOS_MODULES_FILE",
    fallback: "config/modules.json",
    meaning:
      "File of the modules that are registered and loaded at the first start. If HELIOS_MODULES_ROOT is set: modules.json in that directory, if it exists.",
    check: notEmpty,
  },
  {
    name: "HELIOS_FLAGS_FILE",
    fallback: "config/feature_flags.json",
    meaning: "File of the flags for the first start and for ReloadFlags.",
    check: notEmpty,
  },
  {
    name: "HELIOS_WATCH_FLAGS_FILE",
    fallback: "off",
    meaning:
      "Whether to reload the flags file when it changes: off, merge (keeps flags that are not in the file) or replace.",
    check: watchMode,
  },
  {
    name: "HELIOS_WATCH_MODULES",
    fallback: "off",
    meaning: "Whether to swap a running module when one of its files changes, for development: on or off.",
    check: (value) => (value === "on" || value === "off" ? undefined : "must be on or off"),
  },
  {
    name: "HELIOS_ALLOWED_ORIGINS",
    fallback: "none",
    meaning:
      "Other origins whose web pages may use the service: https://ops.example.com,https://*.example.com,…; * allows all.",
    check: origins,
  },
  {
    name: "HELIOS_ALLOWED_HOSTS",
    fallback: "none",
    meaning:
      "Host names, besides localhost and HELIOS_HOST, by which browsers may reach the service: ops.example.com,*.lan,…; * allows all.",
    check: hosts,
  },
  {
    name: "HELIOS_JOURNAL_MAX_CHANGES",
    fallback: "100000",
    meaning: "Number of changes that are kept for watchers that resume.",
    check: (value) => (readCount(value) === undefined ? "must be a whole number from 1000 to 999999999" : undefined),
  },
  {
    name: "HELIOS_JOURNAL_MAX_AGE",
    fallback: "30d",
    meaning: "Age up to which changes are kept for watchers that resume.",
    check: age,
  },
  {
    name: "HELIOS_JOURNAL_MAX_BYTES",
    fallback: "256MiB",
    meaning: "Size of the changes that are kept for watchers that resume.",
    check: (value) => (readBytes(value) === undefined ? "must be from 1MiB to 1024GiB" : undefined),
  },
  {
    name: "HELIOS_FLAG_HISTORY_MAX_AGE",
    fallback: "400d",
    meaning: "Age up to which each change of a flag is kept.",
    check: age,
  },
  {
    name: "HELIOS_GRACE_MS",
    fallback: "10000",
    meaning: "Time for which calls may continue after SIGTERM, in ms.",
    check: (value) => whole(value, 0, 86_400_000),
  },
  { name: "HELIOS_LOG_DIR", fallback: "logs", meaning: "Directory of the log files.", check: notEmpty },
  {
    name: "HELIOS_LOG_MAX_BYTES",
    fallback: String(DEFAULT_LOG_MAX_BYTES),
    meaning: "Size at which a log file is rotated.",
    check: (value) => (logBytes(value) === undefined ? "must be from 1024 (or 1MiB) to 1024GiB" : undefined),
  },
  {
    name: "HELIOS_LOG_KEEP",
    fallback: String(DEFAULT_LOG_KEEP),
    meaning: "Number of rotated files that are kept of each log.",
    check: (value) => whole(value, 0, 1000),
  },
  {
    name: "HELIOS_LOG_LEVEL",
    fallback: "info",
    meaning: `Lowest level of log entries that are written: ${LOG_LEVELS.join(", ")}.`,
    check: logLevel,
  },
] as const satisfies readonly Setting[];

export const FILE_SETTINGS = ["HELIOS_FLAGS_FILE", "HELIOS_MODULES_FILE"] as const;

export type SettingName = (typeof SETTINGS)[number]["name"];

/** Returns the flag of a setting: `--data-dir` for `HELIOS_DATA_DIR`. */
export function flagOf(name: string): string {
  return `--${name.replace("HELIOS_", "").toLowerCase().replaceAll("_", "-")}`;
}

function watchMode(value: string): string | undefined {
  return Object.hasOwn(WATCH_MODES, value) ? undefined : `must be one of ${Object.keys(WATCH_MODES).join(", ")}`;
}

function logLevel(value: string): string | undefined {
  return LOG_LEVELS.some((level) => level === value) ? undefined : `must be one of ${LOG_LEVELS.join(", ")}`;
}
