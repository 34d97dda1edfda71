package controlplane_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane"
)

// apart is part of every value that the first tenant stores, and of no request of the
// other tenant.
const apart = "kept-apart"

// The test sends a request for one tenant's data to every path of the contract, with an
// admin's key of another tenant. No response contains the data, and afterwards the data
// is unchanged. New paths must be added here.
func TestEveryPath_KeyOfAnotherTenant_SeesNothing(t *testing.T) {
	t.Parallel()
	srv := open(t, withTools(map[string]controlplane.Tool{
		"tell": {Run: func(context.Context, controlplane.ToolCall) (any, error) { return apart, nil }, RiskTier: aureus.TierLow},
	}))
	ours := newSite(t, srv)
	approval := furnish(t, ours)
	before := everything(t, ours)
	require.Equal(t, 10, strings.Count(strings.Join(slices.Sorted(maps.Values(before)), "\n"), apart+"-"), "each store has data of the tenant")

	theirs := ours.as(newKey(t, srv, controlplane.RoleAdmin, "svc", func(k *controlplane.Key) { k.Tenant = "other" })) // with the same subject
	follow := follower(t, theirs)
	use := fmt.Sprintf(`{"principal_id":"agent-1","action_digest":%q,"decision_id":%q}`, approval["action_digest"], aureus.NewDecisionID(newClock().Now()))
	verdict := fmt.Sprintf(`{"action_digest":%q}`, approval["action_digest"])
	decided := fmt.Sprintf(`[{"decision_id":%q,"principal":"agent-1","action":"transfer","effect":"allow","reason_code":"LOW_RISK"}]`, approval["decision_id"])
	outcome := fmt.Sprintf(`[{"decision_id":%q,"status":"failure","duration_ms":1}]`, approval["decision_id"])
	id := approval["id"]

	asked := map[string]struct {
		path, body string
		status     int
	}{
		"GET /metrics":                                {"", "", 200},
		"GET /api/v1/audit":                           {"", "", 200},
		"GET /api/v1/audit/export":                    {"", "", 200},
		"GET /api/v1/audit/verify":                    {"", "", 200},
		"GET /api/v1/audit/checkpoint":                {"", "", 200},
		"GET /api/v1/audit/proof":                     {"/api/v1/audit/proof?decision_id=" + approval["decision_id"], "", 404},
		"GET /api/v1/audit/consistency":               {"/api/v1/audit/consistency?from=1", "", 200},
		"GET /api/v1/crv/validators":                  {"", "", 200},
		"GET /api/v1/crv/validators/{id}":             {"/api/v1/crv/validators/house", "", 404},
		"GET /api/v1/observability/events":            {"", "", 200},
		"GET /api/v1/observability/metrics":           {"", "", 200},
		"GET /api/v1/observability/summary":           {"", "", 200},
		"GET /api/v1/observability/traces/{trace_id}": {"/api/v1/observability/traces/T", "", 200},
		"GET /api/v1/policy/approvals":                {"", "", 200},
		"GET /api/v1/policy/approvals/{id}":           {"/api/v1/policy/approvals/" + id, "", 404},
		"GET /api/v1/policy/bundle":                   {"", "", 404},
		"GET /api/v1/policy/bundle/history":           {"", "", 200},
		"GET /api/v1/policy/bundle/history/{version}": {"/api/v1/policy/bundle/history/1", "", 404},
		"GET /api/v1/policy/stops":                    {"", "", 200},
		"PUT /api/v1/policy/bundle":                   {"", string(ledgerBundle(1)), 200},
		"PUT /api/v1/policy/stops/{scope}":            {"/api/v1/policy/stops/all", `{"reason":"theirs"}`, 200},
		"DELETE /api/v1/policy/stops/{scope}":         {"/api/v1/policy/stops/principal:nobody", "", 404},
		"GET /api/v1/workflows/{id}/status":           {"/api/v1/workflows/w/status", "", 404},
		"GET /api/v1/decisions/{id}":                  {"/api/v1/decisions/" + approval["decision_id"], "", 404},
		"POST /api/v1/audit/gates/batch":              {"", `[{"decision_id":"` + approval["decision_id"] + `","gate_name":"g","crv_status":"passed","passed":true,"blocked":false}]`, 200},
		"POST /api/v1/audit/outcomes/batch":           {"", outcome, 200},
		"POST /api/v1/audit/records/batch":            {"", decided, 200},
		"POST /api/v1/crv/validate":                   {"", `{"commit":{"id":"c","data":1},"gate_config":{"name":"g","validators":["house"],"block_on_failure":true}}`, 200},
		"POST /api/v1/crv/validators":                 {"", `{"validator_id":"house","config":{"type":"not_null"}}`, 200},
		"POST /api/v1/observability/events":           {"", `{"type":"custom","timestamp":"t","workflow_id":"w","task_id":"t","data":{}}`, 200},
		"POST /api/v1/observability/events/batch":     {"", `[{"type":"custom","timestamp":"t","workflow_id":"w","task_id":"t","data":{}}]`, 200},
		"POST /api/v1/observability/metrics":          {"", `{"name":"m","value":2,"timestamp":"t"}`, 200},
		"POST /api/v1/observability/metrics/batch":    {"", `[{"name":"m","value":2,"timestamp":"t"}]`, 200},
		"POST /api/v1/observability/spans":            {"", `{"id":"s","trace_id":"T","name":"n","start_time":"t"}`, 200},
		"POST /api/v1/observability/spans/batch":      {"", `[{"id":"s","trace_id":"T","name":"n","start_time":"t"}]`, 200},
		"POST /api/v1/policy/approval":                {"", `{"action":` + deletionJSON + `,"principal":` + agentJSON + `,"reason":"r"}`, 200},
		"POST /api/v1/policy/approvals/{id}/approve":  {"/api/v1/policy/approvals/" + id + "/approve", verdict, 404},
		"POST /api/v1/policy/approvals/{id}/consume":  {"/api/v1/policy/approvals/" + id + "/consume", use, 404},
		"POST /api/v1/policy/approvals/{id}/reject":   {"/api/v1/policy/approvals/" + id + "/reject", verdict, 404},
		"POST /api/v1/policy/check":                   {"", `{"principal":` + agentJSON + `,"action":` + lookJSON + `}`, 200},
		"POST /api/v1/policy/evaluate":                {"", strings.Replace(evaluation(deletionJSON), `"audit_log"`, `"approval_token":"`+id+`","audit_log"`, 1), 200},
		"POST /api/v1/workflows/execute":              {"", `{"workflow":{"id":"w","name":"W","tasks":[],"dependencies":{}}}`, 200},
		"POST /api/v1/workflows/{id}/cancel":          {"/api/v1/workflows/only-ours/cancel", "", 404},
	}
	served := []string{}
	for name, o := range readContract(t).operations() {
		if o.role != "none" && name != "GET /api/v1/stream" { // the stream is followed during the whole test
			served = append(served, name)
		}
	}
	require.ElementsMatch(t, served, slices.Collect(maps.Keys(asked)))

	for _, name := range slices.Sorted(maps.Keys(asked)) { // in this order, so that what changes the policy comes last
		q := asked[name]
		method, path, _ := strings.Cut(name, " ")
		if q.path != "" {
			path = q.path
		}
		got := raw{method: method, path: path, body: q.body, key: theirs.service}.do(t, ours.checker)
		require.Equal(t, q.status, got.status, "%s: %s", name, got.body)
		require.NotContains(t, got.body, apart, name)
	}
	theirs.post(t, "/api/v1/observability/events", `{"type":"custom","timestamp":"t","data":{"last":true}}`).ok(t)
	told := follow(`"last":true`, apart)
	require.NotContains(t, told, apart, "GET /api/v1/stream")
	require.Contains(t, told, `"last":true`)

	require.Equal(t, before, everything(t, ours), "the data of the tenant is unchanged")
}

