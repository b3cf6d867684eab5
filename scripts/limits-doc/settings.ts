import { flagOf, SETTINGS } from "../../src/server/config/config.ts";

/** What no setting takes: each that takes a range says so of it. */
const NO_VALUE = "no value";

/** The part of the page about settings: those that take a number, an age or a size from a range. */
export function settingLimits(): string {
  const rows = SETTINGS.flatMap(({ name, fallback, meaning, check }) => {
    const [, range] = /^must be (.*\bfrom .* to .*)$/.exec(check(NO_VALUE) ?? "") ?? [];
    return range === undefined ? [] : [`| \`${name}\`, \`${flagOf(name)}\` | ${meaning} | ${fallback} | ${range} |`];
  });
  return [INTRODUCTION, "| Setting | What | Default | Allowed |", "|---|---|---|---|", ...rows, ""].join("\n");
}

const INTRODUCTION = `## Settings

The server does not start with a value that is not allowed: it says which, and what was expected.
`;
