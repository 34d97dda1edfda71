package controlplane_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane"
	"github.com/farmountain/aureus-go/internal/strictjson"
	"github.com/farmountain/aureus-go/internal/vocab"
)

func keyed(key string) http.Header { return http.Header{"Idempotency-Key": {key}} }

func TestReplay_SameIdempotencyKey_GivesTheFirstResponse(t *testing.T) {
	t.Parallel()
	clock := newClock()
	srv := open(t, at(clock))
	key, other := newKey(t, srv, controlplane.RoleService, "svc"), newKey(t, srv, controlplane.RoleService, "other")
	const path = "/api/v1/observability/events/batch"
	event := `[{"type":"custom","timestamp":"2026-03-01T00:00:00Z","data":{}}]`
	count := func() int {
		events, err := aureus.Collect(srv.Client().Events(t.Context(), aureus.EventQuery{}))
		require.NoError(t, err)
		return len(events)
	}
	first := raw{path: path, body: event, key: key, header: keyed("k1")}.do(t, srv)
	require.Equal(t, 200, first.status)
	require.Empty(t, first.header.Get("Idempotency-Replayed"))
	again := raw{path: path, body: event, key: key, header: keyed("k1")}.do(t, srv)
	require.Equal(t, first.body, again.body)
	require.Equal(t, "true", again.header.Get("Idempotency-Replayed"))
	require.Equal(t, "application/json", again.header.Get("Content-Type"))
	require.Equal(t, 1, count(), "nothing was stored twice")

	raw{path: path, body: strings.Replace(event, "custom", "rollback", 1), key: key, header: keyed("k1")}.do(t, srv).refusal(t, 422, "IDEMPOTENCY_KEY_REUSED")
	require.Equal(t, 200, raw{path: path, body: event, key: other, header: keyed("k1")}.do(t, srv).status)
	require.Equal(t, 2, count(), "the same Idempotency-Key of another caller is independent")
	require.Equal(t, 200, raw{path: path, body: event, key: key, header: keyed("k2")}.do(t, srv).status)
	require.Equal(t, 3, count())

	clock.Advance(11 * time.Minute)
	require.Empty(t, raw{path: path, body: event, key: key, header: keyed("k1")}.do(t, srv).header.Get("Idempotency-Replayed"))
	require.Equal(t, 4, count(), "the stored response expires after ten minutes")

	raw{path: path, body: `{`, key: key, header: keyed("k3")}.do(t, srv).refusal(t, 400, "MALFORMED_JSON")
	require.Equal(t, 200, raw{path: path, body: event, key: key, header: keyed("k3")}.do(t, srv).status, "a refusal is not stored, so the corrected request may use the same key")
	for _, bad := range []http.Header{keyed(""), keyed("a\tb"), keyed(strings.Repeat("x", 256)), {"Idempotency-Key": {"a", "b"}}} {
		raw{path: path, body: event, key: key, header: bad}.do(t, srv).refusal(t, 400, "VALIDATION_ERROR")
	}
}

// A client that did not receive the response to consuming an approval sends the request
// again with the same key and gets the same response.
func TestReplay_ConsumedApproval_IsReplayed(t *testing.T) {
	t.Parallel()
	srv := open(t)
	key := newKey(t, srv, controlplane.RoleService, "svc")
	body := `{"principal":{"id":"svc","type":"agent","permissions":[]},"action":{"id":"a","name":"A","risk_tier":"high","required_permissions":[]},"current_state":"idle","audit_log":[]}`
	evaluate := func(idempotencyKey string) answer {
		return raw{path: "/api/v1/policy/evaluate", body: body, key: key, header: keyed(idempotencyKey)}.do(t, srv)
	}
	require.Contains(t, evaluate("ask").body, `"require_approval"`)
	require.Contains(t, evaluate("ask").body, `"APPROVAL_PENDING"`, "a request whose response consumed nothing is decided again")

	olga := srv.Operator("olga")
	for approval, err := range olga.Approvals(t.Context(), aureus.ApprovalQuery{}) {
		require.NoError(t, err)
		_, err = olga.Approve(t.Context(), approval.ID, approval.ActionDigest, "")
		require.NoError(t, err)
	}
	passed := evaluate("go")
	require.Contains(t, passed.body, `"allow"`)
	require.Equal(t, passed.body, evaluate("go").body)
	require.NotContains(t, evaluate("go on").body, `"effect":"allow"`, "another request is decided on its own")
}

