/** As protobuf's JSON has the paths of a mask. */
export function camelCase(paths: string): string {
  return paths.replace(/_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());
}
