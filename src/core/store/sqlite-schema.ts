/** Marks a database as ours: "HELI" in ASCII. */
export const APPLICATION_ID = 0x48454c49;
/** Counts up when an older version could no longer read what this one writes. */
export const FORMAT = 2;

/**
 * `entries` is the present state and `journal` what led to it, in the order of `seq`; the changes of a batch share their
 * revision. What a change replaced is the value of the row before it of the same key. Times are REAL, since a clock may tell fractions of a millisecond.
 */
export const CREATE_SCHEMA = `
  CREATE TABLE meta (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    incarnation TEXT NOT NULL,
    compacted INTEGER NOT NULL
  ) STRICT;
  CREATE TABLE entries (
    key TEXT NOT NULL PRIMARY KEY,
    revision INTEGER NOT NULL,
    create_time REAL NOT NULL,
    update_time REAL NOT NULL,
    value TEXT NOT NULL
  ) STRICT;
  CREATE TABLE journal (
    seq INTEGER PRIMARY KEY,
    revision INTEGER NOT NULL,
    key TEXT NOT NULL,
    time REAL NOT NULL,
    create_time REAL NOT NULL,
    cause TEXT NOT NULL,
    value TEXT
  ) STRICT;
  CREATE INDEX journal_by_revision ON journal (revision);
  CREATE INDEX journal_by_key ON journal (key, revision);
  CREATE TABLE probe (id INTEGER PRIMARY KEY, filler BLOB NOT NULL) STRICT;
  PRAGMA application_id = ${APPLICATION_ID};
  PRAGMA user_version = ${FORMAT};
`;

/** What a database of each format has. */
export const SCHEMA_NAMES: Readonly<Record<number, readonly string[]>> = {
  1: ["meta", "entries", "journal", "journal_by_key"],
  2: ["meta", "entries", "journal", "journal_by_revision", "journal_by_key", "probe"],
};

/** Copies what is in a database of format 1, attached as `old`, into an empty one of today's. */
export const COPY_FORMAT_1 = `
  INSERT INTO meta SELECT * FROM old.meta;
  INSERT INTO entries SELECT * FROM old.entries;
  INSERT INTO journal (seq, revision, key, time, create_time, cause, value)
    SELECT revision, revision, key, time, create_time, cause, value FROM old.journal ORDER BY revision;
`;

export const CREATE_META = "INSERT INTO meta (id, incarnation, compacted) VALUES (1, ?, 0)";
export const READ_META = `
  SELECT incarnation, compacted, max(compacted, (SELECT coalesce(max(revision), 0) FROM journal)) AS revision FROM meta`;
export const WRITE_COMPACTED = "UPDATE meta SET compacted = ?";

/** Tries whether so many bytes can be written. */
export const FILL_PROBE = "INSERT INTO probe (filler) VALUES (zeroblob(?))";
export const EMPTY_PROBE = "DELETE FROM probe";

export const GET_ENTRY = "SELECT * FROM entries WHERE key = ?";
export const LIST_ENTRIES = "SELECT * FROM entries WHERE instr(key, ?) = 1";
export const PUT_ENTRY = `
  INSERT INTO entries (key, revision, create_time, update_time, value) VALUES (?, ?, ?, ?, ?)
  ON CONFLICT (key) DO UPDATE SET
    revision = excluded.revision, update_time = excluded.update_time, value = excluded.value`;
export const DELETE_ENTRY = "DELETE FROM entries WHERE key = ?";

export const ADD_CHANGE = `
  INSERT INTO journal (revision, key, time, create_time, cause, value) VALUES (?, ?, ?, ?, ?, ?)`;

const SELECT_CHANGES = `
  SELECT *, (SELECT value FROM journal AS before WHERE before.key = journal.key AND before.revision < journal.revision
    ORDER BY before.revision DESC LIMIT 1) AS previous
  FROM journal`;
/** The revision of the nth newest row of a key, or nothing. */
const NTH_NEWEST = (key: string, n: string): string =>
  `(SELECT revision FROM journal AS nth WHERE nth.key = ${key} ORDER BY revision DESC LIMIT 1 OFFSET ${n} - 1)`;

/** Above a revision, up to another, below a prefix. */
export const LIST_CHANGES = `${SELECT_CHANGES}
  WHERE revision > ?1 AND revision <= ?2 AND instr(key, ?3) = 1 ORDER BY revision, seq`;
/** Of a key, below a revision, those above the compacted one or among the newest few, at most so many. */
export const LIST_HISTORY = `${SELECT_CHANGES}
  WHERE key = ?1 AND revision < ?2 AND (revision > ?3 OR revision >= coalesce(${NTH_NEWEST("?1", "?4")}, 0))
  ORDER BY revision DESC LIMIT ?5`;

export const CHANGES_AT = "SELECT key, value IS NULL AS deleted FROM journal WHERE revision = ?";
/** Forgets a key's changes below a revision, except the newest few and the one that has the value before those. */
export const PRUNE_KEY = `
  DELETE FROM journal WHERE key = ?1 AND revision < ?2 AND revision < ${NTH_NEWEST("?1", "?3 + 1")}`;
/** Forgets a key's changes up to a delete and the delete itself. */
export const PRUNE_LIFE = "DELETE FROM journal WHERE key = ?1 AND revision <= ?2";
