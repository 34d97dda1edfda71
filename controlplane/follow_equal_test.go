package controlplane_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
)

// step is one request of a table, and the decision that every decider must give.
type step struct {
	name    string
	request aureus.Request
	effect  aureus.Effect
	code    aureus.ReasonCode
	approve bool // the request is approved before it is decided
	invalid bool // refused as invalid before the bundle is asked, if the control plane decides
}

func asking(principal, action string, arguments any, change ...func(*aureus.Request)) aureus.Request {
	r := aureus.Request{Principal: aureus.Principal{ID: principal}, Action: aureus.Action{ID: action}, Arguments: arguments}
	for _, c := range change {
		c(&r)
	}
	return r
}

func byTool(tool string) func(*aureus.Request) { return func(r *aureus.Request) { r.Tool = tool } }

func byRoute(route string) func(*aureus.Request) { return func(r *aureus.Request) { r.Route = route } }

func claiming(claims map[string]any) func(*aureus.Request) {
	return func(r *aureus.Request) { r.Principal.Claims = claims }
}

func behalf(of string) func(*aureus.Request) { return func(r *aureus.Request) { r.OnBehalfOf = of } }

func claimedLow(r *aureus.Request) { r.Action.RiskTier = aureus.TierLow }

type arguments = map[string]any

const (
	allow = aureus.Allow
	deny  = aureus.Deny
	asks  = aureus.RequireApproval
)

