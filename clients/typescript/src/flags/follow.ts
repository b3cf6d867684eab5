import type { Flag } from "../../../../gen/helios/v1/flag_pb.ts";
import type { WatchFlagsResponse } from "../../../../gen/helios/v1/flag_service_pb.ts";
import type { FlagChange, LocalFlags } from "./local.ts";

/** What the frames of a watch of flags change. */
export interface Followed {
  readonly flags: Pick<LocalFlags, "replaced" | "changed" | "heard">;
  /** A heartbeat with the service's wall time in ms has arrived. */
  readonly heardTime: (serviceMs: number) => void;
}

/**
 * Applies the frames of a watch of flags in order. Flags that were changed together are changed together here, even if their
 * changes came in several frames.
 */
export class FlagFrames {
  readonly #followed: Followed;
  /** The chunks of a snapshot that is not complete. */
  #chunks: Flag[] = [];
  /** Changes of a revision that is not complete. */
  #changes: FlagChange[] = [];

  constructor(followed: Followed) {
    this.#followed = followed;
  }

  /** A new stream has begun. What the last one sent in part comes again. */
  restarted(): void {
    this.#chunks = [];
    this.#changes = [];
  }

  /** Returns whether something has changed. */
  apply({ frame, revision }: WatchFlagsResponse): boolean {
    const { flags, heardTime } = this.#followed;
    switch (frame.case) {
      case "snapshot":
        this.#chunks.push(...frame.value.flags);
        if (!frame.value.complete) return false;
        flags.replaced(this.#chunks);
        this.restarted();
        return true;
      case "changes": {
        let newest = 0n;
        for (const { change, cause } of frame.value.changes) {
          if (change.case === undefined) continue;
          const { name, revision: at } = change.value;
          this.#changes.push({ name, flag: change.case === "put" ? change.value : undefined, cause });
          newest = at;
        }
        // The frame's revision is that before, until the last frame of a revision.
        if (newest > revision || this.#changes.length === 0) return false;
        const changes = this.#changes;
        this.#changes = [];
        flags.changed(changes);
        return true;
      }
      case "heartbeat": {
        const { serverTime, headRevision } = frame.value;
        if (serverTime !== undefined) heardTime(Number(serverTime.seconds) * 1000 + serverTime.nanos / 1e6);
        // If the service still reads changes for this client, it confirms nothing.
        if (headRevision <= revision) flags.heard();
        return false;
      }
      default:
        return false;
    }
  }
}
