package storage

import (
	"time"

	"github.com/farmountain/aureus-go/aureus"
)

// Rows is one transaction as a backend has it: what can be read and written, without
// the rules. [NewTx] puts the rules above it. Each method is a statement or a few,
// on the same isolated state of the database.
//
// Where a method takes a function, this is called while the rows are read: it does
// not use the transaction, and its error ends the reading and is returned as it is.
//
// The ids of keys, approvals and runs are unique in the whole store, not only in a
// tenant. Where a comment does not name the error of a method, callers do not look
// at its kind.
type Rows interface {
	Keys() KeyRows
	Approvals() ApprovalRows
	Audit() AuditRows
	Decisions() DecisionRows
	Validators() ValidatorRows
	Runs() Runs
	Replies() ReplyRows
}

// KeyRows are the API keys of all tenants.
type KeyRows interface {
	// Add, List, HasAdmin and Revoked are as in [Keys].
	Add(k Key) error
	List() ([]Key, error)
	HasAdmin() (bool, error)
	Revoked() (int64, error)
	// Get is the key with that id, or ErrNotFound.
	Get(id string) (Key, error)
	// State is what of Get says whether the key may act: its tenant, and whether it
	// was revoked. ErrNotFound: there is no such key.
	State(id string) (tenant string, revoked bool, err error)
	// SetRevoked sets the time at which the key was revoked.
	SetRevoked(id string, at time.Time) error
}

// ApprovalRow is a row of the approvals. Get and List of [Approvals] give its whole
// approval; otherwise the approval has what is in columns only: ID, Status, the ids
// of Principal and Action, OnBehalfOf, ToolName, RiskTier, ReasonCode, Rule,
// PolicyVersion, RequestedAt, RequestedByKey, RequestedBy, ExpiresAt, DecideBy,
// UseBy, Quorum.Needed, ActionDigest, ConsumedBy and ReleasedBy.
type ApprovalRow struct {
	aureus.Approval

	Seq  int64 // its place in the order in which approvals were asked for; set by the database
	Live bool  // whether asking again may join it, or a rejection still stands

	// The life of the approval, see approval.State. UseUntil is zero until it is
	// approved.
	DecideUntil, UseUntil time.Time
	Committed             bool
}

// Verdict is one person's decision about an approval.
type Verdict struct {
	ApprovalID string
	By         Actor
	At         time.Time
	Verdict    string // approve or reject
	Comment    string
}

// ApprovalRows are the approvals, with a document, the verdicts and those who asked
// for each. A list without an order in its comment may have any.
type ApprovalRows interface {
	// Get is the row with that id, or aureus.ReasonApprovalUnknown.Err().
	Get(tenant, id string) (ApprovalRow, error)
	// Askable gives the live rows of the subject for the digest that are of that
	// version of the rules or rejected: the rejected ones first, then by Seq.
	Askable(tenant string, digest aureus.Digest, subject, policyVersion string) ([]ApprovalRow, error)
	// ReservedBy gives the rows of the subject that are consumed by the decision and
	// not committed.
	ReservedBy(tenant string, decision aureus.DecisionID, subject string) ([]ApprovalRow, error)
	// Due gives at most limit live rows whose end is before the time, those that end
	// first at first. The end of a row is the End of its approval.State.
	Due(tenant string, now time.Time, limit int) ([]ApprovalRow, error)
	// OfKey gives the live rows, pending or approved, whose RequestedByKey is the key,
	// or that the key approved. A key that AddRequester added later does not count,
	// nor does one that rejected.
	OfKey(tenant, keyID string) ([]ApprovalRow, error)
	// CountPending counts the pending rows whose end is not before the time.
	CountPending(tenant string, now time.Time, subject, principal string) (PendingCount, error)
	// IsRejected reports whether there is a live rejected row of the subject for the
	// digest, of any version, whose end is not before the time.
	IsRejected(tenant string, now time.Time, digest aureus.Digest, subject string) (bool, error)
	// IsUsed reports whether a row of the tenant is consumed by the decision.
	IsUsed(tenant string, decision aureus.DecisionID) (bool, error)

	// Add stores a new row with its document. The document is JSON and is given
	// back byte by byte. Its columns are those of the row; the time at which the
	// approval was asked for is now.
	Add(tenant string, now time.Time, row ApprovalRow, document string) error
	// Change stores what of a row changes: Status, Live, the end, DecideUntil,
	// UseUntil, ConsumedBy, Committed and ReleasedBy. It reports false, and changes
	// nothing, where the status or Live of the row are not those of before.
	Change(tenant string, before, after ApprovalRow) (bool, error)
	// AddRequester stores that the actor's key asked for the approval. It reports
	// false where that key is stored for the approval already.
	AddRequester(tenant, id string, by Actor, at time.Time) (bool, error)
	// Requesters gives who asked for the approval, and for every live one of the
	// tenant with the digest.
	Requesters(tenant, id string, digest aureus.Digest) ([]Actor, error)
	// AddVerdict stores a verdict. It reports false where the subject has one on the
	// approval already.
	AddVerdict(tenant string, v Verdict) (bool, error)
	// Verdicts gives the verdicts on the approvals, in the order of time and subject.
	Verdicts(tenant string, ids []string) ([]Verdict, error)

	// Documents calls visit for the rows that the filter selects, in the order of
	// Seq, at most limit of them; Limit and Charge of the filter do not count. Where
	// the filter has Now, a live row that is not rejected and whose end is before it
	// counts as expired.
	Documents(tenant string, f ApprovalFilter, limit int, visit func(row ApprovalRow, document []byte) error) error
	// Document is the row with its document, or aureus.ReasonApprovalUnknown.Err().
	Document(tenant, id string) (ApprovalRow, []byte, error)
	// Prune deletes at most limit rows that are not live and whose end is before the
	// time, in all tenants, with their documents, requesters and verdicts. It gives
	// the number of the rows.
	Prune(ended time.Time, limit int) (int64, error)
}

