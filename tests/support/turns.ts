/** Resolves when everything that was ready has run. */
export function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** Resolves after that many turns of the event loop. Each turn runs the work that the turn before has made ready. */
export async function turns(count: number): Promise<void> {
  for (let passed = 0; passed < count; passed += 1) await turn();
}

/** Resolves after that many turns of promises, which lets work settle that waits for nothing else. */
export async function microtasks(count = 20): Promise<void> {
  for (let passed = 0; passed < count; passed += 1) await Promise.resolve();
}
