package aureus

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/farmountain/aureus-go/internal/vocab"
	"github.com/farmountain/aureus-go/internal/wire"
)

// Which answers say one thing. An answer that says two is worth nothing, whichever
// of them is the comfortable one: it is ErrMalformed. A server without our
// extensions sends only the published fields, and none of those is required here
// that the published contract does not require.

// consistentAnswer is an answer that can contradict itself.
type consistentAnswer interface {
	// contradiction says which two things the answer says; empty if it says one.
	contradiction() string
}

// mustBeConsistent finds what contradicts itself in an answer that was read from
// the text: its own fields, and an error beside what looks like a success.
func mustBeConsistent(op string, text []byte, answer any) error {
	checked, ok := answer.(consistentAnswer)
	if !ok {
		return nil
	}
	if why := checked.contradiction(); why != "" {
		return malformed(op, errors.New(why))
	}
	var failure failureMembers
	if err := decode(text, &failure); err != nil {
		return malformed(op, err)
	}
	if failure.Error != nil || failure.Code != nil {
		return malformed(op, errors.New("it is a success and an error at once: it has a member error or code"))
	}
	return nil
}

// failureMembers are the members of the answer for an error, which no success has.
type failureMembers struct {
	Error any `json:"error,omitzero"`
	Code  any `json:"code,omitzero"`
}

// The reason codes that go with one effect alone. A code that stands nowhere here
// goes with any: codes are an open vocabulary. They are compared without regard to
// case and to space around them: who reads one takes it for the known one.
var (
	allowCodes = []ReasonCode{ReasonLowRisk, ReasonMediumRisk, ReasonMCP, ReasonMCPWithCRV, ReasonApproved}
	askCodes   = []ReasonCode{ReasonHighRisk, ReasonCriticalRisk, ReasonApprovalPending}
	denyCodes  = append(errorCodes(),
		ReasonToolNotAllowed, ReasonToolRequired, ReasonPermissionDenied, ReasonInvalidRequest, ReasonNoApprovals, ReasonTooManyPending,
		"DENIED", "FORBIDDEN", "UNAUTHORIZED", "REJECTED", "BLOCKED", "IDEMPOTENCY_VIOLATION", "CONFIGURATION_ERROR", // of other servers
	)
	// Why an approval does not let a request through; it is asked for anew or denied.
	notApprovedCodes = []ReasonCode{
		ReasonApprovalRejected, ReasonApprovalExpired, ReasonApprovalConsumed, ReasonApprovalMismatch, ReasonApprovalUnknown, ReasonApprovalPolicyChanged,
	}
)

// errorCodes are the codes of error responses. No decision has one, so beside an
// allow one is a contradiction.
func errorCodes() []ReasonCode {
	var codes []ReasonCode
	for _, code := range wire.ErrorCodes() {
		codes = append(codes, ReasonCode(code))
	}
	return codes
}

// codesAgainst lists, for each effect, the known codes that it never has.
func codesAgainst(effect Effect) [][]ReasonCode {
	switch effect {
	case Allow:
		return [][]ReasonCode{askCodes, denyCodes, notApprovedCodes}
	case RequireApproval:
		return [][]ReasonCode{allowCodes, denyCodes}
	default:
		return [][]ReasonCode{allowCodes, askCodes}
	}
}

func (d *GuardDecision) contradiction() string {
	effect, err := effectOf(*d)
	if err != nil {
		return err.Error()
	}
	code := d.ReasonCode
	if code != "" {
		code = ReasonCode(strings.ToUpper(strings.TrimSpace(string(code))))
	}
	for _, codes := range codesAgainst(effect) {
		if slices.Contains(codes, code) {
			return fmt.Sprintf("its effect is %s, but its reason code is %s", effect, d.ReasonCode)
		}
	}
	if a := d.Approval; a != nil {
		if a.ID == "" {
			return "it tells of an approval without an id"
		}
		if d.ApprovalToken != "" && d.ApprovalToken != a.ID {
			return "its approval_token is not the id of its approval"
		}
	}
	switch effect {
	case Allow:
		switch {
		case d.ApprovalToken != "":
			return "it allows, and has an approval_token to wait with"
		case d.Approval == nil:
		case d.Approval.Status != ApprovalApproved && d.Approval.Status != ApprovalConsumed:
			return "it allows, but its approval is " + string(d.Approval.Status)
		case slices.Contains(allowCodes, code) && code != ReasonApproved:
			return fmt.Sprintf("it used an approval, but its reason code is %s", d.ReasonCode)
		}
	case RequireApproval:
		if d.Approval != nil && d.Approval.Status == ApprovalRejected {
			return "it requires an approval that was rejected"
		}
	default:
		if d.ApprovalToken != "" {
			return "it denies, and has an approval_token to wait with"
		}
	}
	return ""
}

