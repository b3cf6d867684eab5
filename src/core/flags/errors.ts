import { table } from "../errors/row.ts";

/** What a caller can get for a flag, or for the flags file. */
export const FLAG_ERRORS = table({
  FLAG_NOT_FOUND: {
    code: "NOT_FOUND",
    message: "flag {name} does not exist",
    extra: ["index", "as_of_revision"],
    retryable: false,
    help: "Check the name with ListFlags; to create a flag by switching it, set allow_missing.",
  },
  FLAG_ALREADY_EXISTS: {
    code: "ALREADY_EXISTS",
    message: "flag {name} exists already",
    retryable: false,
    help: "Use UpdateFlag to change it.",
  },
  FLAG_DELETED: {
    code: "FAILED_PRECONDITION",
    message: "flag {name} was deleted and its name is kept back",
    extra: ["index"],
    retryable: false,
    help: "Set revive to create it again: code that was forgotten may still ask for it.",
  },
  FLAG_KILLED: {
    code: "FAILED_PRECONDITION",
    message: "flag {name} was killed; {attempted} does not bring it back",
    extra: ["index"],
    retryable: false,
    help: "Find out with ListFlagHistory who killed it and why. Only EnableFlag with a reason brings it back.",
  },
  FLAG_CONDITION_INVALID: {
    code: "INVALID_ARGUMENT",
    message: "condition of flag {name}, {position}: {problem}; expected {expected}",
    extra: ["index"],
    retryable: false,
    help: "Correct the expression at that place: CEL over context, with session_id, user_id, symbol, system and attributes.",
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
    help: "Take one of the prerequisites named off.",
  },
  FLAG_PREREQUISITES_TOO_MANY: {
    code: "FAILED_PRECONDITION",
    message: "prerequisites of flag {name}: {problem}",
    extra: ["index"],
    retryable: false,
    help: "Name fewer prerequisites, or take some off the flags that it needs.",
  },
  FLAG_HAS_DEPENDENTS: {
    code: "FAILED_PRECONDITION",
    message: "flag {name} is a prerequisite of {dependents}",
    retryable: false,
    help: "Take it off their prerequisites first, with UpdateFlag.",
  },
  FLAG_NOT_SCHEDULED: {
    code: "FAILED_PRECONDITION",
    message: "flag {name} has no schedule to {operation}: {problem}",
    retryable: false,
    help: "Only a flag of STRATEGY_GRADUAL with times has one, until its end_time; see SetGradual.",
  },
  FLAG_REBUCKETS: {
    code: "FAILED_PRECONDITION",
    message: "flag {name} is enabled, and another {fields} would give {moved_percentage} % of its keys another answer",
    extra: ["others", "index"],
    retryable: false,
    help: "Set rebucket if they are meant to move; a flag that is not enabled can be changed without.",
  },
  FLAG_REVISION_UNAVAILABLE: {
    code: "OUT_OF_RANGE",
    message: "revision {revision} cannot be looked at: {problem}",
    extra: ["name", "head_revision"],
    retryable: false,
    help: "ListFlagHistory names the revisions of a flag that are kept.",
  },
  FLAG_ABSENT_AT_REVISION: {
    code: "FAILED_PRECONDITION",
    message: "flag {name} was not there at revision {revision}: {problem}",
    retryable: false,
    help: "ListFlagHistory names the revisions to go back to; DeleteFlag deletes it again.",
  },
  FLAGS_FILE_INVALID: {
    code: "INVALID_ARGUMENT",
    message: "{file}, line {line}, {key}: {problem}; expected {expected}{more}",
    extra: ["more", "mistakes"],
    retryable: false,
    help: "Correct the file at that place, and at those in `more`, one a line; `mistakes` is how many there are. Nothing was changed.",
  },
});
