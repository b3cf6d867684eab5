import { existsSync, statSync } from "node:fs";
import { isIP } from "node:net";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { DEFAULT_LOG_KEEP, DEFAULT_LOG_MAX_BYTES } from "../logs/limits.ts";
import { hostName } from "../rest/host.ts";
import { MOST_BYTES, readAge, readBytes, readCount } from "./quantities.ts";

const HOME = fileURLToPath(new URL("../../..", import.meta.url));

/** What an operator can set. */
export interface Config {
  readonly host: string;
  readonly port: number;
  readonly dataDir: string;
  readonly modulesRoot: string;
  /** Undefined: none. */
  readonly modulesFile: string | undefined;
  readonly flagsFile: string;
  /** Settings that name a file: who sets one means it, and does not start without. Absent: none is set. */
  readonly namedFiles?: readonly (typeof FILE_SETTINGS)[number][];
  /** Undefined: it is read only when asked. */
  readonly watchFlagsFile: "MERGE" | "REPLACE" | undefined;
  readonly watchModules: boolean;
  /** Pages of which other origins a browser lets in; `*`: all. */
  readonly allowedOrigins: readonly string[];
  /** By which names, besides loopback ones and the host, a browser may reach the service; `*`: all. */
  readonly allowedHosts: readonly string[];
  readonly journalMaxChanges: number;
  readonly journalMaxAgeMs: number;
  readonly journalMaxBytes: number;
  readonly flagHistoryMaxAgeMs: number;
  /** How long calls may go on after SIGTERM, in ms. */
  readonly graceMs: number;
  readonly logDir: string;
  /** Of a log file, before it is put aside; and how many of those are kept. */
  readonly logMaxBytes: number;
  readonly logKeep: number;
  readonly logLevel: LogThreshold;
}

const LOG_LEVELS = ["debug", "info", "warn", "error", "silent"] as const;
/** Entries below it are not written. */
export type LogThreshold = (typeof LOG_LEVELS)[number];

const WATCH_MODES = { off: undefined, merge: "MERGE", replace: "REPLACE" } as const;

interface Setting {
  readonly name: string;
  readonly fallback: string;
  readonly meaning: string;
  /** What is wrong with a value; undefined: nothing. */
  readonly check?: (value: string) => string | undefined;
}

/** Every setting, by its environment variable; the flag is the same in kebab case without the prefix. */
export const SETTINGS = [
  { name: "HELIOS_HOST", fallback: "127.0.0.1", meaning: "Address to listen on.", check: host },
  { name: "HELIOS_PORT", fallback: "8000", meaning: "Port to listen on; 0: a free one.", check: port },
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
      "What is registered and loaded at the first start. With a HELIOS_MODULES_ROOT: modules.json there, if it is.",
    check: notEmpty,
  },
  {
    name: "HELIOS_FLAGS_FILE",
    fallback: "config/feature_flags.json",
    meaning: "The flags at the first start, and what ReloadFlags reads.",
    check: notEmpty,
  },
  {
    name: "HELIOS_WATCH_FLAGS_FILE",
    fallback: "off",
    meaning: "Reload the flags file when it changes: off, merge (keeps flags that it does not name) or replace.",
    check: watchMode,
  },
  {
    name: "HELIOS_WATCH_MODULES",
    fallback: "off",
    meaning: "Swap a module that runs when a file of it changes, as one works on it: on or off.",
    check: (value) => (value === "on" || value === "off" ? undefined : "must be on or off"),
  },
  {
    name: "HELIOS_ALLOWED_ORIGINS",
    fallback: "none",
    meaning:
      "Pages of which other origins a browser lets in: https://ops.example.com,https://*.example.com,…; * for all.",
    check: origins,
  },
  {
    name: "HELIOS_ALLOWED_HOSTS",
    fallback: "none",
    meaning: "By which names, besides localhost and the host, a browser may come: ops.example.com,*.lan,…; * for all.",
    check: hosts,
  },
  {
    name: "HELIOS_JOURNAL_MAX_CHANGES",
    fallback: "100000",
    meaning: "Changes that are kept for watchers that come back.",
    check: (value) => (readCount(value) === undefined ? "must be a whole number from 1000 to 999999999" : undefined),
  },
  {
    name: "HELIOS_JOURNAL_MAX_AGE",
    fallback: "30d",
    meaning: "Age up to which changes are kept for watchers that come back.",
    check: age,
  },
  {
    name: "HELIOS_JOURNAL_MAX_BYTES",
    fallback: "256MiB",
    meaning: "Size of the changes that are kept for watchers that come back.",
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
    meaning: "How many ms calls may go on after SIGTERM.",
    check: (value) => whole(value, 0, 86_400_000),
  },
  { name: "HELIOS_LOG_DIR", fallback: "logs", meaning: "Directory of the log files.", check: notEmpty },
  {
    name: "HELIOS_LOG_MAX_BYTES",
    fallback: String(DEFAULT_LOG_MAX_BYTES),
    meaning: "Size at which a log file is put aside and a new one is begun.",
    check: (value) => (logBytes(value) === undefined ? "must be from 1024 (or 1MiB) to 1024GiB" : undefined),
  },
  {
    name: "HELIOS_LOG_KEEP",
    fallback: String(DEFAULT_LOG_KEEP),
    meaning: "How many older files are kept of each log.",
    check: (value) => whole(value, 0, 1000),
  },
  { name: "HELIOS_LOG_LEVEL", fallback: "info", meaning: `One of ${LOG_LEVELS.join(", ")}.`, check: logLevel },
] as const satisfies readonly Setting[];

