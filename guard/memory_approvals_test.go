package guard_test

import (
	"context"
	"crypto/rand"
	"errors"
	"sync"
	"time"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/guard"
	"github.com/farmountain/aureus-go/internal/approval"
	"github.com/farmountain/aureus-go/internal/idtext"
)

// memoryApprovals is a complete Approvals in memory that follows the rules of the
// control plane: an approval is used once, there is one hour to decide and one to
// use it, a principal has at most 20 pending approvals, and an approval is bound
// to the digest and the policy version.
type memoryApprovals struct {
	tenant string
	now    func() time.Time

	mu        sync.Mutex
	approvals map[string]*entry
	asked     []aureus.ApprovalAsk
	used      []aureus.ApprovalUse
}

type entry struct {
	aureus.Approval
	state approval.State
}

// set applies a state to the approval.
func (e *entry) set(next approval.State) {
	e.state, e.Status, e.ConsumedBy = next, next.Status, next.SpentBy
	e.Quorum, e.Roles, e.ExpiresAt = next.Quorum(), next.Terms.Roles, aureus.TimestampOf(next.End())
}

var life = approval.Life{Decide: approvalLife, Use: approvalLife}

const (
	approvalLife = time.Hour
	maxPending   = 20
)

var _ guard.Approvals = (*memoryApprovals)(nil)

func newMemoryApprovals() *memoryApprovals {
	return &memoryApprovals{now: time.Now, approvals: map[string]*entry{}}
}

func (d *memoryApprovals) AskApproval(ctx context.Context, ask aureus.ApprovalAsk) (aureus.ApprovalTicket, error) {
	if err := ctx.Err(); err != nil {
		return aureus.ApprovalTicket{}, err
	}
	digest, err := guard.Digest(d.tenant, ask.Request)
	if err != nil {
		return aureus.ApprovalTicket{}, err
	}
	if digest != ask.Digest {
		return aureus.ApprovalTicket{}, aureus.ReasonApprovalMismatch.Err()
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.asked = append(d.asked, ask)
	now := d.expire()
	pending := 0
	for _, e := range d.approvals {
		if e.state.Live(now) && e.ActionDigest == digest && e.PolicyVersion == ask.PolicyVersion {
			return aureus.ApprovalTicket{Approval: e.Approval, Joined: true, Hint: d.hint(ask, e.ID)}, nil
		}
		if e.Status == aureus.ApprovalPending && e.Principal.ID == ask.Request.Principal.ID {
			pending++
		}
	}
	if pending >= maxPending {
		return aureus.ApprovalTicket{}, aureus.ReasonTooManyPending.Err()
	}
	var raw [16]byte
	_, _ = rand.Read(raw[:])
	e := &entry{Approval: aureus.Approval{
		ID:        idtext.Approval(raw),
		Principal: ask.Request.Principal, OnBehalfOf: ask.Request.OnBehalfOf, Action: ask.Request.Action,
		ToolName: ask.Request.Tool, Arguments: ask.Request.Arguments, HTTP: ask.Request.HTTP, Volatile: ask.Request.Volatile,
		HasPermission: true, RiskTier: ask.Request.Action.RiskTier, Reason: ask.Reason, ReasonCode: ask.ReasonCode,
		Rule: ask.Rule, PolicyVersion: ask.PolicyVersion, RequestedAt: aureus.TimestampOf(now),
		ActionDigest: digest,
	}}
	e.set(approval.Asked(now, ask.Terms, life))
	d.approvals[e.ID] = e
	return aureus.ApprovalTicket{Approval: e.Approval, Hint: d.hint(ask, e.ID)}, nil
}

// hint returns the code that says why the presented ticket does not count.
func (d *memoryApprovals) hint(ask aureus.ApprovalAsk, id string) aureus.ReasonCode {
	token := ask.Request.ApprovalToken
	if token == "" || token == id {
		return ""
	}
	e := d.approvals[token]
	switch {
	case e == nil:
		return aureus.ReasonApprovalUnknown
	case e.ActionDigest != ask.Digest:
		return aureus.ReasonApprovalMismatch
	case e.Status == aureus.ApprovalExpired:
		return aureus.ReasonApprovalExpired
	case e.Status == aureus.ApprovalConsumed:
		return aureus.ReasonApprovalConsumed
	case e.PolicyVersion != ask.PolicyVersion:
		return aureus.ReasonApprovalPolicyChanged
	}
	return aureus.ReasonApprovalRejected
}

func (d *memoryApprovals) ConsumeApproval(ctx context.Context, id string, use aureus.ApprovalUse) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	now := d.expire()
	e := d.approvals[id]
	switch {
	case e == nil:
		return aureus.ReasonApprovalUnknown.Err()
	case e.ActionDigest != use.ActionDigest || e.Principal.ID != use.PrincipalID:
		return aureus.ReasonApprovalMismatch.Err()
	case e.PolicyVersion != use.PolicyVersion:
		return aureus.ReasonApprovalPolicyChanged.Err()
	}
	next, err := e.state.Use(now, use.DecisionID)
	if err == nil {
		e.set(next)
		d.used = append(d.used, use)
	}
	return err
}

func (d *memoryApprovals) Approval(ctx context.Context, id string) (aureus.Approval, error) {
	if err := ctx.Err(); err != nil {
		return aureus.Approval{}, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.expire()
	e := d.approvals[id]
	if e == nil {
		return aureus.Approval{}, aureus.ReasonApprovalUnknown.Err()
	}
	return e.Approval, nil
}

// decide approves or rejects an approval as the operator by.
func (d *memoryApprovals) decide(id, by string, verdict aureus.ApprovalStatus) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	now := d.expire()
	e := d.approvals[id]
	switch {
	case e == nil:
		return aureus.ReasonApprovalUnknown.Err()
	case by == e.Principal.ID || by == e.OnBehalfOf:
		return errors.New("the requester may not decide its own approval")
	}
	voter := approval.Voter{Name: by, Role: "operator"}
	next, err := e.state.Reject(now, voter)
	if verdict == aureus.ApprovalApproved {
		next, err = e.state.Approve(now, voter, life)
	}
	if err == nil {
		e.set(next)
	}
	return err
}

func (d *memoryApprovals) expire() time.Time {
	now := d.now()
	for _, e := range d.approvals {
		e.set(e.state.At(now))
	}
	return now
}

// reject rejects the pending approval of the request, so that it no longer counts
// towards maxPending.
func (d *memoryApprovals) reject(request aureus.Request) error {
	digest, err := guard.Digest(d.tenant, request)
	if err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, e := range d.approvals {
		if e.ActionDigest == digest && e.Status == aureus.ApprovalPending {
			next, err := e.state.Reject(d.now(), approval.Voter{Name: "olga", Role: "operator"})
			e.set(next)
			return err
		}
	}
	return aureus.ReasonApprovalUnknown.Err()
}