func (a *checkAnswer) contradiction() string {
	if !a.Allowed {
		return ""
	}
	decision := GuardDecision{Allowed: true, RequiresHumanApproval: a.RequiresHumanApproval, Effect: a.Effect, ReasonCode: a.ReasonCode, ApprovalToken: a.ApprovalToken, Approval: a.Approval}
	if a.HasPermission != nil && !*a.HasPermission {
		return "it allows what the principal has no permission for"
	}
	return decision.contradiction()
}

func (a *ticketAnswer) contradiction() string {
	if a.Approval != nil && a.Approval.ID != a.ApprovalToken {
		return "its approval_token is not the id of its approval"
	}
	return ""
}

func (a *approvalResponse) contradiction() string {
	if a.Approval == nil {
		return ""
	}
	switch {
	case a.ApprovalToken != a.Approval.ID:
		return "its approval_token is not the id of its approval"
	case !a.Joined && a.Approval.Status != ApprovalPending:
		return "the approval is new, and " + string(a.Approval.Status) + " already"
	}
	return a.Approval.contradiction()
}

func (a *Approval) contradiction() string {
	approvals, rejections := 0, 0
	for i := range a.Decisions {
		switch a.Decisions[i].Verdict {
		case "approve":
			approvals++
		case "reject":
			rejections++
		default:
			return fmt.Sprintf("a person's verdict is %.40q, and neither approve nor reject", a.Decisions[i].Verdict)
		}
	}
	switch {
	case a.Quorum.Needed < 0 || a.Quorum.Have < 0:
		return "its quorum is negative"
	case len(a.Decisions) > 0 && a.Quorum.Have > approvals:
		return fmt.Sprintf("%d people are counted as having approved, and %d have", a.Quorum.Have, approvals)
	}
	switch a.Status {
	case ApprovalApproved, ApprovalConsumed:
		switch {
		case a.Quorum.Have < a.Quorum.Needed:
			return fmt.Sprintf("it is %s, but %d of %d have approved", a.Status, a.Quorum.Have, a.Quorum.Needed)
		case rejections > 0:
			return fmt.Sprintf("it is %s, but a person has rejected it", a.Status)
		case a.Status == ApprovalApproved && !a.ConsumedBy.IsZero():
			return "it is approved, but a decision has used it"
		}
	case ApprovalPending:
		if rejections > 0 || !a.ConsumedBy.IsZero() || a.Quorum.Needed > 0 && a.Quorum.Have >= a.Quorum.Needed {
			return "it is pending, but has been decided"
		}
	case ApprovalRejected, ApprovalExpired: // neither lets anything through
	}
	return ""
}

func (g *GateResult) contradiction() string {
	blocked, known := g.CRVStatus == vocab.CRVBlocked, g.CRVStatus == vocab.CRVBlocked || g.CRVStatus == vocab.CRVWarning || g.CRVStatus == vocab.CRVPassed
	switch {
	case g.Passed && g.BlockedCommit:
		return "the gate passed, and blocked the commit"
	case g.Passed && known && g.CRVStatus != vocab.CRVPassed, !g.Passed && g.CRVStatus == vocab.CRVPassed:
		return fmt.Sprintf("the gate's status is %s, and passed is %v", g.CRVStatus, g.Passed)
	case known && blocked != g.BlockedCommit:
		return fmt.Sprintf("the gate's status is %s, and blocked_commit is %v", g.CRVStatus, g.BlockedCommit)
	case g.Passed && g.FailureCode != "":
		return "the gate passed with the failure " + string(g.FailureCode)
	}
	for i := range g.ValidationResults {
		if g.Passed && !g.ValidationResults[i].Valid {
			return fmt.Sprintf("the gate passed, but the result %d is invalid", i)
		}
	}
	return ""
}
