import { CHANGE_OVERHEAD } from "../retention.ts";

/** Marks a database as one of Helios: "HELI" in ASCII. */
export const APPLICATION_ID = 0x48454c49;
/** Raised when an older version can no longer read what this one writes. */
export const FORMAT = 2;

/** The answers that may be deleted early. */
const INDEX_REQUESTS = "CREATE INDEX answers_of_requests ON answers (expires) WHERE note IS NULL";

/** Adds the notes of answers to a database of format 2. Versions that do not know notes can still use it. */
export const ADD_NOTES = `ALTER TABLE answers ADD COLUMN note TEXT; ${INDEX_REQUESTS}`;
export const HAS_NOTES = "SELECT 1 FROM pragma_table_info('answers') WHERE name = 'note'";

/**
 * `daily` has the records of days, and `daily_size` the sum of their sizes. They are added to a database of format 2 that does
 * not have them. Versions that do not know them can still use it.
 */
export const ADD_DAILY = `
  CREATE TABLE IF NOT EXISTS daily (
    day INTEGER NOT NULL,
    key TEXT NOT NULL,
    size INTEGER NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (day, key)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS daily_size (id INTEGER PRIMARY KEY CHECK (id = 1), bytes INTEGER NOT NULL) STRICT;
  INSERT OR IGNORE INTO daily_size (id, bytes) VALUES (1, 0);
`;

/**
 * `entries` is the current state. `journal` has the changes that led to it, in the order of `seq`; the changes of a batch
 * have the same revision. The value that a change replaced is in the previous row of the same key. The rows up to the
 * compacted revision are the histories of keys; `histories` has their size in bytes. `total` is the size of all changes
 * ever made up to that row, so the size of any range is a difference of two totals. `replaces` says whether there was a
 * value before. `answers` is not part of the state; answers to calls with a key have a `note`. Times are REAL, because a
 * clock may return fractions of a millisecond.
 */
export const CREATE_SCHEMA = `
  CREATE TABLE meta (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    incarnation TEXT NOT NULL,
    compacted INTEGER NOT NULL,
    compacted_seq INTEGER NOT NULL,
    compacted_total INTEGER NOT NULL,
    least_revision INTEGER NOT NULL
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
    size INTEGER NOT NULL,
    total INTEGER NOT NULL,
    replaces INTEGER NOT NULL,
    cause TEXT NOT NULL,
    value TEXT
  ) STRICT;
  CREATE INDEX journal_by_revision ON journal (revision);
  CREATE INDEX journal_by_key ON journal (key, revision, size);
  CREATE TABLE histories (prefix TEXT NOT NULL PRIMARY KEY, bytes INTEGER NOT NULL) STRICT;
  CREATE TABLE answers (
    id TEXT NOT NULL PRIMARY KEY,
    expires REAL NOT NULL,
    digest TEXT NOT NULL,
    size INTEGER NOT NULL,
    answer BLOB,
    note TEXT
  ) STRICT;
  CREATE INDEX answers_by_time ON answers (expires);
  CREATE INDEX answers_held ON answers (expires, size) WHERE answer IS NOT NULL;
  ${INDEX_REQUESTS};
  ${ADD_DAILY}
  CREATE TABLE probe (id INTEGER PRIMARY KEY, filler BLOB NOT NULL) STRICT;
  PRAGMA application_id = ${APPLICATION_ID};
  PRAGMA user_version = ${FORMAT};
`;

/** The tables and indexes of each format. */
export const SCHEMA_NAMES: Readonly<Record<number, readonly string[]>> = {
  1: ["meta", "entries", "journal", "journal_by_key"],
  2: [
    "meta",
    "entries",
    "journal",
    "journal_by_revision",
    "journal_by_key",
    "histories",
    "answers",
    "answers_by_time",
    "answers_held",
    "probe",
  ],
};

/**
 * Copies a database of format 1, attached as `old`, into an empty one of the current format. Answers are not copied,
 * because they are no longer part of the state.
 */
export const COPY_FORMAT_1 = `
  INSERT INTO entries SELECT * FROM old.entries WHERE key NOT LIKE 'request/%';
  INSERT INTO journal (seq, revision, key, time, create_time, size, total, replaces, cause, value)
    SELECT revision, revision, key, time, create_time, size, sum(size) OVER (ORDER BY revision),
      value IS NULL OR create_time <> time OR coalesce((SELECT before.value IS NOT NULL FROM old.journal AS before
        WHERE before.key = own.key AND before.revision < own.revision ORDER BY before.revision DESC LIMIT 1), 0),
      cause, value
    FROM (SELECT *, length(key) + length(cause) + coalesce(length(value), 0) + ${CHANGE_OVERHEAD} AS size
      FROM old.journal WHERE key NOT LIKE 'request/%') AS own
    ORDER BY revision;
  INSERT INTO meta (id, incarnation, compacted, compacted_seq, compacted_total, least_revision)
    SELECT 1, incarnation, compacted,
      coalesce((SELECT max(seq) FROM journal WHERE revision <= compacted), 0),
      coalesce((SELECT max(total) FROM journal WHERE revision <= compacted), 0),
      max(compacted, (SELECT coalesce(max(revision), 0) FROM old.journal))
    FROM old.meta;
`;
/** The answers of format 1 that were given after a time. */
export const OLD_ANSWERS = `
  SELECT substr(key, 9) AS id, update_time AS time, value FROM old.entries
  WHERE key LIKE 'request/%' AND update_time > ? ORDER BY update_time`;

export const CREATE_META = `
  INSERT INTO meta (id, incarnation, compacted, compacted_seq, compacted_total, least_revision)
  VALUES (1, ?, 0, 0, 0, 0)`;