// AuditRows are the entries, heads and archives of the audit log. Entries can be
// added, and deleted once they are archived; nothing can change one.
type AuditRows interface {
	// Add stores the row and makes it the head of the tenant's chain. at is the
	// time of the entry. It fails where the tenant has an entry of that sequence.
	Add(tenant string, at time.Time, row AuditRow) error
	// Select calls visit for the entries that the filter selects, in the order of
	// the chain, at most the filter's limit.
	Select(tenant string, f AuditFilter, visit func(AuditRow) error) error
	// SelectTail calls visit for the entries behind the sequence after and up to
	// upTo that the tail selects, in order, at most the tail's limit.
	SelectTail(tenant string, f AuditTail, after, upTo int64, visit func(AuditRow) error) error
	// Tells reports whether there is an entry of the kind about both the decision
	// and the approval.
	Tells(tenant, kind string, decision aureus.DecisionID, approvalID string) (bool, error)

	// These are as in [Audit].
	LastBefore(tenant string, before time.Time) (Head, error)
	Rows(tenant string, after int64, limit int, visit func(AuditRow) error) error
	Head(tenant string) (Head, error)
	Differing(tenant string, from, upTo int64) (int64, error)
	Witnessed(tenant string) (int64, error)
	LastArchive(tenant string) (Archive, error)
	ArchiveAt(tenant string, sequence int64) (Archive, error)
	PruneArchived(tenant string, limit int) (int64, error)

	// Hash is the hash of the entry, or ErrNotFound.
	Hash(tenant string, sequence int64) (string, error)
	// AddArchive stores an archive.
	AddArchive(a Archive) error
}

// DecisionRows are the decisions and their outcomes. sequence is that of the audit
// entry that is stored in the same transaction.
type DecisionRows interface {
	// Get is the decision with that id, or ErrNotFound.
	Get(tenant string, id aureus.DecisionID) (Decision, error)
	// Add stores a decision. It fails where one with its id is stored.
	Add(tenant string, now time.Time, d Decision, sequence int64) error

	// Outcome is the status of the decision's outcome, or ErrNotFound.
	Outcome(tenant string, id aureus.DecisionID) (status string, err error)
	// AddOutcome stores the outcome of a decision, which has none yet.
	AddOutcome(tenant string, now time.Time, id aureus.DecisionID, status string, sequence int64) error

	// EarlyOutcome is the status of the outcome that the subject has told of a
	// decision that is not there yet, or ErrNotFound.
	EarlyOutcome(tenant string, id aureus.DecisionID, subject string) (status string, err error)
	// EarlyOutcomes gives all of them, in the order of the subjects.
	EarlyOutcomes(tenant string, id aureus.DecisionID) ([]Outcome, error)
	// AddEarlyOutcome stores one. The subject has none of that decision.
	AddEarlyOutcome(tenant string, now time.Time, o Outcome) error
	// DeleteEarlyOutcomes deletes those of a decision.
	DeleteEarlyOutcomes(tenant string, id aureus.DecisionID) error

	// Prune is as in [Decisions].
	Prune(r Retention, limit int) (int64, error)
}

// ValidatorRows are the registered validators.
type ValidatorRows interface {
	// Put, Scoped, InForce, ListAll and Count are as in [Validators].
	Put(v Validator) (int64, error)
	Scoped(tenant string, scope Scope, owner, id string) (Validator, error)
	InForce(tenant, subject, id string) (Validator, error)
	ListAll() ([]Validator, error)
	Count(tenant, owner string) (all, owned int, err error)
	// EachInForce calls visit for what is in force for the subject, in the order of
	// the ids: those greater than after, at most limit of them.
	EachInForce(tenant, subject, after string, limit int, visit func(Validator) error) error
	// EachOfTenant calls visit for every registration of the tenant, in the order of
	// id, scope and owner: those behind after, at most limit of them.
	EachOfTenant(tenant string, after Validator, limit int, visit func(Validator) error) error
}
