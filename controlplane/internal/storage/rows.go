package storage

import (
	"time"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/internal/approval"
)

// Rows is one transaction of a backend. It reads and writes rows without the rules,
// which [NewTx] adds. All its methods use the same isolated state of the database.
//
// If a method takes a function, it calls the function while it reads rows. The
// function must not use the transaction. If it fails, the method stops and returns
// its error unchanged.
//
// The ids of keys, approvals and runs are unique in the whole store, not only in a
// tenant. If a comment does not name the error of a method, callers do not
// distinguish errors.
type Rows interface {
	Keys() KeyRows
	Approvals() ApprovalRows
	Audit() AuditRows
	Decisions() DecisionRows
	Validators() ValidatorRows
	Runs() Runs
	Replies() ReplyRows
	Policies() PolicyRows
	Installation() Installation
	Trees() Trees
	Outbox() OutboxRows
}

// KeyRows reads and writes the rows of the API keys of all tenants.
type KeyRows interface {
	// Add, List, HasAdmin and Revoked are as in [Keys].
	Add(k Key) error
	List() ([]Key, error)
	HasAdmin() (bool, error)
	Revoked() (int64, error)
	// Get returns the key with that id, or ErrNotFound.
	Get(id string) (Key, error)
	// State returns the tenant of the key and whether the key is revoked, or
	// ErrNotFound.
	State(id string) (tenant string, revoked bool, err error)
	// SetRevoked sets the time at which the key was revoked.
	SetRevoked(id string, at time.Time) error
}

// ApprovalRow is a row of an approval. In the results of List of [Approvals], the
// approval is whole. Otherwise it has only the values that are in columns: ID,
// Status, the ids of Principal and Action, OnBehalfOf, ToolName, RiskTier,
// ReasonCode, Rule, PolicyVersion, RequestedAt, RequestedByKey, RequestedBy,
// ExpiresAt, DecideBy, UseBy, Quorum.Needed, Roles, ActionDigest, ConsumedBy and
// ReleasedBy.
type ApprovalRow struct {
	aureus.Approval

	Seq  int64 // increases with each approval that is asked for; set by the database
	Live bool  // whether a new request with the same digest may join the approval

	// The life of the approval, see approval.State. UseUntil is zero until it is
	// approved.
	DecideUntil, UseUntil time.Time
	Committed             bool

	// The terms of the approval, with Quorum.Needed and Roles: see [ApprovalRow.Terms].
	DecideWithin, UseWithin time.Duration

	approvers []approval.Voter // read from the verdicts by approvalRules.addVerdicts; nil before
}

// Terms returns the terms of the approval. UseWithin is zero if an older version stored
// the approval; then the time limit of the server counts.
func (r ApprovalRow) Terms() aureus.ApprovalTerms {
	return aureus.ApprovalTerms{Quorum: r.Quorum.Needed, Roles: r.Roles, DecideWithin: r.DecideWithin, UseWithin: r.UseWithin}
}

// Verdict is one person's decision about an approval.
type Verdict struct {
	ApprovalID string
	By         Actor
	At         time.Time
	Verdict    string // approve or reject
	Comment    string
}

