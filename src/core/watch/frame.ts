import { fitting } from "../size.ts";
import type { Item } from "./types.ts";

/** Items in one chunk of a snapshot, and changes in one frame; further ones come in the next. @limit items */
export const FRAME_LIMIT = 500;

/** A part of a watch that is sent at once. `revision` and `resumeToken` are its position after it has applied the frame. */
export type Frame<I, S> = { readonly revision: number; readonly resumeToken: string } & (
  | { readonly kind: "snapshot"; readonly items: readonly S[]; readonly complete: boolean }
  | Content<I>
);

/** The content of a frame that does not belong to a snapshot. */
export type Content<I> =
  | { readonly kind: "changes"; readonly items: readonly I[] }
  | {
      readonly kind: "heartbeat";
      readonly time: number;
      /** The feed's revision. It is above the frame's revision while the journal is still being read. */
      readonly head: number;
    };

/** Takes as many items as fit into a frame from the front of a list. A batch that fits into a frame is not split. */
export function takeFrame<I extends Item>(items: I[], sizeOf: (item: I) => number): I[] {
  const most = fitting(items, 0, FRAME_LIMIT, sizeOf);
  let count = most;
  while (count > 0 && items[count]?.revision === items[count - 1]?.revision) count -= 1;
  return items.splice(0, count === 0 ? most : count);
}
