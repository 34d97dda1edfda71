package aureustest

import (
	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/internal/approval"
	"github.com/farmountain/aureus-go/internal/reported"
)

// takeRecord refuses the records that a control plane refuses. known is true if the same
// record is already stored; it is accepted and not stored again.
func (s *Server) takeRecord(_ *request, record *aureus.DecisionRecord) (reason string, known bool) {
	if record.DecisionID.IsZero() {
		return "/decision_id: is required", false
	}
	if err := new(aureus.Effect).UnmarshalText([]byte(record.Effect)); err != nil {
		return "/effect: " + err.Error(), false
	}
	for _, other := range s.requests.log.items {
		if other.DecisionID != record.DecisionID {
			continue
		}
		if other.Principal != record.Principal || other.Action != record.Action || other.Effect != record.Effect {
			return "there is another decision with this id", false
		}
		return "", true
	}
	if reason := reported.Consistent(*record); reason != "" {
		return reason, false
	}
	s.requests.log.add(*record, 0)
	return "", false
}

// takeOutcome does the same for outcomes; a decision has at most one. It settles the
// approval that the decision used.
func (s *Server) takeOutcome(q *request, outcome *aureus.Outcome) (reason string, known bool) {
	switch {
	case outcome.DecisionID.IsZero():
		return "/decision_id: is required", false
	case outcome.Status == "":
		return "/status: is required", false
	case outcome.NotDone && !approval.NotDone(*outcome):
		return "/not_done: is allowed only with the status failed, blocked or refused", false
	}
	for _, other := range s.requests.outcomes.items {
		if other.DecisionID != outcome.DecisionID {
			continue
		}
		if other.Status != outcome.Status {
			return "another outcome is recorded for this decision", false
		}
		return "", true
	}
	s.approvalStore.settle(s.Clock.Now(), s.asker(q.Request), outcome)
	return "", false
}
