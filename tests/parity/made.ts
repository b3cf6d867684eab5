/** Counts the servers that this process has told to pass every call to Connect. */
export const made = { handlers: 0 };
