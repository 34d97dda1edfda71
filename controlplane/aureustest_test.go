package controlplane_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/aureus/aureustest"
	"github.com/farmountain/aureus-go/controlplane"
	"github.com/farmountain/aureus-go/guard"
	"github.com/farmountain/aureus-go/internal/strictjson"
	"github.com/farmountain/aureus-go/internal/vocab"
)

// world is one server with clients of a service, of two operators and of an admin.
type world struct {
	service, operator, second, admin *aureus.Client

	clock interface{ Advance(time.Duration) }
}

// worlds returns a control plane and its test double, with the same rules.
func worlds(t *testing.T) (double, plane world) {
	t.Helper()
	srv := aureustest.New(t)
	srv.Decide((&guard.Local{}).Preview)
	srv.Gate("good", aureus.GateResult{Passed: true})
	srv.Gate("bad", aureus.GateResult{FailureCode: aureus.MissingData})

	moved := newClock()
	opened := open(t, at(moved))
	service, operator, second := opened.Client(), opened.Operator("olga"), opened.Operator("otto")
	t.Cleanup(func() { require.NoError(t, errors.Join(service.Close(), operator.Close(), second.Close())) })
	admin, _ := addKey(t, opened, controlplane.RoleAdmin, "ada")
	return world{srv.Client(), srv.Operator(), srv.Person("otto", "operator"), srv.Person("ada", "admin"), srv.Clock},
		world{service, operator, second, admin, moved}
}

// The same calls in the same order get responses of the same form from both servers,
// with equal values where callers branch on them.
func TestTestServer_SameCalls_EqualTheControlPlane(t *testing.T) {
	t.Parallel()
	double, plane := worlds(t)
	fromDouble, fromReal := double.story(t), plane.story(t)
	require.Len(t, fromDouble, len(fromReal))
	for i, want := range fromReal {
		t.Run(fmt.Sprintf("%02d %s", i, want.step), func(t *testing.T) { require.Equal(t, want, fromDouble[i]) })
	}
	require.Greater(t, len(fromReal), 40, "all calls of the story were made")
}

// told is the recorded result of one call.
type told struct {
	step  string
	shape any // of the response, with the values that callers branch on
}

// words lists the members of which the values are compared, not only the types.
var words = map[string]bool{
	"allowed": true, "requires_human_approval": true, "effect": true, "reason_code": true, "status": true, "joined": true, "hint": true,
	"passed": true, "blocked_commit": true, "crv_status": true, "failure_code": true, "gate_name": true, "registered": true, "replaced": true,
	"accepted": true, "index": true, "verdict": true, "needed": true, "have": true, "risk_tier": true, "claimed": true, "name": true, "value": true,
}

// shapeOf returns the form of a response: the names and types of its members, and the
// values of words.
func shapeOf(name string, value any) any {
	switch value := value.(type) {
	case map[string]any:
		shape := map[string]any{}
		for name, v := range value {
			shape[name] = shapeOf(name, v)
		}
		return shape
	case []any:
		list := make([]any, len(value))
		for i, v := range value {
			list[i] = shapeOf("", v)
		}
		return list
	}
	if words[name] {
		return value
	}
	return fmt.Sprintf("%T", value)
}

