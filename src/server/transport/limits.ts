/** Bytes of the largest message that is read or written. */
export const MAX_MESSAGE_BYTES = 4 * 1024 * 1024;
