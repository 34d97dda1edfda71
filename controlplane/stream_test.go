package controlplane_test

import (
	"context"
	"errors"
	"io"
	"iter"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane"
)

func event(workflow string) aureus.TelemetryEvent {
	return aureus.TelemetryEvent{Type: aureus.EventCustom, Timestamp: "2026-01-01T00:00:00Z", WorkflowID: workflow, Data: map[string]any{"text": "line\nbreak"}}
}

// What happens is told as it happens, over a real connection, and from where a
// client left off after a restart.
func TestStream(t *testing.T) {
	srv := open(t)
	listening := httptest.NewServer(srv)
	defer listening.Close()
	operator, err := aureus.NewClient(listening.URL, aureus.WithAPIKey(newKey(t, srv, controlplane.RoleOperator, "olga")))
	require.NoError(t, err)
	defer func() { require.NoError(t, operator.Close()) }()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()

	require.NoError(t, operator.ReportEvent(ctx, event("before"))) // not told: it happened before
	next, stop := iter.Pull2(operator.Stream(ctx, aureus.StreamQuery{LastEventID: "1-0"}))
	defer stop()
	client := srv.Client()
	require.NoError(t, client.ReportEvent(ctx, event("w1")))
	first, err, ok := next()
	require.True(t, ok)
	require.NoError(t, err)
	for first.Kind != aureus.StreamTelemetry { // the keys of this test are in the audit log too, but tell no decision
		first, err, ok = next()
		require.True(t, ok)
		require.NoError(t, err)
	}
	require.Equal(t, "w1", first.Telemetry.WorkflowID)
	require.Equal(t, map[string]any{"text": "line\nbreak"}, first.Telemetry.Data)

	request := aureus.Request{Principal: aureus.Principal{ID: "agent", Type: "agent"}, Action: aureus.Action{ID: "a", Name: "A", RiskTier: aureus.TierHigh}}
	asked, err := client.Decide(ctx, request)
	require.NoError(t, err)
	told, err, ok := next()
	require.True(t, ok)
	require.NoError(t, err)
	require.Equal(t, aureus.StreamApproval, told.Kind)
	require.Equal(t, asked.Approval.ID, told.Audit.ApprovalID)
	told, err, ok = next()
	require.True(t, ok)
	require.NoError(t, err)
	require.Equal(t, aureus.StreamDecision, told.Kind)
	require.Equal(t, asked.ID, told.Audit.DecisionID)
	stop()

	require.NoError(t, client.ReportEvent(ctx, event("w2"))) // while nobody follows
	for resumed, err := range operator.Stream(ctx, aureus.StreamQuery{LastEventID: told.ID, Kinds: []string{aureus.StreamTelemetry}, WorkflowID: "w2"}) {
		require.NoError(t, err)
		require.Equal(t, "w2", resumed.Telemetry.WorkflowID)
		break
	}
}

func TestStreamKeepsTenantsAndRolesApart(t *testing.T) {
	srv := open(t)
	_, secret, err := srv.Keys().Add(t.Context(), "test", controlplane.Key{Subject: "x", Tenant: "other", Role: controlplane.RoleOperator})
	require.NoError(t, err)
	listening := httptest.NewServer(srv)
	defer listening.Close()
	require.NoError(t, srv.Client().ReportEvent(t.Context(), event("w")))

	follow := func(key string, query aureus.StreamQuery) error {
		client, err := aureus.NewClient(listening.URL, aureus.WithAPIKey(key))
		require.NoError(t, err)
		defer func() { require.NoError(t, client.Close()) }()
		ctx, cancel := context.WithTimeout(t.Context(), 600*time.Millisecond)
		defer cancel()
		for told, err := range client.Stream(ctx, query) {
			if err != nil {
				return err
			}
			return errors.New("told of " + told.Kind)
		}
		return nil
	}
	require.ErrorIs(t, follow(secret, aureus.StreamQuery{LastEventID: "0-0", Kinds: []string{aureus.StreamTelemetry}}), context.DeadlineExceeded, "another tenant's events are not told")
	service := newKey(t, srv, controlplane.RoleService, "svc")
	require.ErrorIs(t, follow(service, aureus.StreamQuery{Kinds: []string{aureus.StreamDecision}}), aureus.ErrForbidden)
	require.ErrorIs(t, follow(service, aureus.StreamQuery{Kinds: []string{"gossip"}}), aureus.ErrInvalid)
	require.ErrorIs(t, follow(service, aureus.StreamQuery{LastEventID: "yesterday"}), aureus.ErrInvalid)
	require.ErrorContains(t, follow(service, aureus.StreamQuery{LastEventID: "0-0"}), "told of telemetry")
}

func TestAStreamEndsWithItsKey(t *testing.T) {
	srv := open(t)
	key, secret, err := srv.Keys().Add(t.Context(), "test", controlplane.Key{Subject: "olga", Role: controlplane.RoleOperator})
	require.NoError(t, err)
	listening := httptest.NewServer(srv)
	defer listening.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, listening.URL+"/api/v1/stream", http.NoBody)
	require.NoError(t, err)
	r.Header.Set("Authorization", "Bearer "+secret)
	response, err := http.DefaultClient.Do(r)
	require.NoError(t, err)
	defer func() { require.NoError(t, response.Body.Close()) }()
	require.Equal(t, http.StatusOK, response.StatusCode)

	require.NoError(t, srv.Keys().Revoke(t.Context(), "test", key.ID))
	_, err = io.Copy(io.Discard, response.Body)
	require.NoError(t, err, "the stream ends, and not because the test lost patience")
}
