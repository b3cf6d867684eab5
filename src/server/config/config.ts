import { existsSync, statSync } from "node:fs";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import type { ReloadMode } from "../../core/index.ts";
import { DEFAULT_LOG_MAX_BYTES } from "../logs/limits.ts";
import { listOf, logBytes, unbracketed } from "./checks.ts";
import { fromEnvironment, fromFlags, type Given, helpText, isServiceLink } from "./given.ts";
import { readAge, readBytes, readCount } from "./quantities.ts";
import { FILE_SETTINGS, flagOf, type LogThreshold, SETTINGS, type SettingName, WATCH_MODES } from "./settings.ts";

const HOME = fileURLToPath(new URL("../../..", import.meta.url));

/** The settings of the service. */
export interface Config {
  readonly host: string;
  readonly port: number;
  readonly dataDir: string;
  readonly modulesRoot: string;
  /** Undefined if there is no modules file. */
  readonly modulesFile: string | undefined;
  readonly flagsFile: string;
  /**
   * Settings that name a file. If the operator sets one, the service does not start without that file. Absent: the operator
   * set none of them.
   */
  readonly namedFiles?: readonly (typeof FILE_SETTINGS)[number][];
  /** Undefined: the file is only reloaded on request. */
  readonly watchFlagsFile: ReloadMode | undefined;
  readonly watchModules: boolean;
  /** Origins whose web pages a browser lets in. `*` means all. */
  readonly allowedOrigins: readonly string[];
  /** Host names by which a browser may reach the service, besides loopback names and the host. `*` means all. */
  readonly allowedHosts: readonly string[];
  readonly journalMaxChanges: number;
  readonly journalMaxAgeMs: number;
  readonly journalMaxBytes: number;
  readonly flagHistoryMaxAgeMs: number;
  /** Time for which calls may continue after SIGTERM, in ms. */
  readonly graceMs: number;
  readonly logDir: string;
  /** Size at which a log file is rotated, and the number of rotated files that are kept. */
  readonly logMaxBytes: number;
  readonly logKeep: number;
  readonly logLevel: LogThreshold;
}

/** The command that the command line asks for. */
export type Command =
  /** `notices` name the ignored variables, for the operator. */
  | { readonly kind: "serve"; readonly config: Config; readonly notices: readonly string[] }
  | { readonly kind: "print"; readonly text: string }
  | { readonly kind: "refuse"; readonly problems: readonly string[] };

/**
 * Reads the settings. A flag takes precedence over its environment variable, and that over the default. Paths in settings
 * are relative to `cwd`; default paths of files that come with Helios are relative to Helios. All problems are reported
 * together.
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
      `${name}=${env[name]} was set by Kubernetes for a service and is ignored; use ${flagOf(name)} to change the setting`,
  );
  const given = { ...fromEnvironment(env, problems), ...fromFlags(args, problems) };
  for (const { name, check } of SETTINGS) {
    const value = given[name];
    const problem = value === undefined ? undefined : check(value);
    if (problem !== undefined) problems.push(`${name} (${flagOf(name)}): ${problem}, not ${JSON.stringify(value)}`);
  }
  const config = Object.freeze(complete(given, cwd));
  if (!isDirectory(config.modulesRoot)) {
    problems.push(
      `HELIOS_MODULES_ROOT (--modules-root): must be a directory, but ${config.modulesRoot} is not a directory`,
    );
  }
  return problems.length > 0 ? { kind: "refuse", problems } : { kind: "serve", config, notices };
}

function complete(given: Given, cwd: string): Config {
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

/** Returns the problems of the files that settings name, at the start. */
export function missingFiles({ namedFiles = [], flagsFile, modulesFile }: Config): readonly string[] {
  const files = { HELIOS_FLAGS_FILE: flagsFile, HELIOS_MODULES_FILE: modulesFile ?? "" };
  return namedFiles
    .filter((name) => !isFile(files[name]))
    .map((name) => {
      const problem = existsSync(files[name]) ? `${files[name]} is not a file` : `there is no file ${files[name]}`;
      return `${name} (${flagOf(name)}): ${problem}`;
    });
}

function isDirectory(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;
}

function isFile(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isFile() ?? false;
}
