package rules

import (
	"strings"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane/internal/storage"
	"github.com/farmountain/aureus-go/internal/namefold"
)

// stopRule is the name of the step that denies because of a stop: Decision.Rule.
const stopRule = "stop"

// stopFor returns the stop that forbids the action to the principal, or nil.
func stopFor(stops []storage.Stop, principal, onBehalfOf, action string) *storage.Stop {
	for i := range stops {
		kind, name, _ := strings.Cut(stops[i].Scope, ":")
		applies := true // for all, and for a scope that no version of this server stores
		switch kind {
		case "principal":
			name = foldScope(name) // as the engine of a bundle does: another spelling does not escape
			applies = selects(name, namefold.Fold(principal)) || selects(name, namefold.Fold(onBehalfOf))
		case "action":
			applies = selects(name, action)
		}
		if applies {
			return &stops[i]
		}
	}
	return nil
}

// Stopped returns why a stop of the tenant forbids what the approval is for, or "".
func Stopped(t storage.Tx, tenant string, a aureus.Approval) (reason string, err error) {
	stops, err := t.Policies().Stops(tenant)
	if stop := stopFor(stops, a.Principal.ID, a.OnBehalfOf, a.Action.ID); stop != nil {
		reason = reasonOf(stop)
	}
	return reason, err
}

func reasonOf(stop *storage.Stop) string {
	return "stopped (" + stop.Scope + ") by " + stop.By + ": " + stop.Reason
}

// foldScope folds the name of a scope, which may end in *.
func foldScope(name string) string {
	if prefix, ok := strings.CutSuffix(name, "*"); ok {
		return namefold.Fold(prefix) + "*"
	}
	return namefold.Fold(name)
}

// selects reports whether a name of a scope, which may end in *, selects the id. An empty
// id is never selected.
func selects(name, id string) bool {
	if prefix, ok := strings.CutSuffix(name, "*"); ok {
		return id != "" && strings.HasPrefix(id, prefix)
	}
	return id != "" && name == id
}

// stopped returns a denial in place of the decision if a stop forbids the request. A
// request that is not valid keeps its denial.
func (p *Policy) stopped(request *aureus.Request, d aureus.Decision) aureus.Decision {
	stop := stopFor(p.stops, request.Principal.ID, request.OnBehalfOf, d.ActionID)
	if stop == nil || d.ReasonCode == aureus.ReasonInvalidRequest {
		return d
	}
	d.Effect, d.ReasonCode, d.Rule, d.Digest = aureus.Deny, aureus.ReasonStopped, stopRule, aureus.Digest{}
	d.Reason = reasonOf(stop)
	d.Matched = []aureus.RuleMatch{{Rule: stopRule, Effect: aureus.Deny.String(), ReasonCode: d.ReasonCode, Reason: d.Reason}}
	return d
}
