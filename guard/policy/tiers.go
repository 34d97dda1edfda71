package policy

import (
	"cmp"
	"fmt"

	"github.com/farmountain/aureus-go/aureus"
)

// tier is a risk tier, by its position in the order low, medium, high, critical.
type tier int

const (
	low tier = iota
	medium
	high
	critical
	tiers // their number
)

var tierWords = [tiers]aureus.PolicyRiskTier{aureus.TierLow, aureus.TierMedium, aureus.TierHigh, aureus.TierCritical}

// tierOf returns the tier of a word, and critical for any other word.
func tierOf(word string) tier {
	for t, known := range tierWords {
		if string(known) == word {
			return tier(t)
		}
	}
	return critical
}

// defaultAnswers has the effect of each tier, unless the bundle changes it.
var defaultAnswers = [tiers]aureus.Effect{aureus.Allow, aureus.Allow, aureus.RequireApproval, aureus.RequireApproval}

// ruleTier is the name of the step that decides by the tier.
const ruleTier = "risk_tier"

// answer is what a bundle answers for a tier, if nothing else speaks against the request.
type answer struct {
	effect aureus.Effect
	match  aureus.RuleMatch // the code and the reason; Effect is empty for an allow
}

// answerFor makes the answer for a tier.
func (b *Bundle) answerFor(t tier) answer {
	effect, word := b.answers[t], tierWords[t]
	a := answer{effect: effect, match: aureus.RuleMatch{Rule: ruleTier}}
	if effect != aureus.Allow {
		a.match.Effect = effect.String()
	}
	switch {
	case effect == aureus.Deny:
		a.match.ReasonCode, a.match.Reason = aureus.ReasonTierDenied, fmt.Sprintf("%s risk, which the bundle denies", word)
	case effect == aureus.Allow && t == low:
		a.match.ReasonCode, a.match.Reason = aureus.ReasonLowRisk, "low risk, allowed"
	case effect == aureus.Allow && t == medium:
		a.match.ReasonCode, a.match.Reason = aureus.ReasonMediumRisk, "medium risk, allowed with monitoring"
	case effect == aureus.Allow:
		a.match.ReasonCode, a.match.Reason = aureus.ReasonTierAllowed, fmt.Sprintf("%s risk, which the bundle allows without a person", word)
	case t == high:
		a.match.ReasonCode, a.match.Reason = aureus.ReasonHighRisk, "high risk, a person has to approve it first"
	case t == critical:
		a.match.ReasonCode, a.match.Reason = aureus.ReasonCriticalRisk, "critical risk, a person has to approve it first"
	default:
		a.match.ReasonCode, a.match.Reason = aureus.ReasonTierNeedsApproval, fmt.Sprintf("%s risk, for which the bundle asks a person", word)
	}
	return a
}

// tierWhen is a tier that applies while a condition holds.
type tierWhen struct {
	when *condition
	tier tier
}

// strictestTier returns the tier with the strictest answer among those that the action
// names.
func (b *Bundle) strictestTier(a *action) tier {
	found := a.tier
	for n := range a.tierWhen {
		t := a.tierWhen[n].tier
		if order := cmp.Compare(severity(b.answers[t]), severity(b.answers[found])); order > 0 || order == 0 && t > found {
			found = t
		}
	}
	return found
}

// severity orders effects: 0 for allow, 1 for require_approval and 2 for deny.
func severity(effect aureus.Effect) int {
	switch effect {
	case aureus.Allow:
		return 0
	case aureus.RequireApproval:
		return 1
	case aureus.Deny:
	}
	return 2
}

// resolveTier returns the tier of the action for this request: that of the first
// condition that holds, and otherwise the action's own. If a condition cannot be
// evaluated, it is the one of the tiers that the action names with the strictest answer,
// and of several such tiers the highest.
func (i *inquiry) resolveTier() tier {
	a := i.action
	for n := range a.tierWhen {
		holds, err := i.holds(a.tierWhen[n].when)
		switch {
		case err != nil:
			return a.strictest
		case holds:
			return a.tierWhen[n].tier
		}
	}
	return a.tier
}
