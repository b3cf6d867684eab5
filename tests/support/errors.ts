import { HeliosError } from "../../src/core/errors/error.ts";

/** The domain error with which a promise rejects. */
export async function errorOf(promise: Promise<unknown>): Promise<HeliosError> {
  const outcome = await promise.then(
    (value) => new Error(`it succeeded: ${JSON.stringify(value)}`),
    (error: unknown) => error,
  );
  if (outcome instanceof HeliosError) return outcome;
  throw outcome;
}
