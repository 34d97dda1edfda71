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

// The limits of pending approvals. Each subject has limits of its own, so that one
// subject cannot use up those of another. If the limit of the tenant is reached,
// each subject may still have MaxPending.
const (
	MaxPending        = 20        // for one subject and one principal
	MaxPendingSubject = 500       // for one subject
	MaxPendingBytes   = 128 << 20 // bytes of the documents of one subject
	MaxPendingTenant  = 2000      // for one tenant
)

// How many expired approvals one transaction ends.
const (
	MaxSweep       = 100 // [Approvals.Expire]
	SweepWhenAsked = 10  // [Approvals.Ask], which adds only one
)

// Actor identifies who does something: an API key and its subject. It is used for
// the audit log, and for the rule that nobody decides their own request.
type Actor struct{ KeyID, Subject string }

// Is reports whether the name may be the actor's key or subject. It compares like
// SameSubject. It is false for an empty name.
func (a Actor) Is(name string) bool {
	return name != "" && (SameSubject(name, a.KeyID) || SameSubject(name, a.Subject))
}

// SameSubject reports whether two names may mean the same person: it ignores, for
// example, upper and lower case. Use it only in rules that refuse something. Rules
// that grant something compare names byte by byte.
func SameSubject(a, b string) bool { return namefold.Same(a, b) }

// NewApproval is an approval to be asked for, encoded before the transaction that
// stores it.
type NewApproval struct {
	Approval aureus.Approval
	Document string // JSON
	Decision aureus.DecisionID

	// Terms are those under which it is asked for. [Approvals.Ask] completes fields that
	// are zero with the time limits of the server.
	Terms aureus.ApprovalTerms
}

// Size estimates how many bytes [Approvals.Ask] writes.
func (n *NewApproval) Size() int { return len(n.Document) }

// PrepareApproval encodes the approval that the actor asks for because of a
// decision. The caller must have redacted the secrets in it, because approvers see
// it.
func PrepareApproval(now time.Time, by Actor, a aureus.Approval, decision aureus.DecisionID) (NewApproval, error) {
	a.Status, a.Decisions, a.Quorum = aureus.ApprovalPending, []aureus.ApprovalDecision{}, aureus.Quorum{Needed: 1}
	a.RequestedByKey, a.RequestedBy = by.KeyID, by.Subject
	a.RequestedAt = aureus.TimestampOf(now)
	a.ExpiresAt = a.RequestedAt // not used: the real times are in columns
	document, err := strictjson.Marshal(a)
	if err != nil {
		return NewApproval{}, fmt.Errorf("writing an approval: %w", err)
	}
	return NewApproval{Approval: a, Document: string(document), Decision: decision}, nil
}

// NewVerdict is one person's verdict on an approval that was shown to them.
type NewVerdict struct {
	Approve bool
	Role    string        // of the person's key
	Digest  aureus.Digest // of the approval that was shown
	Comment string
}

// ApprovalFilter selects approvals. A zero field does not filter.
type ApprovalFilter struct {
	Status  aureus.ApprovalStatus
	Subject *string // the subject that the approval belongs to
	After   int64   // only approvals with a greater Seq
	Limit   int

	// Now, if set, is the current time. An approval that has expired by then counts
	// as expired, even if that is not stored yet.
	Now time.Time

	// Charge, if not nil, is called with each document before it is decoded. If it
	// fails for the first document of a page, the page fails with its error. If it
	// fails for a later one, the page ends before it.
	Charge func(document []byte) error
}

