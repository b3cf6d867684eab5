import { oneJsonLine } from "../../core/index.ts";

/** Size of a log line, including its end. Of a longer entry, the message and the other fields are cut. @limit bytes */
export const MAX_LOG_LINE_BYTES = 64 * 1024;

/** Length of the message that is kept of a too long entry. @limit characters */
const KEPT_MESSAGE_CHARS = 4096;
/** Length of the other fields that are kept of a too long entry. @limit characters */
const KEPT_REST_CHARS = 8192;

/** Formats an entry of pino as one safe line of limited length. */
export function toLine(entry: string): string {
  const line = `${oneJsonLine(entry.endsWith("\n") ? entry.slice(0, -1) : entry)}\n`;
  return Buffer.byteLength(line) <= MAX_LOG_LINE_BYTES ? line : toLine(shortened(line));
}

function shortened(line: string): string {
  const { level, time, area, msg, ...rest } = JSON.parse(line) as Record<string, unknown>;
  const message = String(msg).slice(0, KEPT_MESSAGE_CHARS);
  const cut = `${JSON.stringify(rest).slice(0, KEPT_REST_CHARS)}…`;
  return JSON.stringify({ level, time, area, bytes: Buffer.byteLength(line), cut, msg: message }).toWellFormed();
}

/**
 * Formats an entry for a terminal program that prints texts without escaping. Escapes are doubled, so that a line break is
 * shown as `
 * `, and no text controls the terminal.
 */
export function toPrintable(line: string): string {
  return line.replace(/\\([\\"/bfnrtu])/g, (written, kind: string) =>
    /[bfnrtu]/.test(kind) ? `\\${written}` : written,
  );
}
