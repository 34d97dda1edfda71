package controlplane_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane"
	"github.com/farmountain/aureus-go/internal/vocab"
)

func event(workflow string) aureus.TelemetryEvent {
	return aureus.TelemetryEvent{Type: aureus.EventCustom, Timestamp: "2026-01-01T00:00:00Z", WorkflowID: workflow, Data: map[string]any{"text": "line\nbreak"}}
}

// Events are sent when they happen, over a real connection, and after a restart from
// where the client stopped.
func TestStream_Events_AreSentAndResumed(t *testing.T) {
	srv := open(t)
	listening := httptest.NewServer(srv)
	defer listening.Close()
	operator, err := aureus.NewClient(listening.URL, aureus.WithAPIKey(newKey(t, srv, controlplane.RoleOperator, "olga")))
	require.NoError(t, err)
	defer func() { require.NoError(t, operator.Close()) }()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()

	require.NoError(t, operator.ReportEvent(ctx, event("before"))) // not sent: it happened before the stream began
	next, stop := iter.Pull2(operator.Stream(ctx, aureus.StreamQuery{LastEventID: "1-0"}))
	defer stop()
	client := srv.Client()
	require.NoError(t, client.ReportEvent(ctx, event("w1")))
	first, err, ok := next()
	require.True(t, ok)
	require.NoError(t, err)
	for first.Kind != vocab.StreamTelemetry { // the audit log also has entries about the keys of this test, which are not decisions
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
	require.Equal(t, vocab.StreamApproval, told.Kind)
	require.Equal(t, asked.Approval.ID, told.Audit.ApprovalID)
	told, err, ok = next()
	require.True(t, ok)
	require.NoError(t, err)
	require.Equal(t, vocab.StreamDecision, told.Kind)
	require.Equal(t, asked.ID, told.Audit.DecisionID)
	stop()

	require.NoError(t, client.ReportEvent(ctx, event("w2"))) // while no client follows
	for resumed, err := range operator.Stream(ctx, aureus.StreamQuery{LastEventID: told.ID, Kinds: []string{vocab.StreamTelemetry}, WorkflowID: "w2"}) {
		require.NoError(t, err)
		require.Equal(t, "w2", resumed.Telemetry.WorkflowID)
		break
	}
}

func TestStream_TenantsAndRoles_AreKeptApart(t *testing.T) {
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
	require.ErrorIs(t, follow(secret, aureus.StreamQuery{LastEventID: "0-0", Kinds: []string{vocab.StreamTelemetry}}), context.DeadlineExceeded, "events of another tenant are not sent")
	service := newKey(t, srv, controlplane.RoleService, "svc")
	require.ErrorIs(t, follow(service, aureus.StreamQuery{Kinds: []string{vocab.StreamDecision}}), aureus.ErrForbidden)
	require.ErrorIs(t, follow(service, aureus.StreamQuery{Kinds: []string{"gossip"}}), aureus.ErrInvalid)
	require.ErrorIs(t, follow(service, aureus.StreamQuery{LastEventID: "yesterday"}), aureus.ErrInvalid)
	require.ErrorContains(t, follow(service, aureus.StreamQuery{LastEventID: "0-0"}), "told of telemetry")
}

func TestStream_KeyRevoked_Ends(t *testing.T) {
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
	require.NoError(t, err, "the stream ends before the deadline of the test")
}

// A client that reconnects to a restored copy of the database, which does not have its
// last event, gets a reset and all events from the beginning.
func TestStream_OnARestoredCopy_StartsOverVisibly(t *testing.T) {
	folder := t.TempDir()
	srv := open(t, func(c *controlplane.Config) { c.DB = filepath.Join(folder, "aureus.db") })
	listening := httptest.NewServer(srv)
	defer listening.Close()
	key := newKey(t, srv, controlplane.RoleOperator, "olga")
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	follow := func(address, last string) (told []aureus.StreamEvent) {
		c, err := aureus.NewClient(address, aureus.WithAPIKey(key))
		require.NoError(t, err)
		defer func() { require.NoError(t, c.Close()) }()
		for event, err := range c.Stream(ctx, aureus.StreamQuery{LastEventID: last, Kinds: []string{vocab.StreamTelemetry}}) {
			require.NoError(t, err)
			told = append(told, event)
			if event.Kind != vocab.StreamReset {
				return told
			}
		}
		return told
	}
	require.NoError(t, srv.Client().ReportEvent(ctx, event("before the copy")))
	require.NoError(t, controlplane.Backup(ctx, filepath.Join(folder, "aureus.db"), filepath.Join(folder, "copy")))
	before := follow(listening.URL, "0-0")
	require.Len(t, before, 1, "a position of an older version is accepted")

	restored := open(t, func(c *controlplane.Config) { c.DB = filepath.Join(folder, "copy", "aureus.db") })
	there := httptest.NewServer(restored)
	defer there.Close()
	told := follow(there.URL, before[0].ID)
	require.Len(t, told, 2)
	require.Equal(t, vocab.StreamReset, told[0].Kind)
	require.Nil(t, told[0].Telemetry)
	require.Equal(t, "before the copy", told[1].Telemetry.WorkflowID)
	require.NoError(t, restored.Client().ReportEvent(ctx, event("after the copy")))
	told = follow(there.URL, told[1].ID)
	require.Len(t, told, 1, "positions of this database are accepted")
	require.Equal(t, "after the copy", told[0].Telemetry.WorkflowID)
}

// Events that the filter excludes also advance the position, so that a client that
// reconnects does not pass them again.
func TestStream_WhatIsNotFollowed_MovesThePlace(t *testing.T) {
	overPipes(t, func(*http.Server) {}, func(t *testing.T, srv *controlplane.Server, listener *pipes) {
		t.Helper()
		key := newKey(t, srv, controlplane.RoleService, "svc")
		conn := listener.dial()
		_, err := fmt.Fprintf(conn, "GET /api/v1/stream?workflow_id=none HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer %s\r\n\r\n", key)
		require.NoError(t, err)
		response, err := http.ReadResponse(bufio.NewReader(conn), nil)
		require.NoError(t, err)
		lines := bufio.NewScanner(response.Body)
		id := func() string {
			for lines.Scan() {
				require.NotContains(t, lines.Text(), "event:", "the filter excludes every event")
				if text, ok := strings.CutPrefix(lines.Text(), "id: "); ok {
					return text
				}
			}
			t.Fatal("the stream ended")
			return ""
		}
		require.Regexp(t, "^0-", id())
		for range 3 {
			require.NoError(t, srv.Client().ReportEvent(t.Context(), event("w")))
		}
		require.Regexp(t, "^3-", id())
		require.NoError(t, conn.Close())
	})
}

// A follower keeps a stream open, for which http.Server.Shutdown would wait until its
// context ends.
func TestServer_EndStreams_LetsShutdownReturn(t *testing.T) {
	t.Parallel()
	p := newPlane(t)
	p.put(t, ledgerBundle(1))
	httpServer := p.listening.Config
	httpServer.RegisterOnShutdown(p.server.EndStreams)
	operator := newKey(t, p.server, controlplane.RoleOperator, "otto")
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, p.url+"/api/v1/stream", http.NoBody)
	require.NoError(t, err)
	request.Header.Set("Authorization", "Bearer "+operator)
	response, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	defer func() { require.NoError(t, response.Body.Close()) }()
	first, err := bufio.NewReader(response.Body).ReadString('\n')
	require.NoError(t, err)
	require.Equal(t, ": aureus\n", first, "the stream has begun")

	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	require.NoError(t, httpServer.Shutdown(ctx))

	refused := httptest.NewRecorder()
	request = httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/api/v1/stream", http.NoBody)
	request.Header.Set("Authorization", "Bearer "+operator)
	p.server.ServeHTTP(refused, request)
	require.Equal(t, http.StatusServiceUnavailable, refused.Code, "%s", refused.Body)
	_, err = p.operator.PolicyBundle(t.Context(), aureus.Digest{})
	require.NoError(t, err, "other requests are answered until Close")
	p.server.EndStreams()
	var none *controlplane.Server
	none.EndStreams()
}
