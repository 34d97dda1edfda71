package aureustest

import (
	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/internal/approval"
	"github.com/farmountain/aureus-go/internal/reported"
)

// takeRecord refuses a record that a control plane would, and says whether it is
// known already: recording one twice does no harm.
func (s *Server) takeRecord(_ *request, record *aureus.DecisionRecord) (why string, known bool) {
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
			return "another decision, or another key's, has this id", false
		}
		return "", true
	}
	if why := reported.Consistent(*record); why != "" {
		return why, false
	}
	s.requests.log.add(*record, 0)
	return "", false
}

// takeOutcome is takeRecord for outcomes: there is one for each decision. It
// settles the approval that the decision used.
func (s *Server) takeOutcome(q *request, outcome *aureus.Outcome) (why string, known bool) {
	switch {
	case outcome.DecisionID.IsZero():
		return "/decision_id: is required", false
	case outcome.Status == "":
		return "/status: is required", false
	case outcome.NotDone && !approval.NotDone(*outcome):
		return "/not_done: only what failed, was blocked or was refused can be not done", false
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
	s.book.settle(s.Clock.Now(), s.asker(q.Request), outcome)
	return "", false
}