/** `least_revision` is a revision that the store has reached, even if none of its changes is left. */
export const READ_META = `
  SELECT incarnation, compacted, compacted_seq, compacted_total,
    max(compacted, least_revision, (SELECT coalesce(max(revision), 0) FROM journal)) AS revision,
    (SELECT max(seq) FROM journal) AS seq,
    (SELECT total FROM journal ORDER BY seq DESC LIMIT 1) AS total
  FROM meta`;
export const WRITE_COMPACTED = "UPDATE meta SET compacted = ?, compacted_seq = ?, compacted_total = ?";
export const WRITE_INCARNATION = "UPDATE meta SET incarnation = ?";
export const READ_KEPT = "SELECT prefix, bytes FROM histories";
export const WRITE_KEPT = `
  INSERT INTO histories (prefix, bytes) VALUES (?, ?) ON CONFLICT (prefix) DO UPDATE SET bytes = excluded.bytes`;

/** Writes a number of bytes, to test whether the disk has space. */
export const FILL_PROBE = "INSERT INTO probe (filler) VALUES (zeroblob(?))";
export const EMPTY_PROBE = "DELETE FROM probe";

export const GET_ENTRY = "SELECT * FROM entries WHERE key = ?";
export const REVISION_OF = "SELECT revision FROM entries WHERE key = ?";
export const LIST_ENTRIES = "SELECT * FROM entries WHERE instr(key, ?) = 1";
export const SCAN_ENTRIES = "SELECT key, revision, create_time, update_time, value FROM entries";
export const PUT_ENTRY = `
  INSERT INTO entries (key, revision, create_time, update_time, value) VALUES (?, ?, ?, ?, ?)
  ON CONFLICT (key) DO UPDATE SET
    revision = excluded.revision, update_time = excluded.update_time, value = excluded.value`;
export const DELETE_ENTRY = "DELETE FROM entries WHERE key = ?";

export const ADD_CHANGE = `
  INSERT INTO journal (seq, revision, key, time, create_time, size, total, replaces, cause, value)
  VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`;

const SELECT_CHANGES = `
  SELECT *, (SELECT value FROM journal AS before WHERE before.key = journal.key AND before.revision < journal.revision
    ORDER BY before.revision DESC LIMIT 1) AS previous
  FROM journal`;
/** The revision of the nth newest row of a key, if there are so many. */
const NTH_NEWEST = (key: string, n: string): string =>
  `(SELECT revision FROM journal AS nth WHERE nth.key = ${key} ORDER BY revision DESC LIMIT 1 OFFSET ${n} - 1)`;

/** Changes above a revision, up to another, below a prefix. */
export const LIST_CHANGES = `${SELECT_CHANGES}
  WHERE revision > ?1 AND revision <= ?2 AND instr(key, ?3) = 1 ORDER BY revision, seq`;
/** A page of the changes of a key below a revision: those above the compacted revision, or among the newest few. */
export const LIST_HISTORY = `${SELECT_CHANGES}
  WHERE key = ?1 AND revision < ?2 AND (revision > ?3 OR revision >= coalesce(${NTH_NEWEST("?1", "?4")}, 0))
  ORDER BY revision DESC LIMIT ?5`;

export const OLDEST_OF_KEY = `${SELECT_CHANGES} WHERE key = ?1 ORDER BY revision LIMIT 1`;

const SELECT_ROWS = "SELECT seq, revision, key, time, size, total, value IS NULL AS deleted FROM journal";
/** A page of rows after a `seq` and before a revision. */
export const OLDEST = `${SELECT_ROWS} WHERE seq > ?1 AND revision < ?2 ORDER BY seq LIMIT ?3`;
/** Rows of a revision after a `seq`. */
export const REST_OF_REVISION = `${SELECT_ROWS} WHERE revision = ?1 AND seq > ?2 ORDER BY seq`;
/** Rows after a `seq`, up to a revision. */
export const UP_TO_REVISION = `${SELECT_ROWS} WHERE seq > ?1 AND revision <= ?2 ORDER BY seq`;
/** A page of rows after a `seq`, up to another one. */
export const KEPT = `${SELECT_ROWS} WHERE seq > ?1 AND seq <= ?2 ORDER BY seq LIMIT ?3`;
/** The first change of a key after a revision. */
export const NEXT_OF_KEY = `
  SELECT seq, time FROM journal WHERE key = ?1 AND revision > ?2 ORDER BY revision LIMIT 1`;
/** The newest revision of a key, up to a given one, that is more than a number of bytes back. */
export const PAST_BYTES = `
  SELECT revision FROM
    (SELECT revision, sum(size) OVER (ORDER BY revision DESC) - size AS later FROM journal WHERE key = ?1 AND revision <= ?2)
  WHERE later > ?3 ORDER BY revision DESC LIMIT 1`;

/** Deletes a key's changes below a revision, except the newest few and the one that holds the value before them. */
export const PRUNE_KEY = `
  DELETE FROM journal WHERE key = ?1 AND revision < ?2 AND revision < ${NTH_NEWEST("?1", "?3 + 1")} RETURNING size`;
/** Deletes a key's changes below a revision. */
export const PRUNE_BEFORE = "DELETE FROM journal WHERE key = ?1 AND revision < ?2 RETURNING size";
/** Deletes a key's changes up to and including a deletion of the key. */
export const PRUNE_LIFE = "DELETE FROM journal WHERE key = ?1 AND revision <= ?2 RETURNING size";
export const DROP_CHANGE = "DELETE FROM journal WHERE seq = ?";

/** Works with a database of any format. */
export const READ_IDENTITY = `
  SELECT incarnation, max(compacted, (SELECT coalesce(max(revision), 0) FROM journal)) AS revision FROM meta`;
