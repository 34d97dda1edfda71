package storage

import "errors"

// The errors that callers test for with errors.Is.
var (
	// ErrUnavailable says that the database cannot be used now: its disk is full,
	// it is read-only, busy, closed, or its file is gone. Nothing was changed.
	ErrUnavailable = errors.New("the store cannot be used now")
	// ErrLocked says that another process has the database open, and that the
	// backend allows one process at a time.
	ErrLocked = errors.New("another process has the store open")
	// ErrNotFound says that there is no row under that id in the tenant.
	ErrNotFound = errors.New("not found")
	// ErrConflict says that the present state does not allow the change.
	ErrConflict = errors.New("the state does not allow this")
	// ErrDigest says that a person decided about another digest than that of the
	// approval.
	ErrDigest = errors.New("the digest is not that of the approval")
	// ErrRequester says that somebody tried to decide an approval that they, or
	// somebody with a name that may be theirs, asked for.
	ErrRequester = errors.New("who asked for an approval cannot decide it")
	// ErrDecisionUsed says that the decision has used another approval already.
	ErrDecisionUsed = errors.New("the decision has used another approval")
	// ErrDecisionOfOther says that another subject's key made or reported the
	// decision.
	ErrDecisionOfOther = errors.New("the decision is another subject's")
	// ErrTooManyRuns says that a subject or its tenant has as many unfinished runs
	// as it may have.
	ErrTooManyRuns = errors.New("too many workflows have not ended")
	// ErrArchived says that the entry that a verification expects is archived and
	// no longer in the database, so that nothing can be said about it.
	ErrArchived = errors.New("the entry is archived")
)