// ApprovalRows reads and writes the rows of approvals, with their documents,
// verdicts and requesters. If the comment of a method does not define the order of a
// list, it may be in any order.
type ApprovalRows interface {
	// Get returns the row with that id, or aureus.ReasonApprovalUnknown.Err().
	Get(tenant, id string) (ApprovalRow, error)
	// Joinable returns the live rows of the subject and the digest that are rejected
	// or have that policy version: the rejected ones first, then by Seq.
	Joinable(tenant string, digest aureus.Digest, subject, policyVersion string) ([]ApprovalRow, error)
	// ReservedBy returns the rows of the subject that the decision has consumed and
	// that are not committed.
	ReservedBy(tenant string, decision aureus.DecisionID, subject string) ([]ApprovalRow, error)
	// Due returns at most limit live rows whose end is before now, in the order of
	// their ends. The end of a row is the End of its approval.State.
	Due(tenant string, now time.Time, limit int) ([]ApprovalRow, error)
	// OfKey returns the live pending and approved rows that the key asked for
	// (RequestedByKey) or approved. It does not return rows that the key only
	// joined (AddRequester) or rejected.
	OfKey(tenant, keyID string) ([]ApprovalRow, error)
	// CountPending counts the pending rows whose end is not before now.
	CountPending(tenant string, now time.Time, subject, principal string) (PendingCount, error)
	// IsRejected reports whether the subject has a live rejected row with the digest,
	// of any policy version, whose end is not before now.
	IsRejected(tenant string, now time.Time, digest aureus.Digest, subject string) (bool, error)
	// IsUsed reports whether the decision has consumed a row of the tenant.
	IsUsed(tenant string, decision aureus.DecisionID) (bool, error)

	// Add stores a new row, and its document, a JSON text that is returned
	// unchanged. now is stored as the time at which the approval was asked for.
	Add(tenant string, now time.Time, row ApprovalRow, document string) error
	// Change stores the values of after that can change: Status, Live, the end,
	// DecideUntil, UseUntil, ConsumedBy, Committed and ReleasedBy. It changes nothing
	// and returns false if Status or Live of the stored row differ from before.
	Change(tenant string, before, after ApprovalRow) (bool, error)
	// AddRequester stores that the actor's key asked for the approval. It returns
	// false if that key is already stored for the approval.
	AddRequester(tenant, id string, by Actor, at time.Time) (bool, error)
	// Requesters returns the requesters of the approval, and those of every live
	// approval of the tenant with the digest.
	Requesters(tenant, id string, digest aureus.Digest) ([]Actor, error)
	// AddVerdict stores a verdict. It returns false if a verdict of the subject on
	// the approval is already stored.
	AddVerdict(tenant string, v Verdict) (bool, error)
	// Verdicts returns the verdicts on the approvals, by time and then by subject.
	Verdicts(tenant string, ids []string) ([]Verdict, error)

	// Documents calls visit, in the order of Seq, for at most limit rows that the
	// filter selects. It ignores the filter's Limit and Charge. If the filter has
	// Now, a live row that is not rejected and whose end is before Now counts as
	// expired.
	Documents(tenant string, f ApprovalFilter, limit int, visit func(row ApprovalRow, document []byte) error) error
	// Search returns the rows that the search selects, in its order, without documents
	// and verdicts.
	Search(tenant string, f ApprovalSearch) ([]ApprovalRow, error)
	// Document returns the row and its document, or
	// aureus.ReasonApprovalUnknown.Err().
	Document(tenant, id string) (ApprovalRow, []byte, error)
	// Prune deletes at most limit rows that are not live and whose end is before
	// the time, in all tenants, with their documents, requesters and verdicts. It
	// returns the number of these rows.
	Prune(ended time.Time, limit int) (int64, error)
}

// AuditRows reads and writes the entries, heads and archives of the audit log. An
// entry can be added, and deleted after it was archived, but never changed.
type AuditRows interface {
	// Add stores the row and makes it the head of the tenant's chain. at is the time
	// of the entry. It fails if the tenant already has an entry with that sequence.
	Add(tenant string, at time.Time, row AuditRow) error
	// Select calls visit, in the order of the chain, for the entries that the filter
	// selects, up to its limit.
	Select(tenant string, f AuditFilter, visit func(AuditRow) error) error
	// SelectTail calls visit, in order, for the entries that f selects, up to its
	// limit, whose sequences are greater than after and at most upTo.
	SelectTail(tenant string, f AuditTail, after, upTo int64, visit func(AuditRow) error) error
	// HasEntry reports whether there is an entry of the kind that names both the
	// decision and the approval.
	HasEntry(tenant, kind string, decision aureus.DecisionID, approvalID string) (bool, error)

	// The following methods are as in [Audit].
	LastBefore(tenant string, before time.Time) (Head, error)
	Rows(tenant string, after int64, limit int, visit func(AuditRow) error) error
	Inputs(tenant string, after, upTo int64, visit func(InputsRow) error) error
	PruneInputs(tenant string, before time.Time, limit int) (int64, error)
	Head(tenant string) (Head, error)
	FirstDifference(tenant string, from, upTo int64) (int64, error)
	MinLength(tenant string) (int64, error)
	LastArchive(tenant string) (Archive, error)
	ArchiveAt(tenant string, sequence int64) (Archive, error)
	PruneArchived(tenant string, limit int) (int64, error)

	// AddInputs stores the inputs of an entry that is added in the same transaction.
	AddInputs(tenant string, at time.Time, row InputsRow) error
	// Hash returns the stored hash of the entry, or ErrNotFound.
	Hash(tenant string, sequence int64) (string, error)
	// AddArchive stores an archive.
	AddArchive(a Archive) error
}