// Approvals reads and changes approvals.
//
// Get and List return whole approvals. All other methods return only the values
// that are in columns: of the principal and the action only the ids, and no
// free-form data.
type Approvals interface {
	// Ask adds the prepared approval, or joins a live approval that the actor's
	// subject already has for the same digest: first a rejected one, otherwise one
	// of the same policy version. It does not change approvals of other subjects or
	// of other policy versions.
	//
	// A live approval with terms that do not cover those of n ends, unless it is
	// rejected, and an approval with the stricter of both is added instead.
	//
	// It fails with aureus.ReasonTooManyPending.Err() if a limit of pending
	// approvals is reached.
	Ask(tenant string, now time.Time, by Actor, n NewApproval, life approval.Life) (_ aureus.Approval, joined bool, err error)
	// Decide stores one person's verdict: the approval is approved with the last
	// approval that its quorum needs, and rejected with the first rejection. The digest
	// must be that of the approval, as evidence that the person saw this request. The
	// errors are aureus.ReasonApprovalUnknown.Err(), ErrRequester, ErrRole, ErrDigest
	// and, for a second verdict of one person and one that comes too late, ErrConflict.
	Decide(tenant string, now time.Time, by Actor, id string, verdict NewVerdict, life approval.Life) (aureus.Approval, error)
	// Consume reserves an approval for one decision. It cannot be used again, unless
	// Settle gives it back. The error is that of an aureus.ReasonApproval… code,
	// which says why the approval cannot be used, or ErrDecisionUsed or
	// ErrDecisionOfOther. A subject that did not ask for the approval gets
	// aureus.ReasonApprovalUnknown.Err().
	Consume(tenant string, now time.Time, by Actor, id string, use aureus.ApprovalUse) error
	// Settle is called with the outcome of a decision, which the actor reported or
	// the server itself knows. If nothing was done, it gives the approval that the
	// decision reserved back to the actor's subject; otherwise it commits the
	// approval. See approval.State.Settle. It does nothing if the subject has no
	// approval that is reserved for the decision.
	Settle(tenant string, now time.Time, by Actor, decision aureus.DecisionID, notDone bool) error
	// Withdraw ends an approval that is no longer needed. It does nothing if the
	// approval has ended, was rejected or does not exist.
	Withdraw(tenant string, now time.Time, id, reason string) error
	// Expire ends at most [MaxSweep] approvals that have reached their end. Pending
	// and approved ones become expired, with an audit entry; a rejected one stays
	// rejected, but the request may be asked for again. Only lists depend on this
	// call: all other methods compare the end with the time themselves.
	Expire(tenant string, now time.Time) error
	// HasExpired reports whether Expire would end an approval.
	HasExpired(tenant string, now time.Time) (bool, error)

	// Get returns the whole approval with its status at that time, or
	// aureus.ReasonApprovalUnknown.Err(). charge is as in [ApprovalFilter].
	Get(tenant string, now time.Time, id string, charge func(document []byte) error) (aureus.Approval, error)
	// Summary returns the approval with its status at that time and its verdicts,
	// without the values that are only in its document, or
	// aureus.ReasonApprovalUnknown.Err().
	Summary(tenant string, now time.Time, id string) (aureus.Approval, error)
	// List returns whole approvals, the oldest first, up to the filter's limit and
	// [MaxPageBytes], but at least one. more reports whether others follow.
	List(tenant string, f ApprovalFilter) (rows []ApprovalRow, more bool, err error)
	// Search returns approvals like Summary, up to the limit of the search. more reports
	// whether others follow.
	Search(tenant string, f ApprovalSearch) (rows []ApprovalRow, more bool, err error)
	// KeysLive reports whether neither the key that asked for the approval nor a
	// key that approved it has been revoked.
	KeysLive(tenant, id string) (bool, error)
	// Reserved reports whether the approval is reserved for the decision and still
	// valid: the outcome of the decision is not known, the approval has not expired,
	// and KeysLive is true.
	Reserved(tenant string, now time.Time, id string, decision aureus.DecisionID) (bool, error)
	// SpentBy reports whether the decision has used the approval, even if the
	// approval has been given back since.
	SpentBy(tenant, id string, decision aureus.DecisionID) (bool, error)

	// Prune deletes at most limit approvals of any tenant that ended before the given
	// time, and returns their number: 0 means that none is left. A pending or approved
	// approval that has reached its end must first be ended by Expire.
	Prune(ended time.Time, limit int) (int64, error)
}

// PendingCount holds the numbers of pending approvals that are compared with the
// limits before another one is added.
type PendingCount struct {
	Tenant    int64 // in the tenant
	Subject   int64 // of the subject
	Principal int64 // of the subject for the principal
	Bytes     int64 // bytes of the documents of the subject
}

// Room returns nil if one more pending approval with a document of size bytes may
// be added. Otherwise the error matches aureus.ReasonTooManyPending.Err() and names
// the limit.
func (c PendingCount) Room(size int) error {
	switch {
	case c.Principal >= MaxPending:
		return fmt.Errorf("%w: this service has %d for the principal already", aureus.ReasonTooManyPending.Err(), c.Principal)
	case c.Subject >= MaxPendingSubject:
		return fmt.Errorf("%w: this service has %d already", aureus.ReasonTooManyPending.Err(), c.Subject)
	case c.Bytes+int64(size) > MaxPendingBytes:
		return fmt.Errorf("%w: those of this service take %d bytes already, and its limit is %d", aureus.ReasonTooManyPending.Err(), c.Bytes, MaxPendingBytes)
	case c.Tenant >= MaxPendingTenant && c.Subject >= MaxPending:
		return fmt.Errorf("%w: the tenant has %d already", aureus.ReasonTooManyPending.Err(), c.Tenant)
	}
	return nil
}

// ApprovalEntry returns an audit entry about an approval.
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

// StateOf returns the state of a request whose approval has that status.
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
