import { Serial } from "../../async/serial.ts";
import { type By, causeOf } from "../../change.ts";
import { HeliosError, messageOf } from "../../errors/error.ts";
import type { ResolvedModule } from "../host/types/host.ts";
import { callCycle, directDependents } from "../record/dependencies.ts";
import { isDown } from "../record/lifecycle.ts";
import type { Module, ModuleRecord, Registration, RegistrationFields } from "../record/record.ts";
import { checkedRegistration, differences, withDefaults } from "../record/registration.ts";
import { checkEtag, conflict, dependenciesOf, getModule, type OperationContext, verified } from "./context.ts";
import { deleteBreaker, followBreaker } from "./module-breaker.ts";

export interface RegisterOptions {
  /** Whether to replace a registration that has other content. Allowed while the module is UNLOADED or FAILED. */
  readonly replace?: boolean | undefined;
}

export interface Registrar {
  /** Resolves the path and compares the digest. Registering the same content again changes nothing. */
  register(name: string, fields: RegistrationFields, options: RegisterOptions, by: By | undefined): Promise<Module>;
  /** Resolves to the deleted module. */
  delete(name: string, by: By | undefined): Promise<Module>;
}

/** `forget` deletes other data of a module. It is called before the module is deleted, and again afterwards. */
export function createRegistrar(context: OperationContext, forget: (name: string) => Promise<void>): Registrar {
  // Registrations run one at a time. If two together make a cycle, the second one must see the first.
  const turns = new Serial();

  const write = async (
    name: string,
    registration: Registration,
    code: ResolvedModule,
    { replace = false }: RegisterOptions,
    by: By | undefined,
  ): Promise<Module> => {
    checkCycle(name, registration, registrationsOf(context));
    const before = context.collection.get(name);
    if (replace && before !== undefined && changes(before, registration).length > 0)
      await context.hotReload.check([name]);
    const written = await context.collection.change(
      name,
      causeOf("RegisterModule", by),
      (current) => {
        if (current === undefined) return newRecord(registration, code);
        const different = changes(current, registration);
        if (different.length === 0) return undefined;
        const { state } = current.record.lifecycle;
        if (!replace || !isDown(current.record.lifecycle)) {
          throw HeliosError.of("MODULE_ALREADY_EXISTS", { name, differences: different.join(", "), state });
        }
        const { generation, starts, generations, configVersion } = current.record;
        const version = different.includes("config") ? configVersion + 1 : configVersion;
        return { ...newRecord(registration, code), generation, starts, generations, configVersion: version };
      },
      by?.etag,
    );
    if (before !== undefined) await followBreaker(context, name, before.record.registration, registration);
    return written ?? getModule(context, name);
  };

  return {
    async register(name, fields, options, by) {
      const registration = checkedRegistration(name, fields);
      const code = await verified(context, registration);
      const release = context.host.hold(code);
      const work = () => write(name, registration, code, options, by);
      // The registration must not be replaced while another operation on the module uses it.
      return turns
        .run(() => (options.replace ? context.operations.alone(name, "RegisterModule", work) : work()))
        .finally(release);
    },

    async delete(name, by) {
      getModule(context, name);
      return turns.run(() =>
        context.operations.alone(name, "DeleteModule", async () => {
          const dependents = directDependents(name, dependenciesOf(context));
          if (dependents.length > 0) {
            throw HeliosError.of("MODULE_HAS_DEPENDENTS", { name, dependents: dependents.join(", ") });
          }
          const check = (module: Module): void => {
            if (!isDown(module.record.lifecycle)) throw conflict(module, "DeleteModule", "UNLOADED or FAILED");
          };
          await checkEtag(context, name, by?.etag);
          check(getModule(context, name));
          // This comes first, so that a module that is registered later under this name does not find the old data.
          await forget(name);
          const removed = await context.collection.delete(name, causeOf("DeleteModule", by), check, by?.etag);
          await context.generations.forget(name);
          await deleteBreaker(context, name);
          await forget(name).catch((error: unknown) =>
            context.log("modules", "warn", `data of module ${name} was not deleted`, {
              error: messageOf(error),
            }),
          );
          return removed ?? getModule(context, name);
        }),
      );
    },
  };
}

/** The fields that would change. A setting that is missing in a stored registration has its default. */
function changes({ record }: Module, registration: Registration): readonly string[] {
  return differences(withDefaults(record.registration), registration);
}

export function newRecord(registration: Registration, code: ResolvedModule): ModuleRecord {
  return {
    registration,
    code,
    configVersion: 1,
    desired: "UNLOADED",
    lifecycle: { state: "UNLOADED" },
    generation: 0,
    starts: 0,
    generations: [],
    restarts: 0,
  };
}

/** Throws MODULE_DEPENDENCY_CYCLE if calls could go in a circle through the module. */
export function checkCycle(name: string, registration: Registration, others: ReadonlyMap<string, Registration>): void {
  const cycle = callCycle(name, new Map([...others, [name, registration]]));
  if (cycle === undefined) return;
  throw HeliosError.of("MODULE_DEPENDENCY_CYCLE", { name, cycle: cycle.join(" -> ") });
}

function registrationsOf({ collection }: OperationContext): ReadonlyMap<string, Registration> {
  return new Map(collection.list().map(({ name, record }) => [name, record.registration]));
}
