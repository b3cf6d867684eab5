import { resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { denied } from "./denied.ts";

type Sqlite = typeof import("node:sqlite");
type Database = InstanceType<Sqlite["DatabaseSync"]>;
type Authorize = Parameters<Database["setAuthorizer"]>[0];

/** The file of a database. */
interface Place {
  readonly name: string;
  readonly isReadOnly: boolean;
}

/** Settings that tell SQLite where to put files. */
const PLACES: ReadonlySet<string | null> = new Set(["temp_store_directory", "data_store_directory"]);

/** Lets databases open only files that are granted. SQLite itself does not ask Node's permission model. */
export function guardSqlite(sqlite: Sqlite): void {
  const { DatabaseSync, backup, constants } = sqlite;
  const { prototype } = DatabaseSync;
  const { setAuthorizer, open } = prototype;
  const places = new WeakMap<Database, Place>();

  const authorizer =
    (database: Database, own: Authorize | undefined): NonNullable<Authorize> =>
    (action, first, second, ...rest) => {
      // The name is null if SQL computes it. Then it is denied.
      if (action === constants.SQLITE_ATTACH && !mayOpen(first, places.get(database)?.isReadOnly))
        return constants.SQLITE_DENY;
      if (action === constants.SQLITE_PRAGMA && PLACES.has(first?.toLowerCase() ?? null) && second !== null) {
        return constants.SQLITE_DENY;
      }
      return own?.(action, first, second, ...rest) ?? constants.SQLITE_OK;
    };

  prototype.setAuthorizer = function (this: Database, own) {
    setAuthorizer.call(this, authorizer(this, own ?? undefined));
  };
  // The authorizer belongs to the connection, so it is set again after each `open`.
  prototype.open = function (this: Database) {
    const place = places.get(this);
    if (place !== undefined) check(place);
    open.call(this);
    setAuthorizer.call(this, authorizer(this, undefined));
  };
  const guarded = new Proxy(DatabaseSync, {
    construct(target, args, newTarget) {
      const [path, options] = args as ConstructorParameters<Sqlite["DatabaseSync"]>;
      const place = { name: nameOf(path), isReadOnly: options?.readOnly === true };
      check(place);
      const database = Reflect.construct(target, args, newTarget) as Database;
      places.set(database, place);
      if (database.isOpen) setAuthorizer.call(database, authorizer(database, undefined));
      return database;
    },
  });
  prototype.constructor = guarded;
  Object.assign(sqlite, {
    DatabaseSync: guarded,
    backup: async (...args: Parameters<Sqlite["backup"]>) => {
      check({ name: nameOf(args[1]), isReadOnly: false });
      return backup(...args);
    },
  });
}

function nameOf(path: unknown): string {
  if (path instanceof URL) return path.href;
  return path instanceof Uint8Array ? Buffer.from(path).toString() : String(path);
}

function check({ name, isReadOnly }: Place): void {
  if (!mayOpen(name, isReadOnly)) {
    const needed = isReadOnly ? "fs_read" : "fs_read and fs_write";
    throw denied(
      `opening the database ${name} needs ${needed} for it`,
      isReadOnly ? "FileSystemRead" : "FileSystemWrite",
      name,
    );
  }
}

function mayOpen(name: string | null, isReadOnly = false): boolean {
  if (name === null) return false;
  // A database in memory, or a temporary one.
  if (name === "" || name === ":memory:") return true;
  const file = fileOf(name);
  if (file === undefined) return false;
  const { permission } = process;
  return permission.has("fs.read", file) && (isReadOnly || permission.has("fs.write", file));
}

/** Returns the path that SQLite opens for a name or a URI, or undefined if the URI is invalid. */
function fileOf(name: string): string | undefined {
  if (!name.startsWith("file:")) return resolve(name);
  try {
    const [plain = ""] = name.slice("file:".length).split(/[?#]/, 1);
    return plain.startsWith("//") ? fileURLToPath(`file:${plain}`) : resolve(decodeURIComponent(plain));
  } catch {
    return undefined;
  }
}