// furnish stores data of every kind for a tenant, and returns what is needed to request
// its approval.
func furnish(t *testing.T, s *site) map[string]string {
	t.Helper()
	asked := s.post(t, "/api/v1/policy/evaluate", strings.Replace(evaluation(deletionJSON), `"audit_log"`, `"arguments":{"note":"`+apart+`-1"},"audit_log"`, 1)).ok(t)
	s.post(t, "/api/v1/crv/validators", `{"validator_id":"house","config":{"type":"not_null","description":"`+apart+`-2"}}`).ok(t)
	s.post(t, "/api/v1/crv/validate", `{"commit":{"id":"c","data":1},"gate_config":{"name":"`+apart+`-3","validators":["house"],"block_on_failure":true}}`).ok(t)
	s.post(t, "/api/v1/observability/events", `{"type":"custom","timestamp":"t","workflow_id":"w","task_id":"t","data":{"note":"`+apart+`-4"}}`).ok(t)
	s.post(t, "/api/v1/observability/metrics", `{"name":"m","value":1,"timestamp":"t","tags":{"note":"`+apart+`-5"}}`).ok(t)
	s.post(t, "/api/v1/observability/spans", `{"id":"s","trace_id":"T","name":"`+apart+`-6","start_time":"t"}`).ok(t)
	for _, id := range []string{"w", "only-ours"} {
		s.post(t, "/api/v1/workflows/execute", `{"workflow":{"id":"`+id+`","name":"W","tasks":[{"id":"t","name":"T","type":"action","tool_name":"tell"}],"dependencies":{}},"correlation_id":"`+apart+`"}`).ok(t)
	}
	s.as(s.operator).send(t, http.MethodPut, "/api/v1/policy/stops/principal:nobody", `{"reason":"`+apart+`-7"}`).ok(t)
	put(t, s.server, ledgerBundle(1, "name: ledger", "name: "+apart+"-8"))
	return map[string]string{
		"id": asked.field(t, "approval_token"), "action_digest": asked.field(t, "action_digest"), "decision_id": asked.field(t, "decision_id"),
	}
}

// everything returns all that the operator of a tenant can read.
func everything(t *testing.T, s *site) map[string]string {
	t.Helper()
	answers := map[string]string{}
	for _, path := range []string{
		"audit", "audit/verify", "policy/approvals", "policy/stops", "policy/bundle/history", "crv/validators", "observability/events", "observability/metrics",
		"observability/traces/T", "observability/summary", "workflows/w/status", "workflows/only-ours/status",
	} {
		answers[path] = s.as(s.operator).get(t, "/api/v1/"+path).ok(t).body
	}
	return answers
}

// follower follows the stream from its beginning. The function that it returns waits
// for one of the texts and returns all events until then.
func follower(t *testing.T, s *site) (until func(texts ...string) string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.url+"/api/v1/stream", http.NoBody)
	require.NoError(t, err)
	r.Header = http.Header{"Authorization": {"Bearer " + s.service}, "Last-Event-Id": {"0-0"}}
	response, err := s.client.Do(r)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, response.Body.Close()) })
	require.Equal(t, http.StatusOK, response.StatusCode)
	return func(texts ...string) string {
		var told []byte
		heard := func(text string) bool { return bytes.Contains(told, []byte(text)) }
		for lines := bufio.NewScanner(response.Body); !slices.ContainsFunc(texts, heard) && lines.Scan(); {
			told = append(append(told, lines.Bytes()...), '\n')
		}
		return string(told)
	}
}
