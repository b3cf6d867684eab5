import { table } from "../errors/row.ts";

/** The errors of flags and of the flags file. */
export const FLAG_ERRORS = table({
  FLAG_NOT_FOUND: {
    code: "NOT_FOUND",
    message: "flag {name} does not exist",
    extra: ["index", "as_of_revision"],
    retryable: false,
    help: "Check the name with ListFlags. To create the flag with the same call, set allow_missing.",
  },
  FLAG_ALREADY_EXISTS: {
    code: "ALREADY_EXISTS",
    message: "flag {name} exists already",
    retryable: false,
    help: "Use UpdateFlag to change it.",
  },
  FLAG_DELETED: {
    code: "FAILED_PRECONDITION",
    message: "flag {name} was deleted, and its name is reserved",
    extra: ["index"],
    retryable: false,
    help: "Set revive to create it again. Forgotten code may still use this name.",
  },
  FLAG_KILLED: {
    code: "FAILED_PRECONDITION",
    message: "flag {name} was killed; {attempted} cannot enable it",
    extra: ["index"],
    retryable: false,
    help: "ListFlagHistory says who killed it and why. Only EnableFlag with a reason enables it again.",
  },
  FLAG_CONDITION_INVALID: {
    code: "INVALID_ARGUMENT",
    message: "condition of flag {name}, {position}: {problem}; expected {expected}",
    extra: ["index"],
    retryable: false,
    help: "Correct the expression at that place. It is CEL over context, which has session_id, user_id, symbol, system and attributes.",
  },
  FLAG_PREREQUISITE_MISSING: {
    code: "FAILED_PRECONDITION",
    message: "flag {name} would need {prerequisite}, which does not exist",
    extra: ["index", "nearest"],
    retryable: false,
    help: "Check the name, or create that flag first.",
  },
  FLAG_PREREQUISITE_CYCLE: {
    code: "FAILED_PRECONDITION",
    message: "prerequisites of flag {name} would close the cycle {cycle}",
    extra: ["index"],
    retryable: false,
    help: "Remove one of these prerequisites.",
  },
  FLAG_PREREQUISITES_TOO_MANY: {
    code: "FAILED_PRECONDITION",
    message: "prerequisites of flag {name}: {problem}",
    extra: ["index"],
    retryable: false,
    help: "Name fewer prerequisites, or remove some from the flags that it needs.",
  },
  FLAG_HAS_DEPENDENTS: {
    code: "FAILED_PRECONDITION",
    message: "flag {name} is a prerequisite of {dependents}",
    retryable: false,
    help: "First remove it from their prerequisites with UpdateFlag.",
  },
  FLAG_NOT_SCHEDULED: {
    code: "FAILED_PRECONDITION",
    message: "flag {name} has no schedule to {operation}: {problem}",
    retryable: false,
    help: "Only a flag of STRATEGY_GRADUAL with times has a schedule, until its end_time. See SetGradual.",
  },
  FLAG_REBUCKETS: {
    code: "FAILED_PRECONDITION",
    message:
      "flag {name} is enabled, and changing its {fields} would give {moved_percentage} % of its keys another answer",
    extra: ["others", "index"],
    retryable: false,
    help: "Set rebucket if these keys may move. A flag that is not enabled can be changed without it.",
  },
  FLAG_REVISION_UNAVAILABLE: {
    code: "OUT_OF_RANGE",
    message: "revision {revision} is not available: {problem}",
    extra: ["name", "head_revision"],
    retryable: false,
    help: "ListFlagHistory lists the revisions of a flag that are kept.",
  },
  FLAG_ABSENT_AT_REVISION: {
    code: "FAILED_PRECONDITION",
    message: "flag {name} did not exist at revision {revision}: {problem}",
    retryable: false,
    help: "ListFlagHistory lists the revisions to revert to. DeleteFlag deletes the flag again.",
  },
  FLAGS_FILE_INVALID: {
    code: "INVALID_ARGUMENT",
    message: "{file}, line {line}, {key}: {problem}; expected {expected}{more}",
    extra: ["more", "mistakes"],
    retryable: false,
    help: "Correct the file at that line, and at the lines in `more`. `mistakes` is the number of all mistakes. Nothing was changed.",
  },
});
