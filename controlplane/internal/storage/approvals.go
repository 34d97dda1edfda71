package storage

import (
	"fmt"
	"time"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/internal/approval"
	"github.com/farmountain/aureus-go/internal/namefold"
	"github.com/farmountain/aureus-go/internal/strictjson"
	"github.com/farmountain/aureus-go/internal/vocab"
)

// The bounds of pending approvals. A subject counts its own only, so that none
// can fill another's; the tenant's bound leaves every subject room for
// [MaxPending].
const (
	MaxPending        = 20        // of one subject for one principal
	MaxPendingSubject = 500       // of one subject
	MaxPendingBytes   = 128 << 20 // bytes of the documents of one subject's
	MaxPendingTenant  = 2000      // in a tenant, beyond which a subject has at most MaxPending
)

// How many approvals that are past their time one transaction ends.
const (
	MaxSweep       = 100 // in a transaction of [Approvals.Expire]
	SweepWhenAsked = 10  // in one that asks for another approval: more than it adds
)

// Actor is whose key does something, for the audit log and for the rule that
// nobody decides about their own request.
type Actor struct{ KeyID, Subject string }

// Is reports whether a name may be one of the actor's two. It compares as
// SameSubject does, and an empty name is nobody's.
func (a Actor) Is(name string) bool {
	return name != "" && (SameSubject(name, a.KeyID) || SameSubject(name, a.Subject))
}

// SameSubject reports whether two names may stand for one person, however they are
// spelled: Olga is olga. It is for rules that refuse. Rules that grant something
// compare names byte by byte.
func SameSubject(a, b string) bool { return namefold.Same(a, b) }

// NewApproval is an approval that may be asked for, written out before the
// transaction that stores it.
type NewApproval struct {
	Approval aureus.Approval
	Document string // JSON
	Decision aureus.DecisionID
}

// Size is about how many bytes asking for it writes.
func (n *NewApproval) Size() int { return len(n.Document) }

// PrepareApproval writes out the approval that the actor asks for because of a
// decision. The approval is as an approver may see it: secrets are redacted
// before.
func PrepareApproval(now time.Time, by Actor, a aureus.Approval, decision aureus.DecisionID) (NewApproval, error) {
	a.Status, a.Decisions, a.Quorum = aureus.ApprovalPending, []aureus.ApprovalDecision{}, aureus.Quorum{Needed: 1}
	a.RequestedByKey, a.RequestedBy = by.KeyID, by.Subject
	a.RequestedAt = aureus.TimestampOf(now)
	a.ExpiresAt = a.RequestedAt // the columns have the times that count
	document, err := strictjson.Marshal(a)
	if err != nil {
		return NewApproval{}, fmt.Errorf("writing an approval: %w", err)
	}
	return NewApproval{Approval: a, Document: string(document), Decision: decision}, nil
}

// ApprovalFilter selects approvals; what is zero selects all.
type ApprovalFilter struct {
	Status  aureus.ApprovalStatus
	Subject *string // only those that belong to this one
	After   int64   // later than the row with this number
	Limit   int

	// Now is set where approvals past their time could not be stored as expired:
	// they are selected and shown as expired all the same.
	Now time.Time

	// Charge is called with each document before it is decoded; nil charges
	// nobody. Where it refuses the first one of a page, its error is that of the
	// page; beyond that the page ends.
	Charge func(document []byte) error
}

