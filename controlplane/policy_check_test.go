package controlplane_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane"
)

// TestCheck_GeneratedRequests_AnswersAsEvaluate sends the same requests to both
// endpoints. Every request has another principal, so no approval exists before and the
// limit of pending approvals is not reached.
func TestCheck_GeneratedRequests_AnswersAsEvaluate(t *testing.T) {
	t.Parallel()
	srv := open(t)
	asker := session(t, srv, newKey(t, srv, controlplane.RoleService, "service"))
	random := rand.New(rand.NewPCG(7, 11))
	seen := map[string]int{}
	for i := range 600 {
		question := generatedQuestion(random, i)
		checked := asker(t, "/api/v1/policy/check", question)
		question["current_state"], question["audit_log"] = "idle", []any{}
		evaluated := asker(t, "/api/v1/policy/evaluate", question)
		text := mustMarshal(t, question)
		require.Equal(t, evaluated["allowed"], checked["allowed"], text)
		require.Equal(t, evaluated["requires_human_approval"], checked["requires_human_approval"], text)
		require.Equal(t, evaluated["reason"], checked["reason"], text)
		code, _ := evaluated["reason_code"].(string)
		seen[code]++
	}
	for _, code := range []aureus.ReasonCode{
		aureus.ReasonLowRisk, aureus.ReasonMediumRisk, aureus.ReasonHighRisk, aureus.ReasonCriticalRisk, aureus.ReasonMCP, aureus.ReasonMCPWithCRV,
		aureus.ReasonToolRequired, aureus.ReasonToolNotAllowed, aureus.ReasonPermissionDenied, aureus.ReasonInvalidRequest,
	} {
		require.Positive(t, seen[string(code)], "the generated requests reach %s; seen: %v", code, seen)
	}
}

// session sends requests with one key and returns the responses, which must have status
// 200.
func session(t *testing.T, srv *controlplane.Server, key string) func(t *testing.T, path string, body any) map[string]any {
	t.Helper()
	return func(t *testing.T, path string, body any) map[string]any {
		t.Helper()
		got := raw{path: path, body: mustMarshal(t, body), key: key}.do(t, srv)
		require.Equal(t, 200, got.status, got.body)
		return got.json(t)
	}
}

func pick[T any](random *rand.Rand, of ...T) T { return of[random.IntN(len(of))] }

// generatedQuestion returns a random request of check that may meet any rule of the
// guard.
func generatedQuestion(random *rand.Rand, i int) map[string]any {
	conditions := func() any {
		return pick[any](random, nil, nil, map[string]any{"owner": "me"}, map[string]any{"owner": []any{"me", "you"}}, map[string]any{"owner": "me", "limit": 5})
	}
	permissions := func(most int) []any {
		list := []any{}
		for range random.IntN(most + 1) {
			list = append(list, map[string]any{
				"action": pick(random, "read", "read", "write"), "resource": "ledger",
				"intent": pick[any](random, nil, "read", "delete"), "data_zone": pick[any](random, nil, nil, "public", "restricted"), "conditions": conditions(),
			})
		}
		return list
	}
	action := map[string]any{
		"id": "act", "name": "Act", "risk_tier": pick(random, "low", "MEDIUM", "high", "critical"),
		"required_permissions": permissions(1), "intent": pick[any](random, nil, nil, "read"),
		"allowed_tools": pick[any](random, nil, nil, nil, []any{}, []any{"bank", "psql"}),
		"metadata": pick[any](random, nil, map[string]any{"tool_name": "bank"}, map[string]any{"mcpActionName": "pay", "requiresCRVValidation": true},
			map[string]any{"mcpActionName": "pay"}, map[string]any{"n": json.Number("1e99999999999")}),
	}
	return map[string]any{
		"principal": map[string]any{"id": fmt.Sprintf("agent-%d", i), "type": "agent", "permissions": permissions(3)},
		"action":    action,
		"tool_name": pick[any](random, nil, nil, "bank", "shell"),
	}
}

// check refuses and denies the same requests as evaluate, also for reasons besides the
// action and the permissions.
func TestCheck_MembersOfARequest_AreLookedAtAsByEvaluate(t *testing.T) {
	t.Parallel()
	srv := open(t)
	key := newKey(t, srv, controlplane.RoleService, "service", func(k *controlplane.Key) { k.SpeaksFor = []string{"agent-1", "carol"} })
	for name, row := range map[string]struct {
		member string
		value  any
		status int
	}{
		"on behalf of a permitted principal":  {"on_behalf_of", "carol", 200},
		"on behalf of another principal":      {"on_behalf_of", "dave", 403},
		"on behalf of an invisible name":      {"on_behalf_of", "car\u202eol", 422},
		"a volatile value":                    {"volatile", []any{"/arguments/amount"}, 422},
		"a workflow with a bidi mark":         {"workflow_id", "w\u202e", 422},
		"a task with a line feed":             {"task_id", "t\n", 422},
		"a trace with an invisible character": {"trace_id", "t\u200b", 422},
		"an empty HTTP call":                  {"http", map[string]any{}, 422},
		"arguments":                           {"arguments", map[string]any{"amount": 5}, 200},
		"arguments without a digest":          {"arguments", json.RawMessage(`{"n":1e99999999999}`), 200},
		"nothing":                             {"arguments", nil, 200},
	} {
		for _, tier := range []string{"low", "high"} {
			t.Run(name+", "+tier, func(t *testing.T) {
				t.Parallel()
				question := map[string]any{
					"principal": map[string]any{"id": "agent-1", "type": "agent", "permissions": []any{}},
					"action":    map[string]any{"id": "act", "name": "Act", "risk_tier": tier, "required_permissions": []any{}},
					row.member:  row.value, "current_state": "idle", "audit_log": []any{},
				}
				checked := raw{path: "/api/v1/policy/check", body: mustMarshal(t, question), key: key}.do(t, srv)
				evaluated := raw{path: "/api/v1/policy/evaluate", body: mustMarshal(t, question), key: key}.do(t, srv)
				require.Equal(t, row.status, evaluated.status, evaluated.body)
				require.Equal(t, row.status, checked.status, checked.body)
				for _, member := range []string{"allowed", "requires_human_approval", "code", "error"} {
					if member == "allowed" && row.status != 200 || member == "code" && row.status == 200 {
						continue
					}
					require.Equal(t, evaluated.json(t)[member], checked.json(t)[member], member)
				}
			})
		}
	}
}
