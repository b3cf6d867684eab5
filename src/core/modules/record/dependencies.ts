/** The names that each name needs. A needed name may have no entry of its own. */
export type Dependencies = ReadonlyMap<string, readonly string[]>;

/** Returns the path of a cycle through `name`, such as `a`, `b`, `a`. Undefined if there is no cycle. */
export function cycleThrough(name: string, dependencies: Dependencies): readonly string[] | undefined {
  const seen = new Set<string>();
  // This depth-first search does not use recursion, because a chain may be longer than the call stack.
  const path: { readonly name: string; readonly rest: string[] }[] = [];
  const enter = (next: string): void => {
    seen.add(next);
    path.push({ name: next, rest: [...(dependencies.get(next) ?? [])].reverse() });
  };
  enter(name);
  for (let top = path.at(-1); top !== undefined; top = path.at(-1)) {
    const next = top.rest.pop();
    if (next === name) return [...path.map((step) => step.name), name];
    if (next === undefined) path.pop();
    else if (!seen.has(next)) enter(next);
  }
  return undefined;
}

/** The modules that a module's calls may reach. */
export interface Calls {
  readonly dependencies: readonly string[];
  /** The module that answers in its place while its breaker is open. Empty: calls are refused. */
  readonly fallbackModule: string;
}

/**
 * Returns the path of a cycle through `name` that a call could take, by dependencies and by the fallbacks of the called
 * modules. Undefined if there is no cycle. Without a cycle, no call ever waits for itself. Two modules may be the fallback of
 * each other, because a call falls back only once.
 */
export function callCycle(name: string, modules: ReadonlyMap<string, Calls>): readonly string[] | undefined {
  // `a` stands for a call that runs in module a. `a?` stands for a call that was sent to a, and runs in a or in its fallback.
  const edges = new Map<string, readonly string[]>();
  for (const [from, { dependencies, fallbackModule }] of modules) {
    edges.set(
      from,
      dependencies.map((to) => `${to}?`),
    );
    edges.set(`${from}?`, fallbackModule === "" ? [from] : [from, fallbackModule]);
  }
  const cycle = cycleThrough(name, edges) ?? cycleThrough(`${name}?`, edges);
  return cycle
    ?.map((step) => step.replace("?", ""))
    .filter((step, index, path) => index === 0 || step !== path[index - 1]);
}

/** Returns `names` and everything that they need. Each name stands after those that it needs, unless the graph has a cycle. */
export function loadOrder(names: readonly string[], dependencies: Dependencies): readonly string[] {
  const order: string[] = [];
  const entered = new Set<string>();
  const open: { readonly name: string; readonly rest: string[] }[] = [];
  const enter = (name: string): void => {
    if (entered.has(name)) return;
    entered.add(name);
    open.push({ name, rest: [...(dependencies.get(name) ?? [])].reverse() });
  };
  for (const name of names) {
    enter(name);
    for (let top = open.at(-1); top !== undefined; top = open.at(-1)) {
      const next = top.rest.pop();
      if (next !== undefined) {
        enter(next);
        continue;
      }
      order.push(top.name);
      open.pop();
    }
  }
  return order;
}

/** Returns all names that need `name`, directly or indirectly, in the order of unloading: each after those that need it. */
export function dependentsOrder(name: string, dependencies: Dependencies): readonly string[] {
  const needed = reversed(dependencies);
  return loadOrder([name], needed).filter((one) => one !== name);
}

/** Returns the names that need `name` directly, sorted. */
export function directDependents(name: string, dependencies: Dependencies): readonly string[] {
  return [...(reversed(dependencies).get(name) ?? [])].sort();
}

function reversed(dependencies: Dependencies): Dependencies {
  const dependents = new Map<string, string[]>();
  for (const [name, needs] of dependencies) {
    for (const need of new Set(needs)) {
      const known = dependents.get(need);
      if (known === undefined) dependents.set(need, [name]);
      else known.push(name);
    }
  }
  return dependents;
}
