/** What `work` tells, as it tells it; ends with it, and fails as it fails. What comes before somebody reads waits. */
export async function* telling<T>(work: (tell: (what: T) => void) => Promise<void>): AsyncGenerator<T> {
  const told: T[] = [];
  let wake = (): void => {};
  let over = false;
  const working = work((what) => {
    told.push(what);
    wake();
  }).finally(() => {
    over = true;
    wake();
  });
  // Whoever reads gets the error below; nobody may be left to.
  working.catch(() => {});
  while (!over || told.length > 0) {
    const next = told.shift();
    if (next !== undefined) yield next;
    else {
      await new Promise<void>((resolve) => {
        wake = resolve;
        if (over || told.length > 0) resolve();
      });
    }
  }
  await working;
}
