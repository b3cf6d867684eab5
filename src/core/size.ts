import { HeliosError } from "./errors/error.ts";

/**
 * Size to which a page of a list, a frame of a watch or a chunk of a snapshot is filled. The rest comes in the next
 * one. @limit bytes
 */
export const PAGE_BYTES = 1024 * 1024;

/**
 * Size up to which a resource is shown whole. New resources are smaller; a larger one of an earlier version is shown
 * without its long parts. @limit bytes
 */
export const WHOLE_BYTES = 1.75 * 1024 * 1024;

/** Returns how many of `items`, from `start` on, fit into `budget` bytes; at most `most`, and at least one. */
export function fitting<T>(
  items: readonly T[],
  start: number,
  most: number,
  sizeOf: (item: T) => number,
  budget: number = PAGE_BYTES,
): number {
  const count = Math.min(items.length - start, most);
  let size = 0;
  for (let index = 0; index < count; index += 1) {
    size += sizeOf(items[start + index] as T);
    if (size > budget) return Math.max(1, index);
  }
  return Math.max(0, count);
}

/** Throws RESOURCE_TOO_LARGE if `size` exceeds `limit` bytes. */
export function refuseTooLarge(what: string, name: string, size: number, limit: number): void {
  if (size > limit) throw HeliosError.of("RESOURCE_TOO_LARGE", { what, name, size, limit });
}
