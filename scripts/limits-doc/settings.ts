import { flagOf, SETTINGS } from "../../src/server/config/settings.ts";

/** A value that every setting refuses. A setting with a range names that range in its refusal. */
const NO_VALUE = "no value";

/** The part of the page about settings that take a number, an age or a size from a range. */
export function settingLimits(): string {
  const rows = SETTINGS.flatMap(({ name, fallback, meaning, check }) => {
    const [, range] = /^must be (.*\bfrom .* to .*)$/.exec(check(NO_VALUE) ?? "") ?? [];
    return range === undefined ? [] : [`| \`${name}\`, \`${flagOf(name)}\` | ${meaning} | ${fallback} | ${range} |`];
  });
  return [INTRODUCTION, "| Setting | Meaning | Default | Allowed |", "|---|---|---|---|", ...rows, ""].join("\n");
}

const INTRODUCTION = `## Settings

The server does not start with an invalid value. It prints the setting and what was expected.
`;
