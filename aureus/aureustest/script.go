package aureustest

import (
	"fmt"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/internal/vocab"
)

// The names that decisions of a [Server] carry.
const (
	// PolicyVersion is the version of the policy in every scripted decision
	// that names no other.
	PolicyVersion = "aureustest/1"

	// ReasonScripted is the reason code of a scripted answer that names none.
	ReasonScripted aureus.ReasonCode = "SCRIPTED"

	// ReasonNotScripted is the reason code of the denial of what nobody
	// scripted.
	ReasonNotScripted aureus.ReasonCode = "NOT_SCRIPTED"
)

const ruleScript = "script"

// script is what a test has said. The zero script refuses.
type script struct {
	actions map[string]aureus.Decision // by the action's id
	decide  func(aureus.Request) aureus.Decision
	gates   map[string]aureus.GateResult
}

// Allow lets the actions through, whoever asks. What is said of an action last
// counts.
func (s *Server) Allow(actions ...string) {
	s.say(aureus.Decision{Effect: aureus.Allow, ReasonCode: ReasonScripted, Reason: "allowed by the test's script"}, actions...)
}

// Deny refuses the action with the code, such as
// [aureus.ReasonPermissionDenied]; an empty code is [ReasonScripted].
func (s *Server) Deny(action string, code aureus.ReasonCode) {
	s.say(aureus.Decision{ReasonCode: code, Reason: "denied by the test's script"}, action)
}

// RequireApproval has a person decide about each request for the actions. The
// first one opens an approval; [Server.Approve] lets the same request, and no
// other, through once.
func (s *Server) RequireApproval(actions ...string) {
	s.say(aureus.Decision{
		Effect: aureus.RequireApproval, ReasonCode: aureus.ReasonHighRisk, Reason: "a person has to approve it first, says the test's script",
	}, actions...)
}

func (s *Server) say(decision aureus.Decision, actions ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.script.actions == nil {
		s.script.actions = map[string]aureus.Decision{}
	}
	for _, action := range actions {
		s.script.actions[action] = decision
	}
}

// Decide has the function decide about every action that Allow, Deny and
// RequireApproval do not name; nil takes it away. Of its answer the effect, the
// reason, its code, the rule, the version and the metadata count; the server
// fills in whom and what it is about, and opens or spends the approval where the
// effect is [aureus.RequireApproval].
//
// The function is called concurrently, for permission checks as well, and may
// use the server. A panic in it fails the test, and the request gets no
// decision.
func (s *Server) Decide(decide func(aureus.Request) aureus.Decision) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.script.decide = decide
}

// Gate scripts the result of the gate with that name: validating a commit gives
// it again each time. Passed is what counts. What the rest leaves out is filled
// in as a control plane has it: a result that has not passed blocks where the
// request says that it blocks. A gate that nobody scripted has not passed.
//
// A result that contradicts itself fails the test.
func (s *Server) Gate(name string, result aureus.GateResult) {
	s.tb.Helper()
	if err := contradiction(result); err != "" {
		s.tb.Errorf("aureustest: the result for the gate %q cannot be one: %s", name, err)
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
		return fmt.Sprintf("%q is no failure code", result.FailureCode)
	}
	return ""
}

// scripted is what the script says of a request.
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
			Reason:     fmt.Sprintf("nothing is scripted for the action %.80q; see aureustest.Server.Allow", request.Action.ID),
		}, nil
	}
	returned := false
	defer func() {
		if !returned {
			s.tb.Errorf("aureustest: the function given to Decide panicked: %v", recover())
			decision, err = aureus.Decision{}, undecided("the scripted function panicked")
		}
	}()
	decision = decide(request)
	returned = true
	if decision.Effect > aureus.RequireApproval {
		return aureus.Decision{}, undecided(fmt.Sprintf("the scripted effect %d is unknown", decision.Effect))
	}
	return decision, nil
}
