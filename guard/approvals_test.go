package guard_test

import (
	"context"
	"crypto/rand"
	"errors"
	"sync"
	"time"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/guard"
)

// desk is a small and complete Approvals in memory: single use under one lock,
// expiring after an hour, at most 20 pending a principal, bound to the digest
// and the policy version.
type desk struct {
	tenant string
	now    func() time.Time

	mu        sync.Mutex
	approvals map[string]*entry
	asked     []aureus.ApprovalAsk
	used      []aureus.ApprovalUse
}

type entry struct {
	aureus.Approval
	expires time.Time
}

const (
	approvalLife = time.Hour
	maxPending   = 20
)

var _ guard.Approvals = (*desk)(nil)

func newDesk() *desk {
	return &desk{now: time.Now, approvals: map[string]*entry{}}
}

func (d *desk) AskApproval(ctx context.Context, ask aureus.ApprovalAsk) (aureus.ApprovalTicket, error) {
	if err := ctx.Err(); err != nil {
		return aureus.ApprovalTicket{}, err
	}
	digest, err := guard.Digest(d.tenant, ask.Request)
	if err != nil {
		return aureus.ApprovalTicket{}, err
	}
	if digest != ask.Digest {
		return aureus.ApprovalTicket{}, aureus.ErrApprovalMismatch
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.asked = append(d.asked, ask)
	now := d.expire()
	pending := 0
	for _, e := range d.approvals {
		live := e.Status == aureus.ApprovalPending || e.Status == aureus.ApprovalApproved || e.Status == aureus.ApprovalRejected
		if live && e.ActionDigest == digest && e.PolicyVersion == ask.PolicyVersion {
			return aureus.ApprovalTicket{Approval: e.Approval, Joined: true, Hint: d.hint(ask, e.ID)}, nil
		}
		if e.Status == aureus.ApprovalPending && e.Principal.ID == ask.Request.Principal.ID {
			pending++
		}
	}
	if pending >= maxPending {
		return aureus.ApprovalTicket{}, aureus.ErrTooManyPending
	}
	var raw [16]byte
	_, _ = rand.Read(raw[:])
	e := &entry{expires: now.Add(approvalLife), Approval: aureus.Approval{
		ID: aureus.NewApprovalID(raw), Status: aureus.ApprovalPending,
		Principal: ask.Request.Principal, OnBehalfOf: ask.Request.OnBehalfOf, Action: ask.Request.Action,
		ToolName: ask.Request.Tool, Arguments: ask.Request.Arguments, HTTP: ask.Request.HTTP, Volatile: ask.Request.Volatile,
		HasPermission: true, RiskTier: ask.Request.Action.RiskTier, Reason: ask.Reason, ReasonCode: ask.ReasonCode,
		Rule: ask.Rule, PolicyVersion: ask.PolicyVersion, RequestedAt: aureus.TimestampOf(now),
		ExpiresAt: aureus.TimestampOf(now.Add(approvalLife)), Quorum: aureus.Quorum{Needed: 1}, ActionDigest: digest,
	}}
	d.approvals[e.ID] = e
	return aureus.ApprovalTicket{Approval: e.Approval, Hint: d.hint(ask, e.ID)}, nil
}

// hint says why a presented ticket is not the approval that counts.
func (d *desk) hint(ask aureus.ApprovalAsk, id string) aureus.ReasonCode {
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

func (d *desk) ConsumeApproval(ctx context.Context, id string, use aureus.ApprovalUse) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.expire()
	e := d.approvals[id]
	switch {
	case e == nil:
		return aureus.ErrApprovalUnknown
	case e.ActionDigest != use.ActionDigest || e.Principal.ID != use.PrincipalID:
		return aureus.ErrApprovalMismatch
	case e.PolicyVersion != use.PolicyVersion:
		return aureus.ErrApprovalPolicyChanged
	}
	switch e.Status {
	case aureus.ApprovalApproved:
		e.Status, e.ConsumedBy = aureus.ApprovalConsumed, use.DecisionID
		d.used = append(d.used, use)
		return nil
	case aureus.ApprovalPending:
		return aureus.ErrApprovalPending
	case aureus.ApprovalRejected:
		return aureus.ErrApprovalRejected
	case aureus.ApprovalExpired:
		return aureus.ErrApprovalExpired
	}
	return aureus.ErrApprovalConsumed
}

func (d *desk) Approval(ctx context.Context, id string) (aureus.Approval, error) {
	if err := ctx.Err(); err != nil {
		return aureus.Approval{}, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.expire()
	e := d.approvals[id]
	if e == nil {
		return aureus.Approval{}, aureus.ErrApprovalUnknown
	}
	return e.Approval, nil
}

// decide is the operator's verdict on the digest that was shown.
func (d *desk) decide(id, by string, verdict aureus.ApprovalStatus) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.expire()
	e := d.approvals[id]
	switch {
	case e == nil:
		return aureus.ErrApprovalUnknown
	case e.Status != aureus.ApprovalPending:
		return aureus.ErrConflict
	case by == e.Principal.ID || by == e.OnBehalfOf:
		return errors.New("the requester never decides its own")
	}
	e.Status = verdict
	return nil
}

func (d *desk) expire() time.Time {
	now := d.now()
	for _, e := range d.approvals {
		live := e.Status == aureus.ApprovalPending || e.Status == aureus.ApprovalApproved || e.Status == aureus.ApprovalRejected
		if live && now.After(e.expires) { // still good at exactly one hour
			e.Status = aureus.ApprovalExpired
		}
	}
	return now
}

// reject ends whatever is pending for the request, to make room.
func (d *desk) reject(request aureus.Request) error {
	digest, err := guard.Digest(d.tenant, request)
	if err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, e := range d.approvals {
		if e.ActionDigest == digest && e.Status == aureus.ApprovalPending {
			e.Status = aureus.ApprovalRejected
			return nil
		}
	}
	return aureus.ErrApprovalUnknown
}