// equalSteps are decided one after the other by testdata/policies/equal.yaml.
var equalSteps = []step{
	// 1. Requests that are not valid.
	{name: "no principal", request: asking("", "doc.read", arguments{"id": "7"}), effect: deny, code: aureus.ReasonInvalidRequest, invalid: true},
	{name: "no such tier", request: asking("ann", "doc.read", arguments{"id": "7"}, func(r *aureus.Request) { r.Action.RiskTier = "tiny" }), effect: deny, code: aureus.ReasonInvalidRequest, invalid: true},
	{name: "argument missing", request: asking("ann", "doc.read", nil), effect: deny, code: aureus.ReasonInvalidRequest},
	{name: "argument empty", request: asking("ann", "doc.read", arguments{"id": ""}), effect: deny, code: aureus.ReasonInvalidRequest},
	{name: "argument with slash", request: asking("ann", "doc.read", arguments{"id": "a/b"}), effect: deny, code: aureus.ReasonInvalidRequest},
	{name: "argument list", request: asking("ann", "doc.read", arguments{"id": []any{"a"}}), effect: deny, code: aureus.ReasonInvalidRequest},
	{name: "arguments no object", request: asking("ann", "doc.read", []any{"id"}), effect: deny, code: aureus.ReasonInvalidRequest},
	{name: "schema too large", request: asking("ann", "shaped", arguments{"n": 10}), effect: deny, code: aureus.ReasonInvalidRequest},
	{name: "schema missing", request: asking("ann", "shaped", nil), effect: deny, code: aureus.ReasonInvalidRequest},
	{name: "schema", request: asking("ann", "shaped", arguments{"n": 9}), effect: allow, code: aureus.ReasonLowRisk},
	{name: "volatile", request: asking("ann", "doc.read", arguments{"id": "7"}, func(r *aureus.Request) { r.Volatile = []string{"/arguments/id"} }), effect: deny, code: aureus.ReasonInvalidRequest, invalid: true},

	// 2. Stops.
	{name: "stopped principal", request: asking("agent-7", "doc.read", arguments{"id": "7"}), effect: deny, code: aureus.ReasonStopped},
	{name: "stopped on behalf", request: asking("ann", "doc.read", arguments{"id": "7"}, behalf("agent-7")), effect: deny, code: aureus.ReasonStopped},
	{name: "stopped action", request: asking("ann", "attic.clean", nil), effect: deny, code: aureus.ReasonStopped},
	{name: "stopped, and more reasons", request: asking("agent-7", "forbidden", nil), effect: deny, code: aureus.ReasonStopped},
	{name: "not the stopped one", request: asking("agent-8", "doc.read", arguments{"id": "7"}), effect: allow, code: aureus.ReasonLowRisk},

	// 3. Actions.
	{name: "unknown action", request: asking("ann", "doc.burn", nil), effect: deny, code: aureus.ReasonActionUnknown},
	{name: "action in other case", request: asking("ann", "Doc.read", arguments{"id": "7"}), effect: deny, code: aureus.ReasonActionUnknown},
	{name: "unknown route", request: asking("ann", "", nil, byRoute("GET /elsewhere")), effect: deny, code: aureus.ReasonActionUnknown},
	{name: "unknown tool", request: asking("ann", "", nil, byTool("sh")), effect: deny, code: aureus.ReasonActionUnknown},
	{name: "route not bound", request: asking("ann", "doc.read", arguments{"id": "7"}, byRoute("GET /elsewhere")), effect: deny, code: aureus.ReasonInvalidRequest},
	{name: "route of another", request: asking("ann", "doc.read", arguments{"id": "7"}, byRoute("PUT /docs/{id}")), effect: deny, code: aureus.ReasonInvalidRequest},
	{name: "tool of another", request: asking("ann", "doc.read", arguments{"id": "7"}, byTool("door")), effect: deny, code: aureus.ReasonInvalidRequest},
	{name: "tool and route", request: asking("ann", "", arguments{"id": "7"}, byRoute("PUT /docs/{id}"), byTool("read_doc")), effect: deny, code: aureus.ReasonInvalidRequest},
	{name: "by route", request: asking("ann", "", arguments{"id": "7"}, byRoute("GET /docs/{id}")), effect: allow, code: aureus.ReasonLowRisk},
	{name: "by tool", request: asking("ann", "", arguments{"id": "7"}, byTool("read_doc")), effect: allow, code: aureus.ReasonLowRisk},
	{name: "all three", request: asking("ann", "doc.read", arguments{"id": "7"}, byRoute("GET /docs/{id}"), byTool("read_doc")), effect: allow, code: aureus.ReasonLowRisk},
	{name: "open", request: asking("eve", "open.door", nil), effect: allow, code: aureus.ReasonOpenAction},
	{name: "open by route", request: asking("eve", "", nil, byRoute("GET /door")), effect: allow, code: aureus.ReasonOpenAction},

	// 4. Tools.
	{name: "tool not listed", request: asking("ann", "doc.read", arguments{"id": "7"}, byTool("sh")), effect: deny, code: aureus.ReasonToolNotAllowed},
	{name: "no tool listed", request: asking("ann", "note.write", nil, byTool("sh")), effect: deny, code: aureus.ReasonToolNotAllowed},
	{name: "open, another tool", request: asking("ann", "open.door", nil, byTool("sh")), effect: deny, code: aureus.ReasonToolNotAllowed},

	// 5. Permissions.
	{name: "granted", request: asking("ann", "doc.read", arguments{"id": "7"}), effect: allow, code: aureus.ReasonLowRisk},
	{name: "argument number", request: asking("ann", "doc.read", arguments{"id": 7}), effect: allow, code: aureus.ReasonLowRisk},
	{name: "medium", request: asking("ann", "note.write", nil), effect: allow, code: aureus.ReasonMediumRisk},
	{name: "unknown principal", request: asking("eve", "ping", nil), effect: deny, code: aureus.ReasonPermissionDenied},
	{name: "principal in other case", request: asking("Ann", "ping", nil), effect: deny, code: aureus.ReasonPermissionDenied},
	{name: "known without roles", request: asking("guest", "ping", nil), effect: allow, code: aureus.ReasonLowRisk},
	{name: "no grant", request: asking("guest", "note.write", nil), effect: deny, code: aureus.ReasonPermissionDenied},
	{name: "no grant, and a high tier", request: asking("guest", "big.move", nil), effect: deny, code: aureus.ReasonPermissionDenied},
	{name: "claimed permissions", request: asking("guest", "note.write", nil, func(r *aureus.Request) {
		r.Principal.Permissions = []aureus.Permission{{Action: "write", Resource: "notes"}}
	}), effect: deny, code: aureus.ReasonPermissionDenied},
	{name: "own document", request: asking("ann", "doc.write", arguments{"id": "ann"}), effect: allow, code: aureus.ReasonLowRisk},
	{name: "document of another", request: asking("ann", "doc.write", arguments{"id": "bob"}), effect: deny, code: aureus.ReasonPermissionDenied},
	{name: "grant that fails", request: asking("bob", "doc.write", arguments{"id": "bob"}), effect: deny, code: aureus.ReasonPermissionDenied},
	{name: "longest prefix", request: asking("agent-big-1", "doc.read", arguments{"id": "7"}), effect: deny, code: aureus.ReasonPermissionDenied},
	{name: "role by claims", request: asking("eve", "log.audit", nil, claiming(map[string]any{"groups": []any{"audit"}})), effect: allow, code: aureus.ReasonLowRisk},
	{name: "other claims", request: asking("eve", "log.audit", nil, claiming(map[string]any{"groups": []any{"sales"}})), effect: deny, code: aureus.ReasonPermissionDenied},

	// 6. Rules.
	{name: "rule holds", request: asking("ann", "ruled", arguments{"amount": 101}), effect: deny, code: aureus.ReasonRuleDenied},
	{name: "rule does not hold", request: asking("ann", "ruled", arguments{"amount": 1}), effect: allow, code: aureus.ReasonLowRisk},
	{name: "rule fails", request: asking("ann", "ruled", arguments{"sum": 1}), effect: deny, code: aureus.ReasonConditionError},
	{name: "rule of other type", request: asking("ann", "ruled", arguments{"amount": "1"}), effect: deny, code: aureus.ReasonConditionError},
	{name: "unconditional", request: asking("ann", "forbidden", nil), effect: deny, code: aureus.ReasonRuleDenied},
	{name: "several reasons", request: asking("guest", "forbidden", nil, byTool("sh")), effect: deny, code: aureus.ReasonToolNotAllowed},
	{name: "shadow", request: asking("ann", "shadowed", nil), effect: allow, code: aureus.ReasonLowRisk},
	{name: "time of the request", request: asking("ann", "nightly", nil), effect: deny, code: aureus.ReasonRuleDenied},

	// 7. Budgets.
	{name: "budget", request: asking("ann", "spend", arguments{"amount": 60}), effect: allow, code: aureus.ReasonMediumRisk},
	{name: "budget used", request: asking("ann", "spend", arguments{"amount": 41}), effect: deny, code: aureus.ReasonBudgetExceeded},
	{name: "budget of another", request: asking("bob", "spend", arguments{"amount": 41}), effect: allow, code: aureus.ReasonMediumRisk},
	{name: "budget, the rest", request: asking("ann", "spend", arguments{"amount": 40}), effect: allow, code: aureus.ReasonMediumRisk},
	{name: "budget, more than the limit", request: asking("bob", "spend", arguments{"amount": 101}), effect: deny, code: aureus.ReasonBudgetExceeded},
	{name: "budget without an amount", request: asking("ann", "spend", nil), effect: deny, code: aureus.ReasonConditionError},
	{name: "budget, negative", request: asking("ann", "spend", arguments{"amount": -1}), effect: deny, code: aureus.ReasonConditionError},
	{name: "denied, and the budget is used up", request: asking("ann", "spend", arguments{"amount": 66}), effect: deny, code: aureus.ReasonRuleDenied},
	{name: "claimed low", request: asking("ann", "spend", arguments{"amount": 1}, claimedLow), effect: deny, code: aureus.ReasonBudgetExceeded},

	// 8. Tiers, and rules that ask.
	{name: "high", request: asking("ann", "big.move", nil), effect: asks, code: aureus.ReasonHighRisk},
	{name: "high again", request: asking("ann", "big.move", nil), effect: asks, code: aureus.ReasonApprovalPending},
	{name: "high, claimed low", request: asking("ann", "big.move", arguments{"x": 1}, claimedLow), effect: asks, code: aureus.ReasonHighRisk},
	{name: "approved", request: asking("ann", "big.move", nil), approve: true, effect: allow, code: aureus.ReasonApproved},
	{name: "used", request: asking("ann", "big.move", nil), effect: asks, code: aureus.ReasonHighRisk},
	{name: "critical", request: asking("ann", "big.bang", nil), effect: asks, code: aureus.ReasonCriticalRisk},
	{name: "rule asks", request: asking("ann", "ruled", arguments{"amount": 11}), effect: asks, code: aureus.ReasonRuleNeedsApproval},
	{name: "rule asks, claimed low, with a body", request: asking("ann", "ruled", arguments{"amount": 12}, claimedLow, func(r *aureus.Request) {
		r.HTTP = &aureus.HTTPCall{Method: "POST", Host: "h", Path: "/", Body: []byte("text")}
	}), effect: asks, code: aureus.ReasonRuleNeedsApproval},
	{name: "tier when", request: asking("ann", "tiered", arguments{"size": 11}), effect: asks, code: aureus.ReasonHighRisk},
	{name: "tier when, strictest", request: asking("ann", "tiered", arguments{"size": "x"}), effect: asks, code: aureus.ReasonCriticalRisk},
	{name: "tier", request: asking("ann", "tiered", arguments{"size": 1}), effect: allow, code: aureus.ReasonMediumRisk},
	{name: "ticket of nobody", request: asking("ann", "forbidden", nil, func(r *aureus.Request) { r.ApprovalToken = "apr_00000000000000000000000000" }), effect: deny, code: aureus.ReasonRuleDenied},
}