// DecisionRows reads and writes the rows of decisions and outcomes. The parameter
// sequence is that of the audit entry stored in the same transaction.
type DecisionRows interface {
	// Get returns the decision with that id, or ErrNotFound.
	Get(tenant string, id aureus.DecisionID) (Decision, error)
	// Add stores a decision. It fails if the tenant already has one with that id.
	Add(tenant string, now time.Time, d Decision, sequence int64) error

	// Outcome returns the status of the decision's outcome, or ErrNotFound.
	Outcome(tenant string, id aureus.DecisionID) (status string, err error)
	// AddOutcome stores the outcome of a decision that has none yet.
	AddOutcome(tenant string, now time.Time, id aureus.DecisionID, status string, sequence int64) error

	// EarlyOutcome returns the status of the early outcome that the subject reported
	// for the decision, or ErrNotFound.
	EarlyOutcome(tenant string, id aureus.DecisionID, subject string) (status string, err error)
	// EarlyOutcomes returns all early outcomes of the decision, by subject.
	EarlyOutcomes(tenant string, id aureus.DecisionID) ([]Outcome, error)
	// AddEarlyOutcome stores an early outcome. The subject has none yet for the
	// decision.
	AddEarlyOutcome(tenant string, now time.Time, o Outcome) error
	// DeleteEarlyOutcomes deletes all early outcomes of the decision.
	DeleteEarlyOutcomes(tenant string, id aureus.DecisionID) error

	// Prune is as in [Decisions].
	Prune(r Retention, limit int) (int64, error)
}

// ValidatorRows reads and writes the rows of registered validators.
type ValidatorRows interface {
	// Put, Scoped, InForce, ListAll and Count are as in [Validators].
	Put(v Validator) (int64, error)
	Scoped(tenant string, scope Scope, owner, id string) (Validator, error)
	InForce(tenant, subject, id string) (Validator, error)
	ListAll() ([]Validator, error)
	Count(tenant, owner string) (all, owned int, err error)
	// EachInForce calls visit, in the order of the ids, for at most limit validators
	// in force for the subject whose ids are greater than after.
	EachInForce(tenant, subject, after string, limit int, visit func(Validator) error) error
	// EachOfTenant calls visit, in the order of id, scope and owner, for at most limit
	// registrations of the tenant that follow after in that order.
	EachOfTenant(tenant string, after Validator, limit int, visit func(Validator) error) error
}

// OutboxRows reads and writes the rows of messages for webhooks.
type OutboxRows interface {
	// Get, Due, List, PruneDead, Webhooks and Counts are as in [Outbox], but check nothing.
	Get(id string) (Message, error)
	Due(webhook string, now time.Time, limit int) ([]Message, error)
	List(webhook string, limit int) ([]Message, error)
	PruneDead(before time.Time, limit int) (int64, error)
	Webhooks() ([]string, error)
	Counts() ([]OutboxCounts, error)
	// Insert stores a message, unless one with its id is stored.
	Insert(m Message) error
	// Change stores the due time, the time to give up, the attempts, the error, the code
	// and whether it is dead, and returns 0 if there is no such message.
	Change(m Message) (int64, error)
	// Delete deletes the message with that id, and returns 0 if there is none.
	Delete(id string) (int64, error)
	// Waiting returns the latest message that is not dead, or ErrNotFound.
	Waiting(webhook, tenant, kind string) (Message, error)
	// Dead returns at most limit dead messages of the webhook, or of all if it is empty,
	// the oldest first.
	Dead(webhook string, limit int) ([]Message, error)
	// Count returns how many messages of the webhook are stored.
	Count(webhook string) (int64, error)
	// DropOne deletes the oldest dead message of the webhook or, without any, its oldest
	// message.
	DropOne(webhook string) error
	// AddCounts adds to the counts of delivered, dropped and given up messages.
	AddCounts(c OutboxCounts) error
}
