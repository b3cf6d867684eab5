/** The names of many flags. */
export function flagName(index: number): string {
  return `flag-${index}`;
}
