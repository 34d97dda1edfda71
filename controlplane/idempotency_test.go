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
)

func keyed(key string) http.Header { return http.Header{"Idempotency-Key": {key}} }

func TestAnIdempotencyKeyGivesTheFirstAnswerAgain(t *testing.T) {
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
	require.Equal(t, 1, count(), "nothing was done twice")

	raw{path: path, body: strings.Replace(event, "custom", "rollback", 1), key: key, header: keyed("k1")}.do(t, srv).refusal(t, 422, "IDEMPOTENCY_KEY_REUSED")
	require.Equal(t, 200, raw{path: path, body: event, key: other, header: keyed("k1")}.do(t, srv).status)
	require.Equal(t, 2, count(), "another caller's key is another key")
	require.Equal(t, 200, raw{path: path, body: event, key: key, header: keyed("k2")}.do(t, srv).status)
	require.Equal(t, 3, count())

	clock.Advance(11 * time.Minute)
	require.Empty(t, raw{path: path, body: event, key: key, header: keyed("k1")}.do(t, srv).header.Get("Idempotency-Replayed"))
	require.Equal(t, 4, count(), "after ten minutes it is forgotten")

	raw{path: path, body: `{`, key: key, header: keyed("k3")}.do(t, srv).refusal(t, 400, "MALFORMED_JSON")
	require.Equal(t, 200, raw{path: path, body: event, key: key, header: keyed("k3")}.do(t, srv).status, "a refusal is not kept: the mended request may have the key")
	for _, bad := range []http.Header{keyed(""), keyed("a\tb"), keyed(strings.Repeat("x", 256)), {"Idempotency-Key": {"a", "b"}}} {
		raw{path: path, body: event, key: key, header: bad}.do(t, srv).refusal(t, 400, "VALIDATION_ERROR")
	}
}

// A client that did not hear that its approval was spent asks again with the
// same key, and is told the same.
func TestASpentApprovalIsToldAgain(t *testing.T) {
	srv := open(t)
	key := newKey(t, srv, controlplane.RoleService, "svc")
	body := `{"principal":{"id":"svc","type":"agent","permissions":[]},"action":{"id":"a","name":"A","risk_tier":"high","required_permissions":[]},"current_state":"idle","audit_log":[]}`
	evaluate := func(idempotencyKey string) answer {
		return raw{path: "/api/v1/policy/evaluate", body: body, key: key, header: keyed(idempotencyKey)}.do(t, srv)
	}
	require.Contains(t, evaluate("ask").body, `"require_approval"`)
	require.Contains(t, evaluate("ask").body, `"APPROVAL_PENDING"`, "an answer that spent nothing is given anew")

	olga := srv.Operator("olga")
	for approval, err := range olga.Approvals(t.Context(), aureus.ApprovalQuery{}) {
		require.NoError(t, err)
		_, err = olga.Approve(t.Context(), approval.ID, approval.ActionDigest, "")
		require.NoError(t, err)
	}
	passed := evaluate("go")
	require.Contains(t, passed.body, `"allow"`)
	require.Equal(t, passed.body, evaluate("go").body)
	require.NotContains(t, evaluate("go on").body, `"effect":"allow"`, "another request is another question")
}

func TestOneOfManyWithOneIdempotencyKeyIsServed(t *testing.T) {
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
