package aureustest

import (
	"cmp"
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/internal/approval"
	"github.com/farmountain/aureus-go/internal/idtext"
	"github.com/farmountain/aureus-go/internal/wire"
)

const (
	maxPending        = 20  // pending approvals of one subject for one principal
	maxPendingSubject = 500 // pending approvals of one subject
	maxApprovals      = 10_000
	maxApprovalBytes  = 64 << 20 // of the requests for them
)

// approvalLife says when approvals expire, by the server's clock.
var approvalLife = approval.Life{Decide: approval.DefaultDecide, Use: approval.DefaultUse}

// approvalStore holds the approvals, the oldest first. The server's lock guards it. It
// follows the same rules as the control plane.
type approvalStore struct {
	approvals []*entry
	bytes     int
}

// entry is an approval with its state under the rules of internal/approval.
type entry struct {
	aureus.Approval
	state approval.State
	size  int // bytes of the request that opened it
}

// follow copies the state into the fields of the approval.
func (e *entry) follow(next approval.State) {
	e.state = next
	e.Status, e.ConsumedBy, e.ReleasedBy = next.Status, next.SpentBy, next.ReleasedBy
	e.Quorum, e.Roles = next.Quorum(), next.Terms.Roles
	e.DecideBy, e.UseBy, e.ExpiresAt = timestampOf(next.DecideBy), timestampOf(next.UseBy), timestampOf(next.End())
}

func timestampOf(at time.Time) aureus.Timestamp {
	if at.IsZero() {
		return ""
	}
	return aureus.TimestampOf(at)
}

// at expires the approvals whose time has ended. A rejected approval stays rejected.
func (b *approvalStore) at(now time.Time) {
	for _, e := range b.approvals {
		e.follow(e.state.At(now))
	}
}

// find is the approval with that id in its state at that time, or nil.
func (b *approvalStore) find(now time.Time, id string) *entry {
	b.at(now)
	for _, e := range b.approvals {
		if e.ID == id {
			return e
		}
	}
	return nil
}

// ask joins the open approval that the asker's subject has for the digest, or opens one.
// size is that of the request, in bytes.
func (b *approvalStore) ask(now time.Time, by asker, ask aureus.ApprovalAsk, size int) (_ *entry, joined bool, err error) {
	b.at(now)
	own, same := 0, 0
	var found *entry
	for _, e := range b.approvals {
		if e.RequestedBy != by.subject || !e.state.Live(now) {
			continue
		}
		if e.Status == aureus.ApprovalPending {
			own++
			if e.Principal.ID == ask.Request.Principal.ID {
				same++
			}
		}
		rejected := e.Status == aureus.ApprovalRejected
		if e.ActionDigest == ask.Digest && (rejected || (found == nil && e.PolicyVersion == ask.PolicyVersion)) {
			found = e
		}
		if found == e && rejected { // a rejection applies under every policy version
			break
		}
	}
	if found != nil {
		if found.Status == aureus.ApprovalRejected || approval.Covers(found.state.Terms, ask.Terms) {
			return found, true, nil
		}
		ask.Terms = approval.Stricter(ask.Terms, found.state.Terms)
		next, _ := found.state.Withdraw()
		found.follow(next)
	}
	if same >= maxPending || own >= maxPendingSubject || !b.makeRoom(now, size) {
		return nil, false, aureus.ReasonTooManyPending.Err()
	}
	r := ask.Request
	e := &entry{size: size, Approval: aureus.Approval{
		ID:        idtext.Approval(aureus.NewDecisionID(now)),
		Principal: r.Principal, OnBehalfOf: r.OnBehalfOf, Action: r.Action, ToolName: r.Tool, Arguments: r.Arguments, HTTP: r.HTTP, Volatile: r.Volatile,
		MayChange:     approval.MayChange(r.Volatile, r.Arguments, r.Action.Metadata),
		HasPermission: true, RiskTier: r.Action.RiskTier, Reason: ask.Reason, ReasonCode: ask.ReasonCode, Rule: ask.Rule, PolicyVersion: ask.PolicyVersion,
		RequestedAt: aureus.TimestampOf(now), RequestedByKey: by.keyID, RequestedBy: by.subject,
		Decisions: []aureus.ApprovalDecision{}, ActionDigest: ask.Digest,
	}}
	e.follow(approval.Asked(now, ask.Terms, approvalLife))
	b.approvals = append(b.approvals, e)
	b.bytes += size
	return e, false, nil
}

// makeRoom drops the oldest expired approvals until another one of that size fits into
// the limits, and reports whether it does.
func (b *approvalStore) makeRoom(now time.Time, size int) bool {
	for len(b.approvals) >= maxApprovals || b.bytes+size > maxApprovalBytes {
		i := slices.IndexFunc(b.approvals, func(e *entry) bool { return !e.state.Live(now) })
		if i < 0 {
			return false
		}
		b.bytes -= b.approvals[i].size
		b.approvals = slices.Delete(b.approvals, i, i+1)
	}
	return true
}

// hint returns the reason code that says why the presented approval does not apply.
// counts is the id of the approval that applies.
func (b *approvalStore) hint(now time.Time, by asker, ask aureus.ApprovalAsk, counts string) aureus.ReasonCode {
	token := ask.Request.ApprovalToken
	if token == "" || token == counts {
		return ""
	}
	e := b.find(now, token)
	switch {
	case e == nil || !by.maySee(e):
		return aureus.ReasonApprovalUnknown
	case e.ActionDigest != ask.Digest:
		return aureus.ReasonApprovalMismatch
	case e.Status == aureus.ApprovalConsumed:
		return aureus.ReasonApprovalConsumed
	case e.Status == aureus.ApprovalRejected:
		return aureus.ReasonApprovalRejected
	case e.RequestedBy != by.subject:
		return aureus.ReasonApprovalMismatch
	case e.PolicyVersion != ask.PolicyVersion:
		return aureus.ReasonApprovalPolicyChanged
	}
	return aureus.ReasonApprovalExpired
}

