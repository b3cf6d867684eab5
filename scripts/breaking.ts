// Compares the contract with the last published one: the last tag, otherwise the main branch.
import { execFileSync, spawnSync } from "node:child_process";

const git = (...args: string[]): string => execFileSync("git", args, { encoding: "utf8" }).trim();
const tryGit = (...args: string[]): string | undefined => {
  const run = spawnSync("git", args, { encoding: "utf8" });
  return run.status === 0 ? run.stdout.trim() : undefined;
};

const candidates = [tryGit("describe", "--tags", "--abbrev=0"), "origin/main", "main"];
const head = git("rev-parse", "HEAD");
const base = candidates.find((ref) => {
  const commit = ref === undefined ? undefined : tryGit("rev-parse", "--verify", "--quiet", `${ref}^{commit}`);
  if (commit === undefined || (commit === head && tryGit("diff", "--quiet", "HEAD", "--", "proto") !== undefined)) {
    return false;
  }
  return tryGit("cat-file", "-e", `${commit}:proto/helios`) !== undefined;
});

if (base === undefined) {
  process.stdout.write("buf breaking: no earlier contract to compare with\n");
} else {
  process.stdout.write(`buf breaking: against ${base}\n`);
  const commit = git("rev-parse", `${base}^{commit}`);
  const { status } = spawnSync("buf", ["breaking", "--against", `.git#ref=${commit}`], { stdio: "inherit" });
  process.exitCode = status ?? 1;
}
