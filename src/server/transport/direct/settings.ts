import { encodeTableSize } from "../hpack/encoder.ts";

/** What the client's SETTINGS change for the streams that Helios serves (RFC 9113, 6.5.2). */
export interface ClientSettings {
  /** The window that streams begin with. Undefined if it does not change. */
  readonly initialWindow: number | undefined;
  /** The sizes that the table of compressed headers may have from now on. Undefined if it does not change. */
  readonly tableSizes: TableSizes | undefined;
}

/** One frame may set the size several times. */
interface TableSizes {
  readonly smallest: number;
  readonly last: number;
}

const HEADER_TABLE_SIZE = 1;
const INITIAL_WINDOW_SIZE = 4;
const SETTING_BYTES = 6;
/** The table of node:http2 is never larger. */
const LARGEST_TABLE = 4096;

/** Reads the payload of a SETTINGS frame. Of equal settings, the last one counts. */
export function readSettings(payload: Buffer): ClientSettings {
  let initialWindow: number | undefined;
  let tableSizes: TableSizes | undefined;
  for (let at = 0; at + SETTING_BYTES <= payload.length; at += SETTING_BYTES) {
    const value = payload.readUInt32BE(at + 2);
    switch (payload.readUInt16BE(at)) {
      case INITIAL_WINDOW_SIZE:
        initialWindow = value;
        break;
      case HEADER_TABLE_SIZE:
        tableSizes = joined(tableSizes, { smallest: value, last: value });
        break;
      default:
        break;
    }
  }
  return { initialWindow, tableSizes };
}

const joined = (before: TableSizes | undefined, after: TableSizes): TableSizes => ({
  smallest: Math.min(before?.smallest ?? after.smallest, after.smallest),
  last: after.last,
});

/**
 * The change of the table's size that must begin the first header block after the acknowledgement of the client's setting
 * (RFC 7541, 4.2). Node:http2 has the table, acknowledges the setting, and begins its own next block with the change. If a
 * block of a direct stream comes first, that block begins with it. To repeat it does no harm until node:http2 adds to the table.
 */
export class TableSizeUpdate {
  /** For each frame with settings that is not acknowledged yet. */
  readonly #announced: (TableSizes | undefined)[] = [];
  #due: TableSizes | undefined;

  /** The client has sent SETTINGS. */
  announced(sizes: TableSizes | undefined): void {
    this.#announced.push(sizes);
  }

  /** Node:http2 has acknowledged the oldest SETTINGS. */
  acknowledged(): void {
    const sizes = this.#announced.shift();
    if (sizes !== undefined) this.#due = joined(this.#due, sizes);
  }

  /** Node:http2 has sent a header block. */
  sentElsewhere(): void {
    this.#due = undefined;
  }

  /** Returns a block with the change that must come before it. */
  before(block: Uint8Array): Uint8Array {
    if (this.#due === undefined) return block;
    const smallest = Math.min(this.#due.smallest, LARGEST_TABLE);
    const last = Math.min(this.#due.last, LARGEST_TABLE);
    this.#due = undefined;
    const changes = smallest < last ? [smallest, last] : [last];
    return Buffer.concat([...changes.map(encodeTableSize), block]);
  }
}
