package policy

import (
	"fmt"
	"strings"
	"time"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/internal/namefold"
)

// A Stop denies requests at once, whatever the bundle allows. Scope says which:
//
//   - "all": every request;
//   - "principal:ID": requests of this principal, or on behalf of it;
//   - "action:ID": requests for this action.
//
// An ID that ends with * stands for all ids that begin with the rest. Ids of actions are
// compared exactly. Names of principals are compared as a reader would: without regard to
// case, to characters that are not seen, and to how Unicode spells a letter, so that
// another spelling does not escape the stop. Any other scope stops every request: a mistake
// in the scope stops too much, and never nothing.
type Stop struct {
	Scope, Reason string
	By            string    // who stopped it
	At            time.Time // when it was stopped
}

// ruleStop is the name of the step that applies stops.
const ruleStop = "stop"

// stops is a compiled list of stops. A nil *stops stops nothing.
type stops struct {
	all        *aureus.RuleMatch
	principals stopNames
	actions    stopNames
}

// stopNames has the stops of principals or of actions.
type stopNames struct {
	exact    map[string]*aureus.RuleMatch
	prefixes []stopPrefix
}

type stopPrefix struct {
	prefix string
	match  *aureus.RuleMatch
}

func newStops(list []Stop) *stops {
	if len(list) == 0 {
		return nil
	}
	s := &stops{}
	for _, stop := range list {
		match := &aureus.RuleMatch{Rule: ruleStop, Effect: aureus.Deny.String(), ReasonCode: aureus.ReasonStopped, Reason: stopReason(stop)}
		kind, name, _ := strings.Cut(stop.Scope, ":")
		switch {
		case kind == "principal" && name != "":
			if prefix, ok := strings.CutSuffix(name, "*"); ok {
				s.principals.add(namefold.Fold(prefix)+"*", match)
			} else {
				s.principals.add(namefold.Fold(name), match)
			}
		case kind == "action" && name != "":
			s.actions.add(name, match)
		default:
			s.all = match
		}
	}
	return s
}

func stopReason(s Stop) string {
	reason := fmt.Sprintf("stopped (%s)", s.Scope)
	if s.By != "" {
		reason += " by " + s.By
	}
	if s.Reason != "" {
		reason += ": " + s.Reason
	}
	return reason
}

func (n *stopNames) add(name string, match *aureus.RuleMatch) {
	if prefix, ok := strings.CutSuffix(name, "*"); ok {
		n.prefixes = append(n.prefixes, stopPrefix{prefix, match})
		return
	}
	if n.exact == nil {
		n.exact = map[string]*aureus.RuleMatch{}
	}
	n.exact[name] = match
}

func (n *stopNames) any() bool { return len(n.exact)+len(n.prefixes) > 0 }

func (n *stopNames) find(name string) *aureus.RuleMatch {
	if name == "" {
		return nil
	}
	if match := n.exact[name]; match != nil {
		return match
	}
	for _, p := range n.prefixes {
		if strings.HasPrefix(name, p.prefix) {
			return p.match
		}
	}
	return nil
}

// find returns the stop that applies, or nil.
func (s *stops) find(request *aureus.Request, actionID string) *aureus.RuleMatch {
	if s.all != nil {
		return s.all
	}
	if s.principals.any() {
		if match := s.principals.find(namefold.Fold(request.Principal.ID)); match != nil {
			return match
		}
		if match := s.principals.find(namefold.Fold(request.OnBehalfOf)); match != nil {
			return match
		}
	}
	return s.actions.find(actionID)
}
