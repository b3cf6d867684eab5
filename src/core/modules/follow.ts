import { HeliosError } from "../errors.ts";
import type { Delta } from "../store/collection.ts";
import type { Generations } from "./generations.ts";
import { isRunning } from "./lifecycle.ts";
import type { ModuleRecord } from "./record.ts";
import { notLoaded, type Router } from "./router.ts";
import type { Supervisor } from "./supervise.ts";

/** Lets calls go where the record says, in the moment in which the record changes. */
export function follow(
  { name, resource }: Delta<ModuleRecord>,
  router: Router,
  generations: Generations,
  supervisor: Supervisor,
): void {
  if (resource === undefined) return;
  const { lifecycle, registration } = resource.record;
  const lane = router.lane(name);
  const generation = isRunning(lifecycle) ? generations.find(name, lifecycle.running.generation) : undefined;
  if (lifecycle.state === "ACTIVE" && generation !== undefined) lane.route(generation, registration.concurrency);
  else if (lifecycle.state === "FAILED") {
    const { message } = lifecycle.failure;
    lane.close(() => HeliosError.of("MODULE_CRASHED", { name, error: message }));
  } else lane.close(() => notLoaded(resource));
  // It may have ended while the change that made it the one to run was on its way to the disk.
  if (generation?.ending !== undefined && !generation.ending.expected) supervisor.crashed(name, generation);
}
