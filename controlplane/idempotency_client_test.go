package controlplane_test

import (
	"bytes"
	"context"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane"
)

// losing serves the first request completely and then closes the connection instead of
// responding.
func losing(srv http.Handler, path string, lost *atomic.Int32) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == path && lost.Add(1) == 1 {
			srv.ServeHTTP(httptest.NewRecorder(), r)
			panic(http.ErrAbortHandler)
		}
		srv.ServeHTTP(w, r)
	}
}

// Over a real connection, a client whose response was lost gets it by retrying, and
// nothing happens twice.
func TestClient_LostResponse_IsReplayed(t *testing.T) {
	t.Parallel()
	srv := open(t)
	key := newKey(t, srv, controlplane.RoleService, "svc")
	request := transfer(aureus.TierHigh, 20)

	var lost atomic.Int32
	server := httptest.NewServer(losing(srv, "/api/v1/policy/evaluate", &lost))
	defer server.Close()
	lost.Store(1) // the first request is served
	client, err := aureus.NewClient(server.URL, aureus.WithAPIKey(key))
	require.NoError(t, err)
	defer func() { require.NoError(t, client.Close()) }()
	asked, err := client.Decide(t.Context(), request)
	require.NoError(t, err)
	require.Equal(t, aureus.RequireApproval, asked.Effect)
	_, err = srv.Operator("olga").Approve(t.Context(), asked.Approval.ID, asked.Digest, "")
	require.NoError(t, err)

	lost.Store(0)
	decision, err := client.Decide(t.Context(), request)
	require.NoError(t, err)
	require.Equal(t, aureus.Allow, decision.Effect, "the stored response is sent again")
	require.EqualValues(t, 2, lost.Load())
	next, err := client.Decide(t.Context(), request)
	require.NoError(t, err)
	require.Equal(t, aureus.RequireApproval, next.Effect, "and the approval is consumed once")

	lost.Store(0)
	reports := httptest.NewServer(losing(srv, "/api/v1/observability/events/batch", &lost))
	defer reports.Close()
	reporter, err := aureus.NewClient(reports.URL, aureus.WithAPIKey(key))
	require.NoError(t, err)
	defer func() { require.NoError(t, reporter.Close()) }()
	require.NoError(t, reporter.ReportEvents(t.Context(), []aureus.TelemetryEvent{event("w")}))
	events, err := aureus.Collect(srv.Client().Events(t.Context(), aureus.EventQuery{WorkflowID: "w"}))
	require.NoError(t, err)
	require.Len(t, events, 1)
}

// The connection of the first attempt breaks while the server still works: later
// attempts get a conflict until the response is ready.
func TestClient_SameKeyUnderWay_WaitsForItsResponse(t *testing.T) {
	t.Parallel()
	srv := open(t)
	key := newKey(t, srv, controlplane.RoleService, "svc")
	var calls, busy atomic.Int32
	var working sync.WaitGroup
	release := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if calls.Add(1) == 1 {
			text, err := io.ReadAll(r.Body)
			if err != nil {
				panic(err)
			}
			body := &heldBody{Reader: bytes.NewReader(text), reached: make(chan struct{}), until: release}
			again := r.Clone(context.WithoutCancel(r.Context()))
			again.Body = body
			working.Go(func() { srv.ServeHTTP(httptest.NewRecorder(), again) })
			<-body.reached
			panic(http.ErrAbortHandler)
		}
		answer := httptest.NewRecorder()
		srv.ServeHTTP(answer, r)
		if answer.Code == http.StatusConflict {
			if busy.Add(1) == 4 { // after more conflicts than the client has attempts
				close(release)
				working.Wait()
			}
			answer.Header().Set("Retry-After", "0")
		}
		maps.Copy(w.Header(), answer.Header())
		w.WriteHeader(answer.Code)
		_, _ = w.Write(answer.Body.Bytes())
	}))
	defer server.Close()
	policy := aureus.RetryPolicy{MaxAttempts: 3, FirstDelay: time.Millisecond, MaxDelay: 10 * time.Millisecond, Budget: time.Minute}
	client, err := aureus.NewClient(server.URL, aureus.WithAPIKey(key), aureus.WithRetry(aureus.RetryPolicies{Reports: policy}))
	require.NoError(t, err)
	defer func() { require.NoError(t, client.Close()) }()
	require.NoError(t, client.ReportEvents(t.Context(), []aureus.TelemetryEvent{event("w")}))
	require.EqualValues(t, 4, busy.Load())
	events, err := aureus.Collect(srv.Client().Events(t.Context(), aureus.EventQuery{WorkflowID: "w"}))
	require.NoError(t, err)
	require.Len(t, events, 1)
}

// heldBody signals when it is read and then blocks the reader.
type heldBody struct {
	*bytes.Reader

	once    sync.Once
	reached chan struct{}
	until   chan struct{}
}

func (b *heldBody) Read(p []byte) (int, error) {
	b.once.Do(func() { close(b.reached) })
	<-b.until
	return b.Reader.Read(p)
}

func (*heldBody) Close() error { return nil }
