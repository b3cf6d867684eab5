import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { type Config, missingFiles, readCommand } from "../../../src/server/config/config.ts";
import { flagOf, SETTINGS } from "../../../src/server/config/settings.ts";

const HOME = join(import.meta.dirname, "../../..");

const read = (args: string[], env: Record<string, string> = {}) => readCommand(args, env, "/srv/dir", "1.2.3");

function config(args: string[], env: Record<string, string> = {}): Config {
  const command = read(args, env);
  if (command.kind !== "serve") throw new Error(JSON.stringify(command));
  return command.config;
}

function problems(args: string[], env: Record<string, string> = {}): string {
  const command = read(args, env);
  if (command.kind !== "refuse") throw new Error(JSON.stringify(command));
  return command.problems.join("\n");
}

describe("settings", () => {
  it("have defaults: data in the working directory, and files of Helios beside its code", () => {
    expect(config([])).toEqual({
      host: "127.0.0.1",
      port: 8000,
      dataDir: "/srv/dir/data",
      modulesRoot: join(HOME, "examples/modules"),
      modulesFile: join(HOME, "config/modules.json"),
      flagsFile: join(HOME, "config/feature_flags.json"),
      watchModules: false,
      allowedOrigins: [],
      allowedHosts: [],
      journalMaxChanges: 100_000,
      journalMaxAgeMs: 30 * 86_400_000,
      journalMaxBytes: 256 * 1024 * 1024,
      flagHistoryMaxAgeMs: 400 * 86_400_000,
      logDir: "/srv/dir/logs",
      graceMs: 10_000,
      logMaxBytes: 10 * 1024 * 1024,
      logKeep: 5,
      logLevel: "info",
    });
  });

  it("admit pages of no other origin, of the named origins, or of all", () => {
    const named = config(["--allowed-origins", "https://ops.example.com, http://localhost:3000"]);
    expect(named.allowedOrigins).toEqual(["https://ops.example.com", "http://localhost:3000"]);
    expect(config(["--allowed-origins=https://*.example.com:8443"]).allowedOrigins).toEqual([
      "https://*.example.com:8443",
    ]);
    expect(config(["--allowed-origins=*"]).allowedOrigins).toEqual(["*"]);
    for (const wrong of [
      "ops.example.com",
      "https://ops.example.com/",
      "https://a,,https://b",
      "x y",
      "ftp://a",
      "https://*",
      "https://a.*.com",
    ]) {
      expect(problems([`--allowed-origins=${wrong}`])).toContain(
        "HELIOS_ALLOWED_ORIGINS (--allowed-origins): must be none",
      );
    }
  });

  it("name a host to listen on, and refuse anything else", () => {
    for (const host of ["::1", "0.0.0.0", "fe80::1%eth0", "localhost", "my_box.lan.", "a1"]) {
      expect(config(["--host", host]).host).toBe(host);
    }
    expect(config(["--host", "[::1]"]).host).toBe("::1");
    for (const wrong of [
      "256.1.1.1",
      "http://x",
      "foo bar",
      "127.0.0.1:80",
      "[::1]:80",
      "[127.0.0.1]",
      "a..b",
      "-a",
      "1.2.3",
      "",
    ]) {
      const problem = `HELIOS_HOST (--host): must be an address or host name of this machine`;
      expect(problems([`--host=${wrong}`])).toContain(problem);
    }
  });

  it("are read from the environment, and a flag in either form takes precedence", () => {
    const env = { HELIOS_PORT: "9000", HELIOS_HOST: "::1", HELIOS_DATA_DIR: "there" };
    expect(config([], env)).toMatchObject({ port: 9000, host: "::1", dataDir: "/srv/dir/there" });
    expect(config(["--port", "9001"], env).port).toBe(9001);
    expect(config(["--port=9002"], env).port).toBe(9002);
  });

  it("limit what is kept, with units, and refuse other amounts", () => {
    const given = config(["--journal-max-changes=5000", "--journal-max-age=12h", "--flag-history-max-age", "90m"]);
    expect(given).toMatchObject({
      journalMaxChanges: 5000,
      journalMaxAgeMs: 43_200_000,
      flagHistoryMaxAgeMs: 5_400_000,
    });
    expect(config([], { HELIOS_JOURNAL_MAX_BYTES: "2GiB" }).journalMaxBytes).toBe(2 ** 31);
    for (const wrong of ["0", "999", "-1", "1e6", "1000.5", "NaN", "9999999999"]) {
      expect(problems([`--journal-max-changes=${wrong}`])).toContain("HELIOS_JOURNAL_MAX_CHANGES");
    }
    for (const wrong of ["30", "d", "0d", "59s", "1w", "1.5d", "36501d", "Infinity", "-1d"]) {
      expect(problems([`--journal-max-age=${wrong}`])).toContain("HELIOS_JOURNAL_MAX_AGE");
      expect(problems([`--flag-history-max-age=${wrong}`])).toContain("HELIOS_FLAG_HISTORY_MAX_AGE");
    }
    for (const wrong of ["256", "0MiB", "1023KiB", "1MB", "1.5GiB", "1025GiB", "1TiB"]) {
      expect(problems([`--journal-max-bytes=${wrong}`])).toContain("HELIOS_JOURNAL_MAX_BYTES");
    }
  });

  it("enable or disable the following of module files", () => {
    expect(config([], { HELIOS_WATCH_MODULES: "on" }).watchModules).toBe(true);
    expect(config(["--watch-modules", "off"], { HELIOS_WATCH_MODULES: "on" }).watchModules).toBe(false);
    for (const value of ["true", "ON", "1", ""]) {
      expect(problems([`--watch-modules=${value}`])).toContain("must be on or off");
    }
  });

  it("enable the following of the flags file in one of two modes, or disable it", () => {
    expect(config([]).watchFlagsFile).toBeUndefined();
    expect(config([], { HELIOS_WATCH_FLAGS_FILE: "merge" }).watchFlagsFile).toBe("MERGE");
    expect(config(["--watch-flags-file", "replace"]).watchFlagsFile).toBe("REPLACE");
    expect(config(["--watch-flags-file=off"]).watchFlagsFile).toBeUndefined();
    for (const value of ["on", "MERGE", "toString", ""]) {
      expect(problems([`--watch-flags-file=${value}`])).toContain("must be one of off, merge, replace");
    }
  });

  it("use the modules.json of a custom modules root, if it exists", () => {
    const root = mkdtempSync(join(tmpdir(), "helios-root-"));
    expect(config(["--modules-root", root]).modulesFile).toBeUndefined();
    writeFileSync(join(root, "modules.json"), "{}");
    expect(config(["--modules-root", root]).modulesFile).toBe(join(root, "modules.json"));
    const other = config(["--modules-root", root, "--modules-file", "other.json"]);
    expect(other.modulesFile).toBe("/srv/dir/other.json");
  });

  it("report named files that do not exist, but not missing default files", () => {
    const root = mkdtempSync(join(tmpdir(), "helios-files-"));
    const file = join(root, "there.json");
    writeFileSync(file, "{}");
    const missing = (args: string[], env: Record<string, string> = {}) => missingFiles(config(args, env));
    expect(missing(["--modules-root", root])).toEqual([]);
    expect(missing(["--flags-file", file, "--modules-file", file])).toEqual([]);
    expect(missing(["--flags-file", root], { HELIOS_MODULES_FILE: "no.json" })).toEqual([
      `HELIOS_FLAGS_FILE (--flags-file): ${root} is not a file`,
      "HELIOS_MODULES_FILE (--modules-file): there is no file /srv/dir/no.json",
    ]);
  });

  it("cannot be changed after they are read", () => {
    expect(Object.isFrozen(config([]))).toBe(true);
  });

  it.each(["-1", "65536", "8000x", "", "1e3"])("refuse the port %j, and name it", (port) => {
    expect(problems([`--port=${port}`])).toContain(`HELIOS_PORT (--port): must be a whole number from 0 to 65535`);
  });

  it("are refused all together if several are wrong", () => {
    const message = problems(["--prot", "1", "--log-level=loud", "--modules-root", "/no/such"], {
      HELIOS_DATADIR: "x",
    });
    expect(message.split("\n")).toHaveLength(4);
    expect(message).toContain(
      "HELIOS_MODULES_ROOT (--modules-root): must be a directory, but /no/such is not a directory",
    );
    expect(message).toContain("--prot is not a flag");
    expect(message).toContain("HELIOS_LOG_LEVEL (--log-level)");
    expect(message).toContain("HELIOS_DATADIR is not a setting");
  });

  it("are refused if a value is missing", () => {
    expect(problems(["--port"])).toContain("--port needs a value");
  });

  it("ignore the variables that Kubernetes sets for a service called helios", () => {
    const links = (prefix: string) => ({
      [`${prefix}_SERVICE_HOST`]: "10.0.0.1",
      [`${prefix}_SERVICE_PORT`]: "8000",
      [`${prefix}_SERVICE_PORT_GRPC`]: "8000",
      [`${prefix}_PORT`]: "tcp://10.0.0.1:8000",
      [`${prefix}_PORT_8000_TCP`]: "tcp://10.0.0.1:8000",
      [`${prefix}_PORT_8000_TCP_PROTO`]: "tcp",
      [`${prefix}_PORT_8000_TCP_PORT`]: "8000",
      [`${prefix}_PORT_8000_TCP_ADDR`]: "10.0.0.1",
      [`${prefix}_PORT_53_UDP`]: "udp://10.0.0.1:53",
    });
    const command = read([], { ...links("HELIOS"), ...links("HELIOS_CANARY"), ...links("HELIOS_DATA") });
    expect(command).toMatchObject({
      kind: "serve",
      config: { port: 8000 },
      notices: [expect.stringMatching(/^HELIOS_PORT=tcp:\/\/10\.0\.0\.1:8000 was set by Kubernetes/)],
    });
    expect(config(["--port", "9"], links("HELIOS")).port).toBe(9);
    expect(problems([], { HELIOS_PORT: "http://10.0.0.1:8000" })).toContain("HELIOS_PORT (--port): must be");
    expect(problems(["--port", "tcp://10.0.0.1:8000"])).toContain("HELIOS_PORT (--port): must be");
  });

  it("let browsers use no other host name, the named ones, or all", () => {
    const named = config(["--allowed-hosts", "Ops.example.com, *.lan, 10.0.0.1, [fd00::1]"]);
    expect(named.allowedHosts).toEqual(["ops.example.com", "*.lan", "10.0.0.1", "[fd00::1]"]);
    expect(config(["--allowed-hosts=*"]).allowedHosts).toEqual(["*"]);
    for (const wrong of [
      "",
      "https://a",
      "a:8000",
      "a,,b",
      "a b",
      "*.*",
      "a/b",
      "fd00::1",
      "1.2.3.999",
      "u@a",
      "a.*",
    ]) {
      expect(problems([`--allowed-hosts=${wrong}`])).toContain("HELIOS_ALLOWED_HOSTS (--allowed-hosts): must be none");
    }
  });

  it("are all listed by --help, and the version by --version", () => {
    const help = read(["--help"]);
    for (const { name } of SETTINGS) {
      expect(help).toMatchObject({ kind: "print", text: expect.stringContaining(name) });
      expect(help).toMatchObject({ text: expect.stringContaining(flagOf(name)) });
    }
    expect(read(["--version"])).toEqual({ kind: "print", text: "1.2.3" });
  });
});
