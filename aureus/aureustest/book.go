package aureustest

import (
	"cmp"
	"net/http"
	"slices"
	"time"

	"github.com/farmountain/aureus-go/aureus"
)

const (
	maxPending       = 20 // pending approvals of one principal
	maxApprovals     = 10_000
	maxApprovalBytes = 64 << 20 // of the requests for them
)

// book holds the approvals, the oldest first. The server's lock guards it.
type book struct {
	approvals []*aureus.Approval
	sizes     []int // of the requests for them
	bytes     int
}

// due reports whether the approval is past its time.
func due(a *aureus.Approval, now time.Time) bool {
	at, ok := a.ExpiresAt.Time()
	return !ok || at.Before(now)
}

// live reports whether asking again joins the approval.
func live(a *aureus.Approval, now time.Time) bool {
	return !due(a, now) && (a.Status == aureus.ApprovalPending || a.Status == aureus.ApprovalApproved || a.Status == aureus.ApprovalRejected)
}

// at ends what is past its time. A rejected approval stays rejected.
func (b *book) at(now time.Time) {
	for _, a := range b.approvals {
		if (a.Status == aureus.ApprovalPending || a.Status == aureus.ApprovalApproved) && due(a, now) {
			a.Status = aureus.ApprovalExpired
		}
	}
}

// find is the approval with that id, as it is at that time, or nil.
func (b *book) find(now time.Time, id string) *aureus.Approval {
	b.at(now)
	for _, a := range b.approvals {
		if a.ID == id {
			return a
		}
	}
	return nil
}

// ask joins the live approval of the digest, or opens one. The request for it
// had that size.
func (b *book) ask(now time.Time, key string, ask aureus.ApprovalAsk, size int) (_ *aureus.Approval, joined bool, err error) {
	b.at(now)
	pending := 0
	for _, a := range b.approvals {
		switch {
		case !live(a, now):
		case a.ActionDigest != ask.Digest:
			if a.Status == aureus.ApprovalPending && a.Principal.ID == ask.Request.Principal.ID {
				pending++
			}
		case a.PolicyVersion == ask.PolicyVersion || a.Status == aureus.ApprovalRejected:
			return a, true, nil
		default: // other rules asked for it
			a.Status = aureus.ApprovalExpired
		}
	}
	if pending >= maxPending || !b.makeRoom(now, size) {
		return nil, false, aureus.ErrTooManyPending
	}
	r := ask.Request
	a := &aureus.Approval{
		ID: aureus.NewApprovalID(aureus.NewDecisionID(now)), Status: aureus.ApprovalPending,
		Principal: r.Principal, OnBehalfOf: r.OnBehalfOf, Action: r.Action, ToolName: r.Tool, Arguments: r.Arguments, HTTP: r.HTTP, Volatile: r.Volatile,
		HasPermission: true, RiskTier: r.Action.RiskTier, Reason: ask.Reason, ReasonCode: ask.ReasonCode, Rule: ask.Rule, PolicyVersion: ask.PolicyVersion,
		RequestedAt: aureus.TimestampOf(now), RequestedByKey: key, ExpiresAt: aureus.TimestampOf(now.Add(approvalLifetime)),
		Quorum: aureus.Quorum{Needed: 1}, Decisions: []aureus.ApprovalDecision{}, ActionDigest: ask.Digest,
	}
	b.approvals, b.sizes = append(b.approvals, a), append(b.sizes, size)
	b.bytes += size
	return a, false, nil
}

// makeRoom drops the oldest approvals that have ended, as many as stand in the
// way of one more of that size, and reports whether there is room for it.
func (b *book) makeRoom(now time.Time, size int) bool {
	for len(b.approvals) >= maxApprovals || b.bytes+size > maxApprovalBytes {
		i := slices.IndexFunc(b.approvals, func(a *aureus.Approval) bool { return !live(a, now) })
		if i < 0 {
			return false
		}
		b.bytes -= b.sizes[i]
		b.approvals, b.sizes = slices.Delete(b.approvals, i, i+1), slices.Delete(b.sizes, i, i+1)
	}
	return true
}

