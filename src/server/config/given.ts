import { flagOf, SETTINGS, type SettingName } from "./settings.ts";

/** Settings as they are given, by their names. */
export type Given = Partial<Record<SettingName, string>>;

/** Environment variables that Kubernetes sets for a service named helios, or helios-something. */
const SERVICE_LINK = /^HELIOS_(\w+_)?(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)$/;
/** Such a variable whose name could also be that of a setting. */
const SERVICE_PORT = /^HELIOS_(\w+_)?PORT$/;

/** Whether Kubernetes set this variable for a service. Then it is not a setting. */
export function isServiceLink(name: string, value = ""): boolean {
  return SERVICE_LINK.test(name) || (SERVICE_PORT.test(name) && /^(tcp|udp|sctp):\/\//.test(value));
}

/** The settings that the environment gives. Adds what is wrong to `problems`. */
export function fromEnvironment(env: Readonly<Record<string, string | undefined>>, problems: string[]): Given {
  const known = new Set<string>(SETTINGS.map(({ name }) => name));
  for (const name of Object.keys(env)) {
    if (name.startsWith("HELIOS_") && !known.has(name) && !isServiceLink(name, env[name])) {
      problems.push(`${name} is not a setting; the settings are ${[...known].join(", ")}`);
    }
  }
  const set = SETTINGS.filter(
    ({ name }) => env[name] !== undefined && env[name] !== "" && !isServiceLink(name, env[name]),
  );
  return Object.fromEntries(set.map(({ name }) => [name, env[name]]));
}

/** The settings that the command line gives. Adds what is wrong to `problems`. */
export function fromFlags(args: readonly string[], problems: string[]): Given {
  const values: Given = {};
  for (let index = 0; index < args.length; index += 1) {
    const arg = args[index] ?? "";
    const [flag = "", inline] = splitOnce(arg, "=");
    const setting = SETTINGS.find(({ name }) => flagOf(name) === flag);
    if (setting === undefined) {
      problems.push(`${arg} is not a flag; the flags are ${SETTINGS.map(({ name }) => flagOf(name)).join(", ")}`);
      // The next argument is probably the flag's value.
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

export function helpText(): string {
  const rows = SETTINGS.map(
    ({ name, fallback, meaning }) => `  ${flagOf(name).padEnd(24)} ${name.padEnd(28)} ${meaning} Default: ${fallback}`,
  );
  return [
    "Usage: npm start -- [--flag value]...",
    "",
    "Each setting is a flag or an environment variable. The flag takes precedence.",
    "",
    ...rows,
  ].join("\n");
}
