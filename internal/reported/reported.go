// Package reported checks decisions that were made elsewhere and are reported to
// the audit log: their fields must be consistent with each other and with the
// approval that they name. Its functions depend on their arguments alone. The
// control plane and its test double use them.
package reported

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/farmountain/aureus-go/aureus"
)

// A report must arrive at most MaxAge after the decision, so a reporter may be
// offline for days. The time of the decision, which is part of its id, may be at
// most MaxAhead in the future, because clocks differ.
const (
	MaxAge   = 7 * 24 * time.Hour
	MaxAhead = 5 * time.Minute
)

// Recent checks the time in a decision's id. It returns what is wrong, or "".
func Recent(id aureus.DecisionID, now time.Time) string {
	switch decided := id.Time(); {
	case decided.After(now.Add(MaxAhead)):
		return fmt.Sprintf("/decision_id: was made at %s, which is in the future; set the clock of the decider", decided.Format(time.RFC3339))
	case decided.Before(now.Add(-MaxAge)):
		return fmt.Sprintf("/decision_id: was made at %s; a decision must be reported within %d days", decided.Format(time.RFC3339), int(MaxAge.Hours())/24)
	}
	return ""
}

// meaning holds the effects and risk tiers that a reason code may occur with.
type meaning struct {
	effects []aureus.Effect
	tiers   []aureus.PolicyRiskTier // empty means any
}

var (
	allows   = []aureus.Effect{aureus.Allow}
	denies   = []aureus.Effect{aureus.Deny}
	asks     = []aureus.Effect{aureus.RequireApproval}
	noAllow  = []aureus.Effect{aureus.Deny, aureus.RequireApproval}
	routine  = []aureus.PolicyRiskTier{aureus.TierLow, aureus.TierMedium}
	meanings = map[aureus.ReasonCode]meaning{
		aureus.ReasonLowRisk:               {allows, []aureus.PolicyRiskTier{aureus.TierLow}},
		aureus.ReasonMediumRisk:            {allows, []aureus.PolicyRiskTier{aureus.TierMedium}},
		aureus.ReasonMCP:                   {allows, routine},
		aureus.ReasonMCPWithCRV:            {allows, routine},
		aureus.ReasonApproved:              {allows, nil},
		aureus.ReasonHighRisk:              {asks, []aureus.PolicyRiskTier{aureus.TierHigh}},
		aureus.ReasonCriticalRisk:          {asks, []aureus.PolicyRiskTier{aureus.TierCritical}},
		aureus.ReasonToolNotAllowed:        {denies, nil},
		aureus.ReasonToolRequired:          {denies, nil},
		aureus.ReasonPermissionDenied:      {denies, nil},
		aureus.ReasonInvalidRequest:        {denies, nil},
		aureus.ReasonNoApprovals:           {denies, nil},
		aureus.ReasonTooManyPending:        {denies, nil},
		aureus.ReasonStopped:               {denies, nil},
		aureus.ReasonActionUnknown:         {denies, nil},
		aureus.ReasonRuleDenied:            {denies, nil},
		aureus.ReasonConditionError:        {denies, nil},
		aureus.ReasonBudgetExceeded:        {denies, nil},
		aureus.ReasonTierDenied:            {denies, nil},
		aureus.ReasonRuleNeedsApproval:     {asks, nil},
		aureus.ReasonTierNeedsApproval:     {asks, nil},
		aureus.ReasonTierAllowed:           {allows, nil},
		aureus.ReasonOpenAction:            {allows, nil},
		aureus.ReasonLastKnownAllow:        {allows, []aureus.PolicyRiskTier{aureus.TierLow}},
		aureus.ReasonApprovalPending:       {asks, nil},
		aureus.ReasonApprovalRejected:      {noAllow, nil},
		aureus.ReasonApprovalExpired:       {noAllow, nil},
		aureus.ReasonApprovalConsumed:      {noAllow, nil},
		aureus.ReasonApprovalMismatch:      {noAllow, nil},
		aureus.ReasonApprovalUnknown:       {noAllow, nil},
		aureus.ReasonApprovalPolicyChanged: {noAllow, nil},
	}
)

// Consistent checks that the fields of a reported decision do not contradict each
// other. It returns what is wrong, or "". An unknown reason code, which a decider
// with other rules may use, is consistent with every effect and tier.
func Consistent(r aureus.DecisionRecord) string {
	var effect aureus.Effect
	if err := effect.UnmarshalText([]byte(r.Effect)); err != nil {
		return "/effect: " + err.Error()
	}
	if problem := checkCode(r.ReasonCode, effect, r.RiskTier); problem != "" {
		return problem
	}
	switch {
	case r.ReasonCode == aureus.ReasonApproved && r.ApprovalID == "":
		return "/approval_id: is required with the reason code " + string(aureus.ReasonApproved)
	case r.ApprovalID != "" && r.ActionDigest.IsZero() && effect != aureus.Deny:
		return "/action_digest: is required with an approval"
	}
	return ""
}

// Asks checks that a decision with this reason code and tier can require an
// approval. It returns what is wrong, or "". An unknown reason code is accepted.
func Asks(code aureus.ReasonCode, tier aureus.PolicyRiskTier) string {
	return checkCode(code, aureus.RequireApproval, tier)
}

// checkCode checks that the reason code may occur with the effect and the tier. A
// code that differs from a known one only in case is refused, because readers would
// take it for the known one.
func checkCode(code aureus.ReasonCode, effect aureus.Effect, tier aureus.PolicyRiskTier) string {
	m, known := meanings[code]
	if upper := aureus.ReasonCode(strings.ToUpper(string(code))); !known && upper != code {
		if _, known := meanings[upper]; known {
			return fmt.Sprintf("/reason_code: write %s in capital letters, or use another code", upper)
		}
	}
	switch {
	case known && !slices.Contains(m.effects, effect):
		return fmt.Sprintf("/reason_code: %s cannot be the reason for the effect %s", code, effect)
	case known && tier != "" && len(m.tiers) > 0 && !slices.Contains(m.tiers, tier):
		return fmt.Sprintf("/reason_code: %s cannot be the reason for a decision on the risk tier %s", code, tier)
	}
	return ""
}

// Fits checks that the approval a reported decision names is for that decision. It
// returns what is wrong, or "". used says whether this decision used the approval.
func Fits(r aureus.DecisionRecord, a aureus.Approval, used bool) string {
	var differs []string
	for _, part := range []struct {
		name string
		same bool
	}{
		{"principal", r.Principal == a.Principal.ID},
		{"on_behalf_of", r.OnBehalfOf == a.OnBehalfOf},
		{"action", r.Action == a.Action.ID},
		{"action_digest", r.ActionDigest.IsZero() || r.ActionDigest == a.ActionDigest},
	} {
		if !part.same {
			differs = append(differs, part.name)
		}
	}
	var effect aureus.Effect
	_ = effect.UnmarshalText([]byte(r.Effect)) // Consistent has checked it
	switch {
	case len(differs) > 0:
		return "/approval_id: the approval is for another request; these fields differ from the record: " + strings.Join(differs, ", ")
	case effect == aureus.Allow && !used:
		return "/approval_id: the approval was not used by this decision, so it allows nothing"
	}
	return ""
}
