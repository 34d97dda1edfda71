package storage

import "errors"

// The errors that callers test for with errors.Is.
var (
	// ErrUnavailable means that the database cannot be used now: its disk is full,
	// it is read-only, busy or closed, or its file is missing. Nothing has changed.
	ErrUnavailable = errors.New("the store cannot be used now")
	// ErrLocked means that another process has the database open, and that the
	// backend allows one process at a time.
	ErrLocked = errors.New("another process has the store open")
	// ErrNotFound means that the tenant has no row with that id.
	ErrNotFound = errors.New("not found")
	// ErrConflict means that the present state does not allow the change.
	ErrConflict = errors.New("the state does not allow this")
	// ErrDigest means that the digest that a person decided about is not the digest
	// of the approval.
	ErrDigest = errors.New("the digest is not that of the approval")
	// ErrRequester means that the person who tried to decide an approval is one of
	// its requesters, or has a name that may be that of a requester.
	ErrRequester = errors.New("a requester of an approval may not decide it")
	// ErrRole means that the role of the person's key is not one that may decide the
	// approval.
	ErrRole = errors.New("the role of this key may not decide the approval")
	// ErrDecisionUsed means that the decision has used another approval already.
	ErrDecisionUsed = errors.New("the decision has used another approval")
	// ErrDecisionOfOther means that another subject's key made or reported the
	// decision.
	ErrDecisionOfOther = errors.New("the decision belongs to another subject")
	// ErrTooManyRuns means that the limit of unfinished runs is reached, for a subject
	// or for its tenant.
	ErrTooManyRuns = errors.New("too many workflows have not ended")
	// ErrTooManyStops means that the tenant has as many stops as it may have.
	ErrTooManyStops = errors.New("too many stops hold")
	// ErrArchived means that an entry that a verification expects is archived, so that
	// its hash cannot be compared.
	ErrArchived = errors.New("the entry is archived")
)