func TestReplay_ManyAtOnceWithOneKey_OneIsServed(t *testing.T) {
	t.Parallel()
	srv := open(t)
	key := newKey(t, srv, controlplane.RoleService, "svc")
	var all sync.WaitGroup
	var mu sync.Mutex
	statuses := map[int]int{}
	for range 40 {
		all.Go(func() {
			a := raw{path: "/api/v1/observability/events", body: `{"type":"custom","timestamp":"t","data":{}}`, key: key, header: keyed("same")}.do(t, srv)
			mu.Lock()
			statuses[a.status]++
			mu.Unlock()
		})
	}
	all.Wait()
	require.Equal(t, 40, statuses[200]+statuses[409], fmt.Sprint(statuses))
	events, err := aureus.Collect(srv.Client().Events(t.Context(), aureus.EventQuery{}))
	require.NoError(t, err)
	require.Len(t, events, 1)
}

// A stored allow that consumed an approval is replayed only while the approval is
// reserved for it. After it was released, committed or expired, or a key involved was
// revoked, a replay would permit the action a second time.
func TestIdempotencyKey_AllowWhoseApprovalIsNoLongerReserved_IsDecidedAnew(t *testing.T) {
	t.Parallel()
	request := transfer(aureus.TierHigh, 7)
	body := mustMarshal(t, map[string]any{"principal": request.Principal, "action": request.Action, "arguments": request.Arguments, "current_state": "idle", "audit_log": []any{}})
	for name, row := range map[string]struct {
		then  func(t *testing.T, srv *controlplane.Server, c *clock, svc *aureus.Client, first aureus.GuardDecision, operator string)
		again string // the effect of the repeated request
		third string // the effect of the same request under another key
	}{
		"nothing happened": {func(*testing.T, *controlplane.Server, *clock, *aureus.Client, aureus.GuardDecision, string) {}, "allow", "require_approval"},
		"released and consumed by another decision": {func(t *testing.T, _ *controlplane.Server, _ *clock, svc *aureus.Client, first aureus.GuardDecision, _ string) {
			t.Helper()
			require.NoError(t, svc.RecordOutcomes(t.Context(), []aureus.Outcome{{DecisionID: first.DecisionID, Status: vocab.OutcomeRefused}}))
			second, err := svc.Decide(t.Context(), request)
			require.NoError(t, err)
			require.Equal(t, aureus.Allow, second.Effect)
		}, "require_approval", "require_approval"},
		"released": {func(t *testing.T, _ *controlplane.Server, _ *clock, svc *aureus.Client, first aureus.GuardDecision, _ string) {
			t.Helper()
			require.NoError(t, svc.RecordOutcomes(t.Context(), []aureus.Outcome{{DecisionID: first.DecisionID, Status: vocab.OutcomeRefused}}))
		}, "allow", "require_approval"},
		"committed": {func(t *testing.T, _ *controlplane.Server, _ *clock, svc *aureus.Client, first aureus.GuardDecision, _ string) {
			t.Helper()
			require.NoError(t, svc.RecordOutcomes(t.Context(), []aureus.Outcome{{DecisionID: first.DecisionID, Status: vocab.OutcomeSuccess}}))
		}, "require_approval", "require_approval"},
		"expired": {func(_ *testing.T, _ *controlplane.Server, c *clock, _ *aureus.Client, _ aureus.GuardDecision, _ string) {
			c.Advance(3 * time.Minute)
		}, "require_approval", "require_approval"},
		"the approver's key was revoked": {func(t *testing.T, srv *controlplane.Server, _ *clock, _ *aureus.Client, _ aureus.GuardDecision, operator string) {
			t.Helper()
			id, _, _ := strings.Cut(operator, ".")
			require.NoError(t, srv.Keys().Revoke(t.Context(), "test", id))
		}, "require_approval", "require_approval"},
	} {
		t.Run(name, func(t *testing.T) {
			c := newClock()
			srv := open(t, at(c), func(config *controlplane.Config) { config.ApprovalUseTime = 2 * time.Minute })
			secret, operator := newKey(t, srv, controlplane.RoleService, "svc"), newKey(t, srv, controlplane.RoleOperator, "otto")
			svc, otto := client(t, srv, secret), client(t, srv, operator)
			evaluate := func(key string) (decision aureus.GuardDecision) {
				a := raw{path: "/api/v1/policy/evaluate", body: body, key: secret, header: keyed(key)}.do(t, srv)
				require.Equal(t, 200, a.status, a.body)
				require.NoError(t, strictjson.Unmarshal([]byte(a.body), &decision))
				return decision
			}
			require.Equal(t, "require_approval", evaluate("ask").Effect)
			approvePending(t, otto, "transfer")
			first := evaluate("go")
			require.Equal(t, "allow", first.Effect)

			row.then(t, srv, c, svc, first, operator)
			again := evaluate("go")
			require.Equal(t, row.again, again.Effect)
			require.Equal(t, name == "nothing happened", again.DecisionID == first.DecisionID)
			require.Equal(t, row.third, evaluate("another").Effect, "one approval is used once")
		})
	}
}

