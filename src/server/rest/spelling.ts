/** Converts the paths of a mask to the form of protobuf's JSON. */
export function camelCase(paths: string): string {
  return paths.replace(/_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());
}