// hint says why a presented ticket is not the approval that counts (SPEC P6).
func (b *book) hint(now time.Time, ask aureus.ApprovalAsk, counts string) aureus.ReasonCode {
	token := ask.Request.ApprovalToken
	if token == "" || token == counts {
		return ""
	}
	a := b.find(now, token)
	switch {
	case a == nil:
		return aureus.ReasonApprovalUnknown
	case a.ActionDigest != ask.Digest:
		return aureus.ReasonApprovalMismatch
	case a.Status == aureus.ApprovalConsumed:
		return aureus.ReasonApprovalConsumed
	case a.Status == aureus.ApprovalRejected:
		return aureus.ReasonApprovalRejected
	case a.PolicyVersion != ask.PolicyVersion:
		return aureus.ReasonApprovalPolicyChanged
	}
	return aureus.ReasonApprovalExpired
}

// decide is a person's verdict on the approval.
func (b *book) decide(now time.Time, id string, approve bool, shown aureus.Digest, comment string) (aureus.Approval, error) {
	a := b.find(now, id)
	switch {
	case a == nil:
		return aureus.Approval{}, unknownApproval()
	case a.RequestedByKey == operatorKeyID, a.Principal.ID == operatorName, a.OnBehalfOf == operatorName:
		return aureus.Approval{}, refuse(http.StatusForbidden, codeSelfApproval,
			"whoever asked for an approval, is its principal, or is the one it acts for cannot decide it")
	case a.ActionDigest != shown:
		return aureus.Approval{}, refuse(http.StatusConflict, string(aureus.ReasonApprovalMismatch), "action_digest is not the digest of this approval")
	case a.Status != aureus.ApprovalPending:
		return aureus.Approval{}, refuse(http.StatusConflict, codeConflict, "the approval is no longer pending: it is %s", a.Status)
	}
	verdict := "reject"
	a.Status = aureus.ApprovalRejected
	if approve {
		verdict, a.Status = "approve", aureus.ApprovalApproved
		a.Quorum.Have++
	}
	a.Decisions = append(a.Decisions, aureus.ApprovalDecision{By: operatorName, At: aureus.TimestampOf(now), Verdict: verdict, Comment: comment})
	return *a, nil
}

// consume spends the approval for one decision, once.
func (b *book) consume(now time.Time, id string, use aureus.ApprovalUse) (aureus.Approval, error) {
	a := b.find(now, id)
	code := aureus.ReasonCode("")
	switch {
	case a == nil:
		return aureus.Approval{}, unknownApproval()
	case use.ActionDigest != a.ActionDigest, use.PrincipalID != a.Principal.ID:
		code = aureus.ReasonApprovalMismatch
	case a.Status == aureus.ApprovalPending:
		code = aureus.ReasonApprovalPending
	case a.Status == aureus.ApprovalRejected:
		code = aureus.ReasonApprovalRejected
	case a.Status == aureus.ApprovalConsumed:
		code = aureus.ReasonApprovalConsumed
	case a.Status != aureus.ApprovalApproved:
		code = aureus.ReasonApprovalExpired
	case use.PolicyVersion != "" && use.PolicyVersion != a.PolicyVersion:
		code = aureus.ReasonApprovalPolicyChanged
	}
	if code != "" {
		return aureus.Approval{}, refuse(http.StatusConflict, string(code), "%v", aureus.ApprovalError(code))
	}
	a.Status, a.ConsumedBy = aureus.ApprovalConsumed, use.DecisionID
	return *a, nil
}

func unknownApproval() error {
	return refuse(http.StatusNotFound, string(aureus.ReasonApprovalUnknown), "there is no such approval, or it is not this key's to see")
}

// list is copies of the approvals of that status, or of all, the oldest first.
func (b *book) list(now time.Time, status aureus.ApprovalStatus) []aureus.Approval {
	b.at(now)
	list := []aureus.Approval{}
	for _, a := range b.approvals {
		if status == "" || a.Status == status {
			list = append(list, copied(a))
		}
	}
	return list
}

// copied is the approval with a list of decisions of its own.
func copied(a *aureus.Approval) aureus.Approval {
	c := *a
	c.Decisions = slices.Clone(a.Decisions)
	c.URL = cmp.Or(c.URL, approvalPath(a.ID))
	return c
}
