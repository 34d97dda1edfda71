package aureus

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/farmountain/aureus-go/internal/vocab"
	"github.com/farmountain/aureus-go/internal/wire"
)

// This file checks that the fields of a response agree with each other. If they do
// not, the response is ErrMalformed, and the client never picks one of the two
// meanings. Servers without the extensions of this project send only the published
// fields: no check requires a field that the published contract does not require.

// contradictable is a response whose fields can contradict each other.
type contradictable interface {
	// contradiction describes the first contradiction; empty if there is none.
	contradiction() string
}

// mustBeConsistent checks a response that was decoded from the text. It refuses fields
// that contradict each other, and the members error and code, which no success has.
func mustBeConsistent(op string, text []byte, response any) error {
	checked, ok := response.(contradictable)
	if !ok {
		return nil
	}
	if contradiction := checked.contradiction(); contradiction != "" {
		return malformed(op, errors.New(contradiction))
	}
	var failure failureMembers
	if err := decode(text, &failure); err != nil {
		return malformed(op, err)
	}
	if failure.Error != nil || failure.Code != nil {
		return malformed(op, errors.New("the status is a success, but the response has a member error or code"))
	}
	return nil
}

// failureMembers are members of an error's body.
type failureMembers struct {
	Error any `json:"error,omitzero"`
	Code  any `json:"code,omitzero"`
}

// The reason codes that only decisions with one effect have. Codes that are not listed
// may come with any effect, since servers can have their own. Codes are compared
// without case and surrounding spaces: a person who reads "permission_denied " takes it
// for PERMISSION_DENIED.
var (
	allowCodes = []ReasonCode{ReasonLowRisk, ReasonMediumRisk, ReasonMCP, ReasonMCPWithCRV, ReasonApproved, ReasonTierAllowed, ReasonOpenAction, ReasonLastKnownAllow}
	askCodes   = []ReasonCode{ReasonHighRisk, ReasonCriticalRisk, ReasonApprovalPending, ReasonRuleNeedsApproval, ReasonTierNeedsApproval}
	denyCodes  = append(errorCodes(),
		ReasonToolNotAllowed, ReasonToolRequired, ReasonPermissionDenied, ReasonInvalidRequest, ReasonNoApprovals, ReasonTooManyPending,
		ReasonStopped, ReasonActionUnknown, ReasonRuleDenied, ReasonConditionError, ReasonBudgetExceeded, ReasonTierDenied,
		"DENIED", "FORBIDDEN", "UNAUTHORIZED", "REJECTED", "BLOCKED", "IDEMPOTENCY_VIOLATION", "CONFIGURATION_ERROR", // other servers have these
	)
	// An approval was presented and does not apply: another one is opened, or the
	// request is denied.
	notApprovedCodes = []ReasonCode{
		ReasonApprovalRejected, ReasonApprovalExpired, ReasonApprovalConsumed, ReasonApprovalMismatch, ReasonApprovalUnknown, ReasonApprovalPolicyChanged,
	}
)

// errorCodes are the codes of error responses. A decision never has one.
func errorCodes() []ReasonCode {
	var codes []ReasonCode
	for _, code := range wire.ErrorCodes() {
		codes = append(codes, ReasonCode(code))
	}
	return codes
}

// codesAgainst returns the codes that a decision with the effect never has.
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
			return "its approval has no id"
		}
		if d.ApprovalToken != "" && d.ApprovalToken != a.ID {
			return "its approval_token is not the id of its approval"
		}
	}
	switch effect {
	case Allow:
		switch {
		case d.ApprovalToken != "":
			return "it allows, but has an approval_token"
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
			return "it denies, but has an approval_token"
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
		return "it allows, but has_permission is false"
	}
	return decision.contradiction()
}

func (a *ticketResponse) contradiction() string {
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
		return "the approval is new, but its status is " + string(a.Approval.Status)
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
			return fmt.Sprintf("a verdict is %.40q; it must be approve or reject", a.Decisions[i].Verdict)
		}
	}
	switch {
	case a.Quorum.Needed < 0 || a.Quorum.Have < 0:
		return "a number of its quorum is negative"
	case len(a.Decisions) > 0 && a.Quorum.Have > approvals:
		return fmt.Sprintf("its quorum counts %d approvals, but %d people have approved", a.Quorum.Have, approvals)
	}
	switch a.Status {
	case ApprovalApproved, ApprovalConsumed:
		switch {
		case a.Quorum.Have < a.Quorum.Needed:
			return fmt.Sprintf("it is %s, but only %d of %d people have approved", a.Status, a.Quorum.Have, a.Quorum.Needed)
		case rejections > 0:
			return fmt.Sprintf("it is %s, but a person has rejected it", a.Status)
		case a.Status == ApprovalApproved && !a.ConsumedBy.IsZero():
			return "it is approved, but a decision has used it"
		}
	case ApprovalPending:
		if rejections > 0 || !a.ConsumedBy.IsZero() || a.Quorum.Needed > 0 && a.Quorum.Have >= a.Quorum.Needed {
			return "it is pending, but its verdicts decide it or a decision has used it"
		}
	case ApprovalRejected, ApprovalExpired: // these allow nothing, so nothing is checked
	}
	return ""
}

func (g *GateResult) contradiction() string {
	blocked, known := g.CRVStatus == vocab.CRVBlocked, g.CRVStatus == vocab.CRVBlocked || g.CRVStatus == vocab.CRVWarning || g.CRVStatus == vocab.CRVPassed
	switch {
	case g.Passed && g.BlockedCommit:
		return "the gate passed, but blocked the commit"
	case g.Passed && known && g.CRVStatus != vocab.CRVPassed, !g.Passed && g.CRVStatus == vocab.CRVPassed:
		return fmt.Sprintf("the gate's status is %s, but passed is %v", g.CRVStatus, g.Passed)
	case known && blocked != g.BlockedCommit:
		return fmt.Sprintf("the gate's status is %s, but blocked_commit is %v", g.CRVStatus, g.BlockedCommit)
	case g.Passed && g.FailureCode != "":
		return "the gate passed, but its failure code is " + string(g.FailureCode)
	}
	for i := range g.ValidationResults {
		if g.Passed && !g.ValidationResults[i].Valid {
			return fmt.Sprintf("the gate passed, but result %d is invalid", i)
		}
	}
	return ""
}