// answeredSteps are decided by testdata/policies/answers.yaml, which changes the answers
// of all tiers.
var answeredSteps = []step{
	{name: "low", request: asking("ann", "low", nil), effect: asks, code: aureus.ReasonTierNeedsApproval},
	{name: "low, approved", request: asking("ann", "low", nil), approve: true, effect: allow, code: aureus.ReasonApproved},
	{name: "medium", request: asking("ann", "medium", nil), effect: deny, code: aureus.ReasonTierDenied},
	{name: "high", request: asking("ann", "high", nil), effect: allow, code: aureus.ReasonTierAllowed},
	{name: "critical", request: asking("ann", "critical", nil), effect: deny, code: aureus.ReasonTierDenied},
}

// Every decider gives the same decision on every request, in every part that a caller can
// act on.
func TestDeciders_SameBundle_GiveEqualAnswers(t *testing.T) {
	t.Parallel()
	seen := map[aureus.ReasonCode]bool{}
	asHTTP := map[string]bool{} // the cases that were sent as HTTP requests too
	total := 0
	for file, table := range map[string]struct {
		steps []step
		stops []string
	}{
		"equal.yaml":   {equalSteps, []string{"principal:agent-7", "action:attic.*"}},
		"answers.yaml": {answeredSteps, nil},
	} {
		text, err := os.ReadFile(filepath.Join("testdata", "policies", file))
		require.NoError(t, err)
		d := newEqualDeciders(t, text, table.stops...)
		for _, s := range table.steps {
			if s.approve {
				d.approve(t, s.request.Action.ID)
			}
			want := d.decide(t, 0, s.request)
			require.Equal(t, []any{s.effect, s.code}, []any{want.Effect, want.ReasonCode}, "%s: %s", s.name, want.Reason)
			seen[s.code] = true
			total++
			for n := 1; n < len(d.list); n++ {
				routed, overHTTP := d.list[n].(*byRoutes)
				if overHTTP && !routed.takes(s.request) {
					continue
				}
				if overHTTP {
					asHTTP[s.name] = true
				}
				got := d.decide(t, n, s.request)
				require.Equal(t, want.Effect, got.Effect, "%s, %s: %s", s.name, d.names[n], got.Reason)
				if got.ReasonCode == "" { // guard.Check returns nothing for an allow
					continue
				}
				if s.invalid && (strings.HasPrefix(d.names[n], "remote") || overHTTP || strings.HasSuffix(d.names[n], "middleware")) {
					require.Equal(t, want.ReasonCode, got.ReasonCode, s.name)
					continue
				}
				expected, received := whatCallersUse(want), whatCallersUse(got)
				if overHTTP || strings.HasSuffix(d.names[n], "middleware") { // the digest binds the HTTP request too
					expected.Digest, received.Digest = aureus.Digest{}, aureus.Digest{}
				}
				require.Equal(t, expected, received, "%s, %s", s.name, d.names[n])
			}
		}
	}
	require.GreaterOrEqual(t, total, 60)
	require.GreaterOrEqual(t, len(asHTTP), 40)
	for _, code := range []aureus.ReasonCode{
		aureus.ReasonInvalidRequest, aureus.ReasonStopped, aureus.ReasonActionUnknown, aureus.ReasonToolNotAllowed, aureus.ReasonPermissionDenied,
		aureus.ReasonRuleDenied, aureus.ReasonConditionError, aureus.ReasonBudgetExceeded, aureus.ReasonHighRisk, aureus.ReasonCriticalRisk,
		aureus.ReasonRuleNeedsApproval, aureus.ReasonTierNeedsApproval, aureus.ReasonTierDenied, aureus.ReasonTierAllowed, aureus.ReasonOpenAction,
		aureus.ReasonLowRisk, aureus.ReasonMediumRisk, aureus.ReasonApproved, aureus.ReasonApprovalPending,
	} {
		require.True(t, seen[code], code)
	}
}

// whatCallersUse returns the decision without what differs between two decisions on the same
// request: its id, its approval and its times.
func whatCallersUse(d aureus.Decision) aureus.Decision {
	d.ID, d.Metadata = aureus.DecisionID{}, nil
	d.Approval = aureus.ApprovalRef{Status: d.Approval.Status}
	d.RetryAfter = min(d.RetryAfter, time.Nanosecond) // whether there is one
	if len(d.Matched) == 0 {
		d.Matched = nil
	}
	return d
}
