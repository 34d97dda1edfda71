package aureustest

import (
	"fmt"
	"slices"
	"strings"

	"github.com/farmountain/aureus-go/aureus"
)

// RequireAllowed ends the test unless the latest decision about the action and
// the principal is an allow, whether the server made it or a local decider
// recorded it. It gives the decision's record.
func RequireAllowed(tb TB, srv *Server, action, principal string) aureus.DecisionRecord {
	tb.Helper()
	return requireEffect(tb, srv, action, principal, aureus.Allow)
}

// RequireDenied is [RequireAllowed] for a denial.
func RequireDenied(tb TB, srv *Server, action, principal string) aureus.DecisionRecord {
	tb.Helper()
	return requireEffect(tb, srv, action, principal, aureus.Deny)
}

// RequireHeld is [RequireAllowed] for a decision that waits for a person.
func RequireHeld(tb TB, srv *Server, action, principal string) aureus.DecisionRecord {
	tb.Helper()
	return requireEffect(tb, srv, action, principal, aureus.RequireApproval)
}

// RequireOutcome ends the test unless the latest decision about the action and
// the principal has an outcome with that status, such as
// "success". It gives the outcome. Close the Recorder that reports
// outcomes first, so that they have arrived.
func RequireOutcome(tb TB, srv *Server, action, principal, status string) aureus.Outcome {
	tb.Helper()
	record, ok := srv.latest(action, principal)
	if !ok {
		failf(tb, "%s has no outcome for %s: %s", action, principal, srv.whatWasDecided())
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
	failf(tb, "%s for %s was decided (%s), and no outcome of it has been recorded; has the Recorder been closed?", action, principal, record.Effect)
	return aureus.Outcome{}
}

func requireEffect(tb TB, srv *Server, action, principal string, want aureus.Effect) aureus.DecisionRecord {
	tb.Helper()
	record, ok := srv.latest(action, principal)
	switch {
	case !ok:
		failf(tb, "nothing was decided about %s for %s: %s", action, principal, srv.whatWasDecided())
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

// latest is the last decision about the action and the principal.
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

// maxListed bounds the decisions that a failure lists.
const maxListed = 10

// whatWasDecided helps to find the word that was misspelled.
func (s *Server) whatWasDecided() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	items := s.requests.log.items
	if len(items) == 0 {
		return "nothing was decided at all"
	}
	var b strings.Builder
	b.WriteString("what was decided is")
	for i, item := range items[max(0, len(items)-maxListed):] {
		if i > 0 {
			b.WriteString(",")
		}
		fmt.Fprintf(&b, " %s for %s: %s", item.Action, item.Principal, item.Effect)
	}
	return b.String()
}
