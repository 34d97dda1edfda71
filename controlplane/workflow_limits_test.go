package controlplane_test

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane"
	"github.com/farmountain/aureus-go/controlplane/internal/storage"
)

// The runs of one subject that wait for an approval are limited, and leave room for
// other subjects and tenants.
func TestWaitingRuns_OfOneSubject_AreBoundedAndLeaveRoomForOthers(t *testing.T) {
	t.Parallel()
	srv := open(t, withTools(map[string]controlplane.Tool{"pay": {Run: echo}}))
	controlplane.SetRunQuota(srv, storage.RunQuota{Subject: 3, Bytes: 1 << 20, Tenant: 4, Beyond: 1})
	keys := twoTenants(t, srv)
	another := newKey(t, srv, controlplane.RoleService, "mallory", func(k *controlplane.Key) { k.Tenant = "hostile" })
	execute := func(key, id string) answer {
		spec := chain(id, task("pay", "pay", risk("HIGH")))
		return raw{path: "/api/v1/workflows/execute", key: key, body: `{"workflow":` + mustMarshal(t, spec) + `,"context":{"principal_permissions":[{"action":"write","resource":"ledger"}]}}`}.do(t, srv)
	}
	for _, id := range []string{"1", "2", "3"} {
		require.Equal(t, "partial", execute(keys.hostile, id).json(t)["status"])
	}
	for _, key := range []string{keys.hostile, another} {
		refused := execute(key, "4")
		refused.refusal(t, http.StatusTooManyRequests, "RESOURCE_EXHAUSTED")
		require.NotEmpty(t, refused.header.Get("Retry-After"))
		raw{method: "GET", path: "/api/v1/workflows/4/status", key: key}.do(t, srv).refusal(t, http.StatusNotFound, "NOT_FOUND")
	}
	require.Equal(t, http.StatusOK, execute(keys.hostile, "1").status, "a run that is already waiting does not count as a new one")
	require.Equal(t, "partial", execute(keys.neighbour, "1").json(t)["status"])
	execute(keys.neighbour, "2").refusal(t, http.StatusTooManyRequests, "RESOURCE_EXHAUSTED") // the limit of the tenant is 4
	require.Equal(t, "partial", execute(keys.operator, "1").json(t)["status"], "every subject of the tenant may still have one")
	require.Equal(t, "partial", execute(keys.victim, "1").json(t)["status"])

	require.Equal(t, http.StatusOK, raw{method: "POST", path: "/api/v1/workflows/1/cancel", key: keys.hostile}.do(t, srv).status)
	execute(keys.hostile, "5").refusal(t, http.StatusTooManyRequests, "RESOURCE_EXHAUSTED") // the tenant still has 4
	require.Equal(t, http.StatusOK, raw{method: "POST", path: "/api/v1/workflows/2/cancel", key: keys.hostile}.do(t, srv).status)
	require.Equal(t, "partial", execute(keys.hostile, "5").json(t)["status"], "the tenant is below its limit again")
}

// A run that waits for an approval holds no slot and no memory; when it continues,
// it takes a slot again.
func TestWaitingRun_GivesItsSlotBack_AndTakesOneToContinue(t *testing.T) {
	t.Parallel()
	running, finish := make(chan struct{}), make(chan struct{})
	pay := func(ctx context.Context, _ controlplane.ToolCall) (any, error) {
		close(running)
		select {
		case <-finish:
		case <-ctx.Done():
		}
		return "paid", nil
	}
	srv := open(t, withTools(map[string]controlplane.Tool{"pay": {Run: pay}}))
	client, governor := srv.Client(), controlplane.Governor(srv)
	spec := chain("w", task("pay", "pay", risk("HIGH")))
	result, err := client.ExecuteWorkflow(t.Context(), spec, allowed())
	require.NoError(t, err)
	require.Equal(t, "waiting", result.TaskResults["pay"].Status)
	require.Zero(t, governor.Runs.InUse(), "a waiting run holds no slot")
	require.Zero(t, governor.Parked.InUse())
	require.Zero(t, governor.Bytes.InUse())

	approvePending(t, srv.Operator("olga"), "pay")
	<-running
	require.EqualValues(t, 1, governor.Runs.InUse(), "a running one holds a slot")
	require.Positive(t, governor.Bytes.InUse())
	close(finish)
	statusOnce(t, client, "w", "success")
	require.NoError(t, srv.Close())
	require.Zero(t, governor.Runs.InUse())
	require.Zero(t, governor.Bytes.InUse())
}

// The results of a run's tasks are charged to its key while it runs. If the limit leaves
// no memory for a result, the task fails with an error that says so.
func TestTaskResults_WhileTheRunLasts_AreChargedToTheKey(t *testing.T) {
	t.Parallel()
	second, finish := make(chan struct{}), make(chan struct{})
	srv := open(t, withTools(map[string]controlplane.Tool{
		"large": {RiskTier: aureus.TierLow, Run: func(context.Context, controlplane.ToolCall) (any, error) {
			return strings.Repeat("x", 500_000), nil
		}},
		"wait": {RiskTier: aureus.TierLow, Run: func(ctx context.Context, _ controlplane.ToolCall) (any, error) {
			close(second)
			select {
			case <-finish:
			case <-ctx.Done():
			}
			return "done", nil
		}},
	}))
	pool := controlplane.Governor(srv).Bytes
	client := srv.Client()
	ended := make(chan error, 1)
	go func() {
		_, err := client.ExecuteWorkflow(t.Context(), chain("w", task("a", "large"), task("b", "wait")))
		ended <- err
	}()
	<-second
	require.Greater(t, pool.InUse(), int64(500_000))
	close(finish)
	require.NoError(t, <-ended)
	require.NoError(t, srv.Close())
	require.Zero(t, pool.InUse())
}
