import { createEngine, systemClock } from "../core/index.ts";
import { compileCondition } from "./cel/condition.ts";
import { compileExpectation } from "./cel/expectation.ts";
import { type Config, missingFiles, readCommand } from "./config/config.ts";
import { sourceFile } from "./config/source-file.ts";
import { readVersion } from "./config/version.ts";
import { createLogging, type Logging } from "./logs/logging.ts";
import { endAtOnce, endProcess } from "./process/end.ts";
import { explain } from "./process/explain.ts";
import { createShutdown, type Shutdown } from "./process/shutdown.ts";
import { startServer } from "./server.ts";

const EXIT_FAILURE = 1;
const EXIT_USAGE = 2;
/** Time that writing the log may take when the server ends because of its own fault. @limit ms */
const CRASH_FLUSH_MS = 300;

const version = readVersion();
const command = readCommand(process.argv.slice(2), process.env, process.cwd(), version);
if (command.kind === "print") {
  process.stdout.write(`${command.text}\n`);
} else if (command.kind === "refuse" || missingFiles(command.config).length > 0) {
  const problems = command.kind === "refuse" ? command.problems : missingFiles(command.config);
  process.stderr.write(`${problems.join("\n")}\nnpm start -- --help lists the settings.\n`);
  process.exitCode = EXIT_USAGE;
} else {
  const { config, notices } = command;
  const terminal = process.stdout.isTTY === true;
  const { logLevel: level, logDir: directory, logMaxBytes: maxBytes, logKeep: keep } = config;
  const logging = createLogging({ level, directory, terminal, maxBytes, keep });
  process.on("uncaughtException", (error) => {
    logging.server("error", "uncaught exception; the server stops", { error: error.stack ?? String(error) });
    void logging.flush(CRASH_FLUSH_MS).finally(endAtOnce);
  });
  const shutdown = createShutdown({
    clock: systemClock,
    log: logging.server,
    flush: logging.flush,
    exit: (code) => leave(code, logging),
    kill: endAtOnce,
  });
  // By default, Node opens a debugging port on this signal. Anybody who reaches the port could run any code.
  process.on("SIGUSR1", () =>
    logging.server("warn", "SIGUSR1 is ignored; to debug the server, start it with --inspect"),
  );
  for (const name of ["SIGTERM", "SIGINT"] as const) process.on(name, () => shutdown.signal(name));
  for (const notice of notices) logging.server("info", notice);
  await serve(config, logging, shutdown).catch(async (error: unknown) => {
    const { message, ...fields } = explain(error);
    logging.server("error", message, fields);
    await logging.flush();
    leave(EXIT_FAILURE, logging);
  });
}

async function serve(config: Config, logging: Logging, shutdown: Shutdown): Promise<void> {
  const { log, server: logServer } = logging;
  const engine = await createEngine({
    modulesRoot: config.modulesRoot,
    dataDir: config.dataDir,
    flagsFile: sourceFile(config.flagsFile, logServer),
    ...(config.modulesFile === undefined ? {} : { modulesFile: sourceFile(config.modulesFile, logServer) }),
    ...(config.watchFlagsFile === undefined ? {} : { watchFlagsFile: config.watchFlagsFile }),
    watchModules: config.watchModules,
    compileExpectation,
    compileCondition,
    keptChanges: config.journalMaxChanges,
    keptMs: config.journalMaxAgeMs,
    keptBytes: config.journalMaxBytes,
    flagHistoryMs: config.flagHistoryMaxAgeMs,
    log,
  });
  const { host, port, allowedOrigins, allowedHosts, graceMs } = config;
  const server = await startServer({
    engine,
    host,
    port,
    version,
    log: logServer,
    logs: logging.status,
    allowedOrigins,
    allowedHosts,
    graceMs,
  }).catch(async (error: unknown) => {
    await engine.close();
    throw error;
  });
  logServer("info", "serving", { url: server.url, version, modulesRoot: config.modulesRoot, dataDir: config.dataDir });
  shutdown.started({
    drain: () => server.drain(),
    close: () => engine.close(),
    strandedThreads: () => engine.strandedThreads(),
  });
}

/** Ends in order, or by SIGKILL if a disk hangs. All logs that could be written have been written. */
function leave(code: number, logging: Logging): void {
  endProcess(code, systemClock, async () => {
    const stuck = logging.isBusy() ? "the disk of a log file" : "a file system or a name server";
    logging.server("warn", `the process ends by SIGKILL, because ${stuck} does not answer`);
    await logging.flush(CRASH_FLUSH_MS);
  });
}