// The same for a local decider: the response to consuming an approval is not replayed
// after the approval was released.
func TestIdempotencyKey_ConsumeWhoseApprovalWasGivenBack_IsDecidedAnew(t *testing.T) {
	t.Parallel()
	srv := open(t)
	secret := newKey(t, srv, controlplane.RoleService, "svc")
	svc := client(t, srv, secret)
	request := transfer(aureus.TierHigh, 7)
	_, err := svc.Decide(t.Context(), request)
	require.NoError(t, err)
	approval := approveOne(t, srv)
	consume := func(key string, id aureus.DecisionID) answer {
		return raw{path: "/api/v1/policy/approvals/" + approval.ID + "/consume", key: secret, header: keyed(key), body: mustMarshal(t, aureus.ApprovalUse{
			PrincipalID: request.Principal.ID, ActionDigest: approval.ActionDigest, DecisionID: id,
		})}.do(t, srv)
	}
	first := aureus.NewDecisionID(time.Now())
	require.Equal(t, 200, consume("go", first).status)
	require.Equal(t, "true", consume("go", first).header.Get("Idempotency-Replayed"))
	require.NoError(t, svc.RecordOutcomes(t.Context(), []aureus.Outcome{{DecisionID: first, Status: vocab.OutcomeRefused}}))
	require.Equal(t, 200, consume("other", aureus.NewDecisionID(time.Now())).status)
	consume("go", first).refusal(t, 409, "APPROVAL_CONSUMED")
}

// The query is part of the request: an operator who cancels the workflows of two
// subjects with one Idempotency-Key cancels both.
func TestIdempotencyKey_AnotherQuery_IsAnotherRequest(t *testing.T) {
	t.Parallel()
	srv := open(t, withTools(map[string]controlplane.Tool{"pay": {Run: echo}}))
	operator := newKey(t, srv, controlplane.RoleOperator, "olga")
	for _, subject := range []string{"ledger", "payroll"} {
		svc := client(t, srv, newKey(t, srv, controlplane.RoleService, subject))
		runWorkflow(t, svc, chain("w", task("pay", "pay", risk("HIGH"))), allowed())
	}
	for _, subject := range []string{"ledger", "payroll"} {
		a := raw{path: "/api/v1/workflows/w/cancel?subject=" + subject, key: operator, header: keyed("stop")}.do(t, srv)
		require.Equal(t, 200, a.status, a.body)
		status := raw{method: "GET", path: "/api/v1/workflows/w/status?subject=" + subject, key: operator}.do(t, srv).json(t)
		require.Equal(t, "cancelled", status["status"], subject)
	}
}
