package aureustest

import (
	"fmt"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/internal/vocab"
)

// The names in decisions of a [Server].
const (
	// PolicyVersion is the policy version of a decision for which the test sets none.
	PolicyVersion = "aureustest/1"

	// ReasonScripted is the reason code of a decision for which the test sets none.
	ReasonScripted aureus.ReasonCode = "SCRIPTED"

	// ReasonNotScripted is the reason code of the denial of an action for which the test
	// sets no decision.
	ReasonNotScripted aureus.ReasonCode = "NOT_SCRIPTED"
)

const ruleScript = "script"

// script holds the decisions and results that the test set. The zero script denies.
type script struct {
	actions map[string]aureus.Decision // by the action's id
	decide  func(aureus.Request) aureus.Decision
	gates   map[string]aureus.GateResult
}

// Allow makes the server allow the actions for every principal. Of the calls of Allow,
// Deny and RequireApproval for an action, the last one applies.
func (s *Server) Allow(actions ...string) {
	s.setDecision(aureus.Decision{Effect: aureus.Allow, ReasonCode: ReasonScripted, Reason: "the test allows it"}, actions...)
}

// Deny makes the server deny the action with the reason code, such as
// [aureus.ReasonPermissionDenied]; an empty code stands for [ReasonScripted].
func (s *Server) Deny(action string, code aureus.ReasonCode) {
	s.setDecision(aureus.Decision{ReasonCode: code, Reason: "the test denies it"}, action)
}

// RequireApproval makes the server require an approval for each request for the actions.
// The first request opens an approval; after [Server.Approve] the same request is allowed
// once.
func (s *Server) RequireApproval(actions ...string) {
	s.setDecision(aureus.Decision{
		Effect: aureus.RequireApproval, ReasonCode: aureus.ReasonHighRisk, Reason: "the test requires an approval",
	}, actions...)
}

func (s *Server) setDecision(decision aureus.Decision, actions ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.script.actions == nil {
		s.script.actions = map[string]aureus.Decision{}
	}
	for _, action := range actions {
		s.script.actions[action] = decision
	}
}

// Decide makes the server call the function for every action that Allow, Deny and
// RequireApproval do not name; nil removes the function. The server uses the effect, the
// reason and its code, the rule, the policy version and the metadata of the decision that
// it returns. It sets the other fields, and opens or uses an approval if the effect is
// [aureus.RequireApproval].
//
// The function is called concurrently, also for permission checks, and may use the server.
// If it panics, the test fails and the request gets no decision.
func (s *Server) Decide(decide func(aureus.Request) aureus.Decision) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.script.decide = decide
}

// Gate sets the result of the gate with that name: ValidateCommit returns it every time.
// The server fills empty fields as a control plane does; a result that has not passed
// blocks the commit if the request has block_on_failure. A gate without a result has not
// passed.
//
// A result that contradicts itself fails the test.
func (s *Server) Gate(name string, result aureus.GateResult) {
	s.tb.Helper()
	if err := contradiction(result); err != "" {
		s.tb.Errorf("aureustest: the result for the gate %q contradicts itself: %s", name, err)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.script.gates == nil {
		s.script.gates = map[string]aureus.GateResult{}
	}
	s.script.gates[name] = result
}

func contradiction(result aureus.GateResult) string {
	switch {
	case result.Passed && result.BlockedCommit:
		return "it passed and blocked the commit"
	case result.Passed && result.CRVStatus != "" && result.CRVStatus != vocab.CRVPassed,
		!result.Passed && result.CRVStatus == vocab.CRVPassed,
		result.BlockedCommit && result.CRVStatus == vocab.CRVWarning:
		return fmt.Sprintf("passed is %v, blocked_commit %v and crv_status %q", result.Passed, result.BlockedCommit, result.CRVStatus)
	case result.FailureCode != "" && !result.FailureCode.Valid():
		return fmt.Sprintf("%q is not a failure code", result.FailureCode)
	}
	return ""
}

// scripted is the decision that the test set for the request.
func (s *Server) scripted(request aureus.Request) (decision aureus.Decision, err error) {
	s.mu.Lock()
	said, ok := s.script.actions[request.Action.ID]
	decide := s.script.decide
	s.mu.Unlock()
	switch {
	case ok:
		return said, nil
	case decide == nil:
		return aureus.Decision{
			ReasonCode: ReasonNotScripted,
			Reason:     fmt.Sprintf("the test has set no decision for the action %.80q; see aureustest.Server.Allow", request.Action.ID),
		}, nil
	}
	returned := false
	defer func() {
		if !returned {
			s.tb.Errorf("aureustest: the function given to Decide panicked: %v", recover())
			decision, err = aureus.Decision{}, undecided("the function of the test panicked")
		}
	}()
	decision = decide(request)
	returned = true
	if decision.Effect > aureus.RequireApproval {
		return aureus.Decision{}, undecided(fmt.Sprintf("the effect %d of the test is unknown", decision.Effect))
	}
	return decision, nil
}
