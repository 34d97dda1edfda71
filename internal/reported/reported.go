// Package reported has the rules for decisions that were made elsewhere and are
// reported to the audit log: what in them must agree, and with what. They are
// pure: what they judge is handed to them. The control plane and its test double
// share them.
package reported

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/farmountain/aureus-go/aureus"
)

// The time of a decision is part of its id. What is reported of a decision must
// come within MaxAge of it, which leaves a reporter days without a connection;
// and MaxAhead is what two clocks may differ by.
const (
	MaxAge   = 7 * 24 * time.Hour
	MaxAhead = 5 * time.Minute
)

// Recent says what is wrong with the time in a decision's id, as of now; it is
// empty where nothing is.
func Recent(id aureus.DecisionID, now time.Time) string {
	switch at := id.Time(); {
	case at.After(now.Add(MaxAhead)):
		return fmt.Sprintf("/decision_id: was made at %s, which is in the future; set the clock of the decider", at.Format(time.RFC3339))
	case at.Before(now.Add(-MaxAge)):
		return fmt.Sprintf("/decision_id: was made at %s; what is reported of a decision must come within %d days", at.Format(time.RFC3339), int(MaxAge.Hours())/24)
	}
	return ""
}

// meaning is what a decision with a known reason code says.
type meaning struct {
	effects []aureus.Effect
	tiers   []aureus.PolicyRiskTier // empty: any
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
		aureus.ReasonApprovalPending:       {asks, nil},
		aureus.ReasonApprovalRejected:      {noAllow, nil},
		aureus.ReasonApprovalExpired:       {noAllow, nil},
		aureus.ReasonApprovalConsumed:      {noAllow, nil},
		aureus.ReasonApprovalMismatch:      {noAllow, nil},
		aureus.ReasonApprovalUnknown:       {noAllow, nil},
		aureus.ReasonApprovalPolicyChanged: {noAllow, nil},
	}
)

// Consistent says how a reported decision contradicts itself; it is empty where
// it does not. A reason code that this package does not know, of a decider with
// rules of its own, contradicts nothing.
func Consistent(r aureus.DecisionRecord) string {
	var effect aureus.Effect
	if err := effect.UnmarshalText([]byte(r.Effect)); err != nil {
		return "/effect: " + err.Error()
	}
	if why := consistent(r.ReasonCode, effect, r.RiskTier); why != "" {
		return why
	}
	switch {
	case r.ReasonCode == aureus.ReasonApproved && r.ApprovalID == "":
		return "/approval_id: is required with the reason code " + string(aureus.ReasonApproved)
	case r.ApprovalID != "" && r.ActionDigest.IsZero() && effect != aureus.Deny:
		return "/action_digest: is required with an approval"
	}
	return ""
}

// Asks says why a decision with that reason code needs no person, so that no
// approval is asked for because of it; it is empty where it may. A code that this
// package does not know goes with any decision.
func Asks(code aureus.ReasonCode, tier aureus.PolicyRiskTier) string {
	return consistent(code, aureus.RequireApproval, tier)
}

// consistent says how a reason code contradicts the effect or the tier. A code that
// is a known one but for the case of its letters is none: who reads it takes it for
// the known one.
func consistent(code aureus.ReasonCode, effect aureus.Effect, tier aureus.PolicyRiskTier) string {
	m, known := meanings[code]
	if upper := aureus.ReasonCode(strings.ToUpper(string(code))); !known && upper != code {
		if _, known := meanings[upper]; known {
			return fmt.Sprintf("/reason_code: write %s in capital letters, or choose another code", upper)
		}
	}
	switch {
	case known && !slices.Contains(m.effects, effect):
		return fmt.Sprintf("/reason_code: %s is not the reason of the effect %s", code, effect)
	case known && tier != "" && len(m.tiers) > 0 && !slices.Contains(m.tiers, tier):
		return fmt.Sprintf("/reason_code: %s is not the reason of a decision on the tier %s", code, tier)
	}
	return ""
}

// Fits says why an approval that exists, and that the reporter has asked for, is
// not the one of the reported decision; it is empty where it is. spent is
// whether the approval was used by this very decision.
func Fits(r aureus.DecisionRecord, a aureus.Approval, spent bool) string {
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
		return "/approval_id: the approval is for something else: " + strings.Join(differs, " and ") + " differ from the record"
	case effect == aureus.Allow && !spent:
		return "/approval_id: the approval was not used by this decision, so it allows nothing"
	}
	return ""
}