const FILE_SETTINGS = ["HELIOS_FLAGS_FILE", "HELIOS_MODULES_FILE"] as const;

type SettingName = (typeof SETTINGS)[number]["name"];

/** What Kubernetes puts into the environment where a service is called helios, or helios-something. */
const SERVICE_LINK = /^HELIOS_(\w+_)?(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)$/;
/** The same of the one name that may be a setting's. */
const SERVICE_PORT = /^HELIOS_(\w+_)?PORT$/;

function isServiceLink(name: string, value = ""): boolean {
  return SERVICE_LINK.test(name) || (SERVICE_PORT.test(name) && /^(tcp|udp|sctp):\/\//.test(value));
}

/** What the command line asks for. */
export type Command =
  /** `notices`: what an operator should know of the settings. */
  | { readonly kind: "serve"; readonly config: Config; readonly notices: readonly string[] }
  | { readonly kind: "print"; readonly text: string }
  | { readonly kind: "refuse"; readonly problems: readonly string[] };

/**
 * Reads the settings: a flag outranks its environment variable, and that the default. Paths that are given are relative
 * to `cwd`, the defaults of what Helios brings along to where Helios is. All problems are told at once.
 */
export function readCommand(
  args: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
  cwd: string,
  version: string,
): Command {
  if (args.includes("--help") || args.includes("-h")) return { kind: "print", text: helpText() };
  if (args.includes("--version")) return { kind: "print", text: version };
  const problems: string[] = [];
  const notices = SETTINGS.filter(({ name }) => isServiceLink(name, env[name])).map(
    ({ name }) =>
      `${name}=${env[name]} is of a Kubernetes service, not a setting; it is ignored (set ${flagOf(name)} instead)`,
  );
  const given = { ...fromEnvironment(env, problems), ...fromFlags(args, problems) };
  for (const { name, check } of SETTINGS) {
    const value = given[name];
    const problem = value === undefined ? undefined : check(value);
    if (problem !== undefined) problems.push(`${name} (${flagOf(name)}): ${problem}, not ${JSON.stringify(value)}`);
  }
  const config = Object.freeze(complete(given, cwd));
  if (!isDirectory(config.modulesRoot)) {
    problems.push(`HELIOS_MODULES_ROOT (--modules-root): must be a directory, which ${config.modulesRoot} is not`);
  }
  return problems.length > 0 ? { kind: "refuse", problems } : { kind: "serve", config, notices };
}

function complete(given: Partial<Record<SettingName, string>>, cwd: string): Config {
  const value = (name: SettingName): string =>
    given[name] ?? SETTINGS.find((setting) => setting.name === name)?.fallback ?? "";
  const path = (name: SettingName): string => resolve(cwd, value(name));
  const brought = (name: SettingName): string => (given[name] === undefined ? join(HOME, value(name)) : path(name));
  const modulesRoot = brought("HELIOS_MODULES_ROOT");
  const named = FILE_SETTINGS.filter((name) => given[name] !== undefined);
  const ownModules = join(modulesRoot, "modules.json");
  const ownRoot = given.HELIOS_MODULES_ROOT !== undefined && given.HELIOS_MODULES_FILE === undefined;
  return {
    host: unbracketed(value("HELIOS_HOST")),
    port: Number(value("HELIOS_PORT")),
    dataDir: path("HELIOS_DATA_DIR"),
    modulesRoot,
    modulesFile: ownRoot ? (existsSync(ownModules) ? ownModules : undefined) : brought("HELIOS_MODULES_FILE"),
    flagsFile: brought("HELIOS_FLAGS_FILE"),
    ...(named.length === 0 ? {} : { namedFiles: named }),
    watchFlagsFile: WATCH_MODES[value("HELIOS_WATCH_FLAGS_FILE") as keyof typeof WATCH_MODES],
    watchModules: value("HELIOS_WATCH_MODULES") === "on",
    allowedOrigins: listOf(value("HELIOS_ALLOWED_ORIGINS")),
    allowedHosts: listOf(value("HELIOS_ALLOWED_HOSTS")).map((one) => one.toLowerCase()),
    journalMaxChanges: readCount(value("HELIOS_JOURNAL_MAX_CHANGES")) ?? 0,
    journalMaxAgeMs: readAge(value("HELIOS_JOURNAL_MAX_AGE")) ?? 0,
    journalMaxBytes: readBytes(value("HELIOS_JOURNAL_MAX_BYTES")) ?? 0,
    flagHistoryMaxAgeMs: readAge(value("HELIOS_FLAG_HISTORY_MAX_AGE")) ?? 0,
    graceMs: Number(value("HELIOS_GRACE_MS")),
    logDir: path("HELIOS_LOG_DIR"),
    logMaxBytes: logBytes(value("HELIOS_LOG_MAX_BYTES")) ?? DEFAULT_LOG_MAX_BYTES,
    logKeep: Number(value("HELIOS_LOG_KEEP")),
    logLevel: value("HELIOS_LOG_LEVEL") as LogThreshold,
  };
}

/** What is wrong with the files that were named, at the start. */
export function missingFiles({ namedFiles = [], flagsFile, modulesFile }: Config): readonly string[] {
  const files = { HELIOS_FLAGS_FILE: flagsFile, HELIOS_MODULES_FILE: modulesFile ?? "" };
  return namedFiles
    .filter((name) => !isFile(files[name]))
    .map((name) => {
      const problem = existsSync(files[name]) ? `${files[name]} is not a file` : `there is no file ${files[name]}`;
      return `${name} (${flagOf(name)}): ${problem}`;
    });
}

function fromEnvironment(
  env: Readonly<Record<string, string | undefined>>,
  problems: string[],
): Partial<Record<SettingName, string>> {
  const known = new Set<string>(SETTINGS.map(({ name }) => name));
  for (const name of Object.keys(env)) {
    if (name.startsWith("HELIOS_") && !known.has(name) && !isServiceLink(name, env[name])) {
      problems.push(`${name} is no setting; the settings are ${[...known].join(", ")}`);
    }
  }
  const set = SETTINGS.filter(
    ({ name }) => env[name] !== undefined && env[name] !== "" && !isServiceLink(name, env[name]),
  );
  return Object.fromEntries(set.map(({ name }) => [name, env[name]]));
}

function fromFlags(args: readonly string[], problems: string[]): Partial<Record<SettingName, string>> {
  const values: Partial<Record<SettingName, string>> = {};
  for (let index = 0; index < args.length; index += 1) {
    const arg = args[index] ?? "";
    const [flag = "", inline] = splitOnce(arg, "=");
    const setting = SETTINGS.find(({ name }) => flagOf(name) === flag);
    if (setting === undefined) {
      problems.push(`${arg} is no flag; the flags are ${SETTINGS.map(({ name }) => flagOf(name)).join(", ")}`);
      // What follows is most likely its value.
      if (inline === undefined && !args[index + 1]?.startsWith("-")) index += 1;
      continue;
    }
    if (inline === undefined) index += 1;
    const value = inline ?? args[index];
    if (value === undefined) problems.push(`${flag} needs a value`);
    else values[setting.name] = value;
  }
  return values;
}

function splitOnce(text: string, separator: string): [string, string?] {
  const at = text.indexOf(separator);
  return at < 0 ? [text] : [text.slice(0, at), text.slice(at + 1)];
}

/** `--data-dir` of `HELIOS_DATA_DIR`. */
export function flagOf(name: string): string {
  return `--${name.replace("HELIOS_", "").toLowerCase().replaceAll("_", "-")}`;
}

function helpText(): string {
  const rows = SETTINGS.map(
    ({ name, fallback, meaning }) => `  ${flagOf(name).padEnd(24)} ${name.padEnd(28)} ${meaning} Default: ${fallback}`,
  );
  return [
    "Usage: npm start -- [--flag value]...",
    "",
    "Each setting is a flag or an environment variable; the flag wins.",
    "",
    ...rows,
  ].join("\n");
}

function isDirectory(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;
}

function age(value: string): string | undefined {
  return readAge(value) === undefined ? "must be from 1m to 36500d, in s, m, h or d" : undefined;
}

function isFile(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isFile() ?? false;
}

function notEmpty(value: string): string | undefined {
  return value === "" ? "must not be empty" : undefined;
}

function listOf(value: string): readonly string[] {
  return value === "none" ? [] : value.split(",").map((one) => one.trim());
}

function host(value: string): string | undefined {
  const name = unbracketed(value);
  if (isIP(name) !== 0 || (name === value && HOST_NAME.test(value) && !NUMERIC_END.test(value))) return undefined;
  return "must be an address or a name of this machine, such as 127.0.0.1, ::1, 0.0.0.0 or localhost, without scheme and port";
}

const HOST_NAME = /^(?=.{1,253}$)[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*\.?$/i;
/** What ends so is an IPv4 address, or nothing (WHATWG URL, "ends in a number"). */
const NUMERIC_END = /(^|\.)\d+\.?$/;

/** `::1` of `[::1]`, as it stands in a URL. */
function unbracketed(value: string): string {
  const [, inside = ""] = /^\[(.*)\]$/.exec(value) ?? [];
  return isIP(inside) === 6 ? inside : value;
}

function origins(value: string): string | undefined {
  const wrong = listOf(value).find((origin) => origin !== "*" && !isOrigin(origin.replace("://*.", "://")));
  return wrong === undefined
    ? undefined
    : "must be none, *, or origins such as https://ops.example.com or https://*.example.com with commas between";
}

function isOrigin(text: string): boolean {
  return /^https?:\/\/[^*]+$/.test(text) && URL.canParse(text) && new URL(text).origin === text;
}

function hosts(value: string): string | undefined {
  const wrong = listOf(value).find((one) => one !== "*" && hostName(one.replace(/^\*\./, "")) !== bare(one));
  return wrong === undefined
    ? undefined
    : "must be none, *, or hosts such as ops.example.com, *.lan or 10.0.0.1 with commas between, without scheme and port";
}

const bare = (host: string): string => host.toLowerCase().replace(/^\*\./, "");

function watchMode(value: string): string | undefined {
  return Object.hasOwn(WATCH_MODES, value) ? undefined : `must be one of ${Object.keys(WATCH_MODES).join(", ")}`;
}

function port(value: string): string | undefined {
  return /^\d{1,5}$/.test(value) && Number(value) <= 65_535 ? undefined : "must be a whole number from 0 to 65535";
}

/** A plain number of bytes, or one with a unit. */
function logBytes(value: string): number | undefined {
  return whole(value, 1024, MOST_BYTES) === undefined ? Number(value) : readBytes(value);
}

function whole(value: string, least: number, most: number): string | undefined {
  const isWhole = /^\d{1,13}$/.test(value) && Number(value) >= least && Number(value) <= most;
  return isWhole ? undefined : `must be a whole number from ${least} to ${most}`;
}

function logLevel(value: string): string | undefined {
  return LOG_LEVELS.some((level) => level === value) ? undefined : `must be one of ${LOG_LEVELS.join(", ")}`;
}
