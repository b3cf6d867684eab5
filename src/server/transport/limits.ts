/** Bytes of the largest message that is read or written. */
export const MAX_MESSAGE_BYTES = 4 * 1024 * 1024;

/** Bytes that the bodies of all requests under way may hold together, and those of one connection. */
export const MAX_REQUEST_BODIES_BYTES = 128 * 1024 * 1024;
export const MAX_CONNECTION_BODIES_BYTES = 64 * 1024 * 1024;

/** How long the body of a request may take that has an end, from its first byte to its last, in ms. */
export const REQUEST_BODY_TIMEOUT_MS = 30_000;

/** Connections at once; further ones are closed as they come. */
export const MAX_CONNECTIONS = 10_000;
