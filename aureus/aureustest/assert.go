package aureustest

import (
	"fmt"
	"slices"
	"strings"

	"github.com/farmountain/aureus-go/aureus"
)

// RequireAllowed ends the test unless the latest decision about the action and the
// principal is an allow. Decisions are those of the server and those that a local decider
// recorded. It returns the record of the decision.
func RequireAllowed(tb TB, srv *Server, action, principal string) aureus.DecisionRecord {
	tb.Helper()
	return requireEffect(tb, srv, action, principal, aureus.Allow)
}

// RequireDenied is like [RequireAllowed], for a denial.
func RequireDenied(tb TB, srv *Server, action, principal string) aureus.DecisionRecord {
	tb.Helper()
	return requireEffect(tb, srv, action, principal, aureus.Deny)
}

// RequireHeld is like [RequireAllowed], for a decision that requires an approval.
func RequireHeld(tb TB, srv *Server, action, principal string) aureus.DecisionRecord {
	tb.Helper()
	return requireEffect(tb, srv, action, principal, aureus.RequireApproval)
}

// RequireOutcome ends the test unless the latest decision about the action and the
// principal has an outcome with that status, such as "success". It returns the outcome.
// Close the Recorder of the service before this call, so that its outcomes have arrived.
func RequireOutcome(tb TB, srv *Server, action, principal, status string) aureus.Outcome {
	tb.Helper()
	record, ok := srv.latest(action, principal)
	if !ok {
		failf(tb, "there is no decision about %s for %s, and no outcome: %s", action, principal, srv.listDecisions())
		return aureus.Outcome{}
	}
	srv.mu.Lock()
	outcomes := srv.requests.outcomes.all()
	srv.mu.Unlock()
	for _, outcome := range outcomes {
		if outcome.DecisionID != record.DecisionID {
			continue
		}
		if outcome.Status != status {
			failf(tb, "the outcome of %s for %s is %s, not %s%s", action, principal, outcome.Status, status, because(outcome.ErrorClass))
		}
		return outcome
	}
	failf(tb, "the decision about %s for %s (%s) has no outcome; close the Recorder before this check", action, principal, record.Effect)
	return aureus.Outcome{}
}

func requireEffect(tb TB, srv *Server, action, principal string, want aureus.Effect) aureus.DecisionRecord {
	tb.Helper()
	record, ok := srv.latest(action, principal)
	switch {
	case !ok:
		failf(tb, "there is no decision about %s for %s: %s", action, principal, srv.listDecisions())
	case record.Effect != want.String():
		failf(tb, "the latest decision about %s for %s is %s, not %s%s", action, principal, record.Effect, want, because(string(record.ReasonCode)))
	}
	return record
}

func failf(tb TB, format string, args ...any) {
	tb.Helper()
	tb.Errorf("aureustest: "+format, args...)
	tb.FailNow()
}

func because(code string) string {
	if code == "" {
		return ""
	}
	return " (" + code + ")"
}

// latest is the latest decision about the action and the principal.
func (s *Server) latest(action, principal string) (aureus.DecisionRecord, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, record := range slices.Backward(s.requests.log.items) {
		if record.Action == action && record.Principal == principal {
			return record, true
		}
	}
	return aureus.DecisionRecord{}, false
}

// maxListed limits the decisions that the text of a failure lists.
const maxListed = 10

// listDecisions lists the latest decisions, so that the reader notices a misspelled name.
func (s *Server) listDecisions() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	items := s.requests.log.items
	if len(items) == 0 {
		return "there is no decision at all"
	}
	var b strings.Builder
	b.WriteString("the decisions are")
	for i, item := range items[max(0, len(items)-maxListed):] {
		if i > 0 {
			b.WriteString(",")
		}
		fmt.Fprintf(&b, " %s for %s: %s", item.Action, item.Principal, item.Effect)
	}
	return b.String()
}