// story makes the calls with the client's method for raw calls, which is as strict as
// the others.
func (w world) story(t *testing.T) (story []told) {
	t.Helper()
	call := func(client *aureus.Client, method, path string, body any) map[string]any {
		t.Helper()
		var raw json.RawMessage
		err := client.Call(t.Context(), method, "/"+path, body, &raw)
		step := method + " " + path
		if e, ok := errors.AsType[*aureus.Error](err); ok {
			require.NotEmpty(t, e.RequestID)
			story = append(story, told{step, fmt.Sprintf("%d %s, again after %v", e.StatusCode, e.Code, e.RetryAfter)})
			return nil
		}
		require.NoError(t, err, step)
		value, err := strictjson.Parse(raw)
		require.NoError(t, err)
		story = append(story, told{step, shapeOf("", value)})
		object, _ := value.(map[string]any)
		return object
	}
	post := func(path string, body any) map[string]any {
		t.Helper()
		return call(w.service, http.MethodPost, path, body)
	}
	get := func(path string) { t.Helper(); call(w.service, http.MethodGet, path, nil) }
	evaluate := func(request aureus.Request) map[string]any {
		t.Helper()
		return post("policy/evaluate", request.Context())
	}
	type object = map[string]any

	// Decisions, and requests that cannot be decided.
	evaluate(transfer(aureus.TierLow, 1))
	evaluate(transfer(aureus.TierMedium, 1))
	unpermitted := transfer(aureus.TierLow, 1)
	unpermitted.Principal.Permissions = []aureus.Permission{}
	evaluate(unpermitted)
	nameless := transfer(aureus.TierLow, 1)
	nameless.Principal.ID = ""
	evaluate(nameless)
	post("policy/evaluate", object{"principal": 1})
	post("policy/evaluate", []int{1})
	for _, tier := range []aureus.PolicyRiskTier{aureus.TierLow, aureus.TierCritical} {
		post("policy/check", object{"principal": agent, "action": transfer(tier, 1).Action})
	}

	// An approval, from the request to its use.
	evaluate(transfer(aureus.TierHigh, 1))
	opened := evaluate(transfer(aureus.TierHigh, 1))
	id, _ := opened["approval_token"].(string)
	digest := opened["action_digest"]
	get("policy/approvals/" + id)
	story[len(story)-1].step = "GET the approval"
	get("policy/approvals?status=pending")
	decide := func(client *aureus.Client, verb string, digest any) {
		t.Helper()
		call(client, http.MethodPost, "policy/approvals/"+id+"/"+verb, object{"action_digest": digest, "comment": "seen"})
		story[len(story)-1].step = verb
	}
	decide(w.service, "approve", digest)
	decide(w.operator, "approve", aureus.Digest{1})
	decide(w.operator, "approve", digest)
	decide(w.operator, "reject", digest)
	hinted := transfer(aureus.TierHigh, 1)
	hinted.ApprovalToken = id
	evaluate(hinted)
	evaluate(hinted)
	hinted.ApprovalToken = "apr_00000000000000000000000000"
	hinted.Arguments = 2
	evaluate(hinted)
	get("policy/approvals?status=consumed")
	get("policy/approvals/apr_1")
	get("policy/approvals?status=maybe")

	// An approval that a local decider requests and consumes.
	approval := func(amount int) (id string, digest any) {
		t.Helper()
		asked := post("policy/approval", object{"principal": agent, "action": transfer(aureus.TierHigh, 1).Action, "reason": "please", "arguments": amount})
		answer, _ := asked["approval"].(map[string]any)
		id, _ = asked["approval_token"].(string)
		return id, answer["action_digest"]
	}
	id, digest = approval(7)
	approval(7)
	consume := func(digest any) {
		t.Helper()
		call(w.service, http.MethodPost, "policy/approvals/"+id+"/consume",
			object{"principal_id": agent.ID, "action_digest": digest, "decision_id": aureus.NewDecisionID(time.Now())})
		story[len(story)-1].step = "consume"
	}
	consume(digest)
	decide(w.operator, "approve", digest)
	consume(aureus.Digest{1})
	consume(digest)
	consume(digest)
	id, digest = approval(8)
	decide(w.operator, "reject", digest)
	consume(digest)
	id, digest = approval(9)
	w.clock.Advance(time.Hour + time.Second)
	consume(digest)
	decide(w.operator, "approve", digest)
	post("policy/approval", object{"principal": object{"id": "", "type": "", "permissions": []int{}}, "action": transfer(aureus.TierHigh, 1).Action, "reason": ""})

	// Terms: two people, one rejection, roles, and stricter terms than those in force.
	under := func(amount int, terms object) {
		t.Helper()
		asked := post("policy/approval", object{"principal": agent, "action": transfer(aureus.TierHigh, 1).Action, "reason": "please", "arguments": amount, "terms": terms})
		if answer, ok := asked["approval"].(map[string]any); ok {
			id, _ = asked["approval_token"].(string)
			digest = answer["action_digest"]
		}
	}
	under(20, object{"quorum": 2, "use_within_ms": 1000})
	decide(w.operator, "approve", digest)
	decide(w.operator, "approve", digest)
	decide(w.operator, "reject", digest)
	consume(digest)
	decide(w.second, "approve", digest)
	decide(w.admin, "approve", digest)
	w.clock.Advance(time.Second + 1)
	consume(digest)
	under(21, object{"quorum": 3, "decide_within_ms": 1000})
	decide(w.operator, "approve", digest)
	decide(w.second, "reject", digest)
	under(22, object{"roles": []string{"admin"}})
	decide(w.operator, "approve", aureus.Digest{1})
	decide(w.admin, "approve", digest)
	under(22, object{"roles": []string{"operator"}})
	under(22, object{"quorum": 2})
	consume(digest)
	under(22, object{})
	decide(w.second, "approve", digest)
	decide(w.admin, "approve", digest)
	under(23, object{"quorum": 11})
	under(23, object{"roles": []string{"service"}})
	under(23, object{"decide_within_ms": 1})
	under(23, object{"decide_within_ms": 999_999_999_999})

	// Gates and validators.
	commit := object{"id": "c", "data": object{"n": 1}}
	for _, gate := range []aureus.GateConfig{
		{Name: "good", Validators: []string{"not_null"}, BlockOnFailure: true},
		{Name: "bad", Validators: []string{"not_null"}, BlockOnFailure: true},
		{Name: "bad", Validators: []string{"not_null"}},
	} {
		if gate.Name == "bad" {
			commit["data"] = nil
		}
		post("crv/validate", object{"commit": commit, "gate_config": gate})
	}
	post("crv/validate", object{"commit": commit})
	post("crv/validators", object{"validator_id": "v", "config": object{"type": "max_size", "parameters": object{"max": 9}}})
	post("crv/validators", object{"validator_id": "v", "config": object{"type": "max_size", "parameters": object{"max": 9}}})
	post("crv/validators", object{"validator_id": "a/b", "config": object{"type": "max_size", "parameters": object{"max": 9}}})
	post("crv/validators", object{"validator_id": "w", "config": object{}})
	get("crv/validators")
	get("crv/validators/v")
	get("crv/validators/unknown")

	// Telemetry.
	span := aureus.Span{ID: "s", TraceID: "t", Name: "work", StartTime: "2026-01-02T03:04:05"}
	post("observability/spans", span)
	post("observability/spans", object{"id": 1})
	post("observability/spans/batch", []any{span, object{"id": 1}, nil})
	post("observability/spans/batch", span)
	metric := aureus.Metric{Name: "m", Value: 2, Timestamp: "2026-01-02", Tags: map[string]string{"env": "prod"}}
	post("observability/metrics", metric)
	post("observability/metrics/batch", []aureus.Metric{metric})
	event := aureus.TelemetryEvent{Type: aureus.EventStepEnd, Timestamp: "2026-01-02T03:04:05Z", TaskType: "action", Data: object{"success": true, "duration": 5}}
	post("observability/events", event)
	post("observability/events/batch", []aureus.TelemetryEvent{event})
	get("observability/traces/t")
	get("observability/traces/unknown")
	get("observability/metrics?name=m&tags=%7B%22env%22%3A%22prod%22%7D")
	get("observability/metrics?tags=x")
	get("observability/events?type=step_end&start_time=2026-01-02")
	get("observability/events?type=maybe")
	get("observability/events?start_time=soon")
	get("observability/summary?start_time=2026-01-02&end_time=2026-01-03")
	get("observability/summary?range=soon")
	for _, path := range []string{"observability/metrics", "policy/approvals", "crv/validators", "observability/summary", "observability/traces/t"} {
		get(path + "?nonsense=1")
		get(path + "?cursor=1&cursor=2")
	}
	get("observability/traces")
	post("observability/traces", nil)
	post("policy/check?nonsense=1", nil)

	// Records of decisions that were made elsewhere.
	decided := record("agent-9")
	decided.DecisionID = aureus.NewDecisionID(newClock().Now())
	contradicted := decided
	contradicted.DecisionID, contradicted.ReasonCode = aureus.NewDecisionID(newClock().Now()), aureus.ReasonApproved
	post("audit/records/batch", []any{decided, decided, contradicted, object{"decision_id": ""}, object{"effect": "maybe"}})
	outcome := aureus.Outcome{DecisionID: decided.DecisionID, Status: vocab.OutcomeSuccess, DurationMS: 1}
	failed := outcome
	failed.Status = vocab.OutcomeFailed
	post("audit/outcomes/batch", []any{outcome, outcome, failed, aureus.Outcome{}})
	post("audit/outcomes/batch", object{})

	// Things that do not exist.
	get("nowhere")
	get("policy/evaluate")
	return story
}

// A local decider can keep its approvals in the test double, as in a control plane.
func TestTestServer_ApprovalsOfALocalDecider_EqualTheControlPlane(t *testing.T) {
	t.Parallel()
	double, plane := worlds(t)
	tell := func(w world) (story []string) {
		ctx := context.WithoutCancel(t.Context())
		decider := &guard.Local{Approvals: w.service}
		ask := func() aureus.Decision {
			d, err := guard.Decide(ctx, decider, transfer(aureus.TierHigh, 5))
			require.NoError(t, err)
			story = append(story, fmt.Sprint(d.Effect, " ", d.ReasonCode, " ", d.Approval.Status))
			return d
		}
		d := ask()
		ask()
		_, err := w.operator.Approve(ctx, d.Approval.ID, d.Digest, "")
		require.NoError(t, err)
		ask()
		d = ask()
		_, err = w.operator.Reject(ctx, d.Approval.ID, d.Digest, "")
		require.NoError(t, err)
		ask()
		w.clock.Advance(time.Hour + time.Second)
		ask()
		return story
	}
	require.Equal(t, tell(plane), tell(double))
}