// Approvals are the approvals.
//
// Methods that return an approval in a transaction that writes give what is in
// the columns of its row: of the principal and the action only the ids, no
// free-form data. Get and List give the whole approval.
type Approvals interface {
	// Ask opens the approval that was prepared, or joins the live one that the
	// actor's subject has for the same digest: a rejected one first, and otherwise
	// the one of the same version of the rules. It leaves those of other subjects
	// and of other versions as they are.
	//
	// It fails with aureus.ReasonTooManyPending.Err() beyond the bounds of pending approvals.
	Ask(tenant string, now time.Time, by Actor, n NewApproval, life approval.Life) (_ aureus.Approval, joined bool, err error)
	// Decide stores one person's verdict. The digest must be that of the approval:
	// it says that the person saw what is asked. The errors are
	// aureus.ReasonApprovalUnknown.Err(), ErrRequester, ErrDigest and ErrConflict.
	Decide(tenant string, now time.Time, by Actor, id string, approve bool, digest aureus.Digest, comment string, life approval.Life) (aureus.Approval, error)
	// Consume reserves an approval for one decision: until the outcome of that
	// decision is known it is spent, see Settle. The error is that
	// of an aureus.ReasonApproval… code, which says why it cannot be used, or
	// ErrDecisionUsed or ErrDecisionOfOther. For every subject but the one that asked for it there is
	// no such approval.
	Consume(tenant string, now time.Time, by Actor, id string, use aureus.ApprovalUse) error
	// Settle is for the outcome of a decision, reported by the actor or known to
	// the server itself. It gives the approval that the decision reserved back to
	// the actor's subject if nothing was done, and commits it otherwise; see
	// approval.State.Settle. It does nothing where the subject has no approval that
	// is reserved for the decision.
	Settle(tenant string, now time.Time, by Actor, decision aureus.DecisionID, notDone bool) error
	// Withdraw ends an approval that nobody needs any longer, unless it has ended
	// or was rejected.
	Withdraw(tenant string, now time.Time, id, reason string) error
	// Expire ends at most [MaxSweep] approvals that are past their time: pending
	// and approved ones are expired, and audited as such; a rejected one stays
	// rejected and no longer stands in the way of asking again. It is for what is
	// only read; whatever depends on an approval looks at its time itself.
	Expire(tenant string, now time.Time) error
	// HasExpired reports whether Expire has something to do.
	HasExpired(tenant string, now time.Time) (bool, error)

	// Get is the whole approval with that id, as it is at that time, or
	// aureus.ReasonApprovalUnknown.Err(). charge is as in [ApprovalFilter].
	Get(tenant string, now time.Time, id string, charge func(document []byte) error) (aureus.Approval, error)
	// Summary is the approval with that id, as it is at that time, without what is
	// only in its document, or aureus.ReasonApprovalUnknown.Err().
	Summary(tenant string, now time.Time, id string) (aureus.Approval, error)
	// List gives whole approvals, the oldest first, at most the filter's limit and
	// [MaxPageBytes], but one at least. more says that there are others behind them.
	List(tenant string, f ApprovalFilter) (rows []ApprovalRow, more bool, err error)
	// KeysLive reports whether the key that asked for the approval and those that
	// approved it may still act.
	KeysLive(tenant, id string) (bool, error)
	// Reserved reports whether the approval is reserved for the decision and could
	// still be used: its outcome is not known, its time is not over, and the keys
	// behind it are live.
	Reserved(tenant string, now time.Time, id string, decision aureus.DecisionID) (bool, error)
	// SpentBy reports whether the approval was used by that decision, also where it
	// has been given back since.
	SpentBy(tenant, id string, decision aureus.DecisionID) (bool, error)

	// Prune deletes at most limit approvals of any tenant that ended before the time,
	// and gives their number: 0 means that there are no more. A pending or approved
	// one that is past its time has to be ended by Expire before.
	Prune(ended time.Time, limit int) (int64, error)
}

// PendingCount is how many pending approvals there are, of those that a new one
// would count among.
type PendingCount struct {
	Tenant    int64 // in the tenant
	Subject   int64 // of the subject
	Principal int64 // of the subject for the principal
	Bytes     int64 // of the documents of the subject's
}

// Room is nil where one more pending approval with a document of so many bytes
// may be added, and otherwise an error that matches aureus.ReasonTooManyPending.Err() and
// names the bound.
func (c PendingCount) Room(size int) error {
	switch {
	case c.Principal >= MaxPending:
		return fmt.Errorf("%w: this service has %d for the principal already", aureus.ReasonTooManyPending.Err(), c.Principal)
	case c.Subject >= MaxPendingSubject:
		return fmt.Errorf("%w: this service has %d already", aureus.ReasonTooManyPending.Err(), c.Subject)
	case c.Bytes+int64(size) > MaxPendingBytes:
		return fmt.Errorf("%w: those of this service take %d bytes already, and %d are its bound", aureus.ReasonTooManyPending.Err(), c.Bytes, MaxPendingBytes)
	case c.Tenant >= MaxPendingTenant && c.Subject >= MaxPending:
		return fmt.Errorf("%w: the tenant has %d already", aureus.ReasonTooManyPending.Err(), c.Tenant)
	}
	return nil
}

// ApprovalEntry is an entry of the audit log about an approval.
func ApprovalEntry(kind string, a aureus.Approval, by Actor) aureus.AuditRecord {
	details := map[string]any{"risk_tier": string(a.RiskTier), "expires_at": string(a.ExpiresAt)}
	for name, value := range map[string]string{"tool_name": a.ToolName, "rule": a.Rule, "policy_version": a.PolicyVersion} {
		if value != "" {
			details[name] = value
		}
	}
	return aureus.AuditRecord{
		Kind: kind, Principal: a.Principal.ID, OnBehalfOf: a.OnBehalfOf, Action: a.Action.ID, ReasonCode: a.ReasonCode,
		ActionDigest: a.ActionDigest, ApprovalID: a.ID, By: by.Subject, KeyID: by.KeyID, Details: details,
	}
}

// StateOf is the state of a request whose approval has that status.
func StateOf(status aureus.ApprovalStatus) aureus.GoalGuardState {
	switch status {
	case aureus.ApprovalPending:
		return vocab.StatePendingHuman
	case aureus.ApprovalApproved:
		return vocab.StateApproved
	case aureus.ApprovalRejected:
		return vocab.StateRejected
	default:
		return vocab.StateIdle
	}
}
