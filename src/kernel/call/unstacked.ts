/**
 * Creates an error without a stack trace. A trace costs several times as much as everything else about a rejected call, and
 * calls are rejected in great numbers exactly when a dependency is in trouble.
 */
export function unstacked<E extends Error>(create: () => E): E {
  const { stackTraceLimit } = Error as { stackTraceLimit?: unknown };
  // The platform may not have the limit, or may have frozen it.
  if (typeof stackTraceLimit !== "number" || !Reflect.set(Error, "stackTraceLimit", 0)) return create();
  try {
    return create();
  } finally {
    Reflect.set(Error, "stackTraceLimit", stackTraceLimit);
  }
}