// decide stores a person's verdict on the approval.
func (b *approvalStore) decide(now time.Time, by asker, id string, approve bool, shown aureus.Digest, comment string) (aureus.Approval, error) {
	e := b.find(now, id)
	switch {
	case e == nil:
		return aureus.Approval{}, unknownApproval()
	case by.is(e.RequestedByKey), by.is(e.RequestedBy), by.is(e.Principal.ID), by.is(e.OnBehalfOf):
		return aureus.Approval{}, refuse(http.StatusForbidden, wire.CodeSelfApproval,
			"the requester, the principal and the principal that it acts for cannot decide an approval")
	case !approval.MayDecide(e.Roles, by.role):
		return aureus.Approval{}, refuse(http.StatusForbidden, wire.CodeForbidden, "the role %s may not decide this approval; its roles are %q", by.role, e.Roles)
	case e.ActionDigest != shown:
		return aureus.Approval{}, refuse(http.StatusConflict, string(aureus.ReasonApprovalMismatch), "action_digest is not the digest of this approval")
	}
	verdict := "reject"
	next, err := e.state.Reject(now, by.voter())
	if approve {
		verdict = "approve"
		next, err = e.state.Approve(now, by.voter(), approvalLife)
	}
	if err != nil {
		return aureus.Approval{}, refuse(http.StatusConflict, wire.CodeConflict, "%v; it is %s", err, e.Status)
	}
	e.follow(next)
	e.Decisions = append(e.Decisions, aureus.ApprovalDecision{By: by.subject, At: aureus.TimestampOf(now), Verdict: verdict, Comment: comment})
	return e.Approval, nil
}

// consume uses the approval for one decision.
func (b *approvalStore) consume(now time.Time, by asker, id string, use aureus.ApprovalUse) (aureus.Approval, error) {
	e := b.find(now, id)
	if e == nil || e.RequestedBy != by.subject {
		return aureus.Approval{}, unknownApproval()
	}
	next, err := e.state.Use(now, use.DecisionID)
	switch {
	case use.ActionDigest != e.ActionDigest, use.PrincipalID != e.Principal.ID:
		err = aureus.ReasonApprovalMismatch.Err()
	case err == nil && use.PolicyVersion != "" && use.PolicyVersion != e.PolicyVersion:
		err = aureus.ReasonApprovalPolicyChanged.Err()
	}
	if err != nil {
		return aureus.Approval{}, refuse(http.StatusConflict, string(codeOf(err)), "%v", err)
	}
	e.follow(next)
	return e.Approval, nil
}

// codeOf is the reason code of an error about an approval.
func codeOf(err error) aureus.ReasonCode {
	for _, code := range []aureus.ReasonCode{
		aureus.ReasonApprovalPending, aureus.ReasonApprovalRejected, aureus.ReasonApprovalExpired, aureus.ReasonApprovalConsumed, aureus.ReasonApprovalPolicyChanged,
	} {
		if errors.Is(err, code.Err()) {
			return code
		}
	}
	return aureus.ReasonApprovalMismatch
}

// settle makes the approval that the decision used approved again if nothing was done,
// and final otherwise. If it is approved again, pending approvals of the same subject and
// digest that were opened since are withdrawn.
func (b *approvalStore) settle(now time.Time, by asker, outcome *aureus.Outcome) {
	b.at(now)
	for _, e := range b.approvals {
		if e.RequestedBy != by.subject {
			continue
		}
		next, changed := e.state.Settle(now, outcome.DecisionID, approval.NotDone(*outcome))
		if !changed {
			continue
		}
		if next.Status == aureus.ApprovalApproved && !b.withdrawOthers(now, e) {
			next, _ = e.state.Settle(now, outcome.DecisionID, false)
		}
		e.follow(next)
	}
}

// withdrawOthers withdraws the pending approvals of the same subject and digest. It
// reports false if another one has been decided: then the approval is not approved
// again.
func (b *approvalStore) withdrawOthers(now time.Time, back *entry) bool {
	var others []*entry
	for _, e := range b.approvals {
		if e == back || e.RequestedBy != back.RequestedBy || e.ActionDigest != back.ActionDigest || !e.state.Live(now) {
			continue
		}
		if e.Status != aureus.ApprovalRejected && e.PolicyVersion != back.PolicyVersion {
			continue
		}
		if e.Status != aureus.ApprovalPending {
			return false
		}
		others = append(others, e)
	}
	for _, e := range others {
		next, _ := e.state.Withdraw()
		e.follow(next)
	}
	return true
}

func unknownApproval() error {
	return refuse(http.StatusNotFound, string(aureus.ReasonApprovalUnknown), "the approval was not found, or this key may not see it")
}

// list copies the approvals with that status, or all with an empty one, that the asker
// may see, the oldest first.
func (b *approvalStore) list(now time.Time, by asker, status aureus.ApprovalStatus) []aureus.Approval {
	b.at(now)
	list := []aureus.Approval{}
	for _, e := range b.approvals {
		if by.maySee(e) && (status == "" || e.Status == status) {
			list = append(list, copied(&e.Approval))
		}
	}
	return list
}

// copied copies the approval and its list of decisions.
func copied(a *aureus.Approval) aureus.Approval {
	c := *a
	c.Decisions = slices.Clone(a.Decisions)
	c.URL = cmp.Or(c.URL, approvalPath(a.ID))
	return c
}
