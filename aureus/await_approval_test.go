package aureus_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
)

// approvalServer answers reads of the approval apr_1 with its status, and the event
// stream with what is written to the pipe; without a pipe it refuses the stream, as a
// control plane does for the key of a service.
type approvalServer struct {
	status atomic.Pointer[string] // nil: the server cannot be reached
	reads  atomic.Int64
	stream *io.PipeReader
}

func (s *approvalServer) RoundTrip(r *http.Request) (*http.Response, error) {
	response := &http.Response{StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {"application/json"}}, Request: r}
	if strings.HasSuffix(r.URL.Path, "/stream") {
		if s.stream == nil {
			response.StatusCode = http.StatusForbidden
			response.Body = io.NopCloser(strings.NewReader(`{"error":"an operator's key is needed","code":"PERMISSION_DENIED"}`))
			return response, nil
		}
		response.Header.Set("Content-Type", "text/event-stream")
		response.Body = s.stream
		context.AfterFunc(r.Context(), func() { _ = s.stream.CloseWithError(r.Context().Err()) })
		return response, nil
	}
	s.reads.Add(1)
	status := s.status.Load()
	if status == nil {
		response.StatusCode = http.StatusServiceUnavailable
		response.Body = io.NopCloser(strings.NewReader(`{"error":"out of order","code":"UNAVAILABLE"}`))
		return response, nil
	}
	response.Body = io.NopCloser(strings.NewReader(approvalText(*status)))
	return response, nil
}

// approvalText is the JSON form of the approval apr_1 with that status.
func approvalText(status string) string {
	verdicts := `"quorum":{"needed":1,"have":0},"decisions":[]`
	if status == "approved" || status == "consumed" {
		verdicts = `"quorum":{"needed":1,"have":1},"decisions":[{"by":"eva","at":"2026-03-01T10:30:00Z","verdict":"approve"}]`
	}
	return `{"id":"apr_1","status":"` + status + `","principal":{"id":"agent-7","type":"agent","permissions":[]},` +
		`"action":{"id":"transfer","name":"Transfer money","risk_tier":"high","required_permissions":[]},"has_permission":true,"risk_tier":"high",` +
		`"reason":"high risk","reason_code":"HIGH_NEEDS_HUMAN_APPROVAL","requested_at":"2026-03-01T10:00:00Z","requested_by_key":"key_1",` +
		`"expires_at":"2026-03-01T11:00:00Z",` + verdicts + `,"action_digest":"sha256:` + strings.Repeat("ab", 32) + `"}`
}

func (s *approvalServer) set(status string) { s.status.Store(&status) }

func (s *approvalServer) client(t *testing.T) *aureus.Client {
	t.Helper()
	return newClient(t, "http://127.0.0.1:1", aureus.WithHTTPClient(&http.Client{Transport: s}))
}

func TestAwaitApproval_ServiceKey_ReadsUntilDecided(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := &approvalServer{}
		server.set("pending")
		client := server.client(t)
		defer func() { _ = client.Close() }()
		started := time.Now()
		time.AfterFunc(time.Hour, func() { server.set("approved") })

		approval, err := client.AwaitApproval(t.Context(), "apr_1")

		require.NoError(t, err)
		require.Equal(t, aureus.ApprovalApproved, approval.Status)
		require.LessOrEqual(t, time.Since(started), time.Hour+5*time.Second)
		require.LessOrEqual(t, server.reads.Load(), int64(730), "at most every 5 s after the first ones")
	})
}

func TestAwaitApproval_OperatorsKey_ReturnsWithTheEvent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		events, write := io.Pipe()
		server := &approvalServer{stream: events}
		server.set("pending")
		client := server.client(t)
		defer func() { _ = client.Close() }()
		started := time.Now()
		after := 20*time.Second + 123*time.Millisecond
		time.AfterFunc(after, func() {
			for i, id := range []string{"apr_2", "apr_1"} { // an event about another approval comes first
				record, err := json.Marshal(aureus.AuditRecord{Sequence: int64(i + 1), Timestamp: aureus.TimestampOf(started), Kind: "approval_approved", ApprovalID: id, By: "eva", KeyID: "k"})
				if assert.NoError(t, err) {
					server.set("approved")
					_, _ = fmt.Fprintf(write, "id: %d\nevent: approval\ndata: %s\n\n", i+1, record)
				}
			}
		})

		_, err := client.AwaitApproval(t.Context(), "apr_1")

		require.NoError(t, err)
		require.Equal(t, after, time.Since(started), "not at the next read")
	})
}

func TestAwaitApproval_EndedOtherwise_ReturnsTheApprovalAndItsError(t *testing.T) {
	for status, want := range map[string]error{
		"rejected": aureus.ReasonApprovalRejected.Err(),
		"expired":  aureus.ReasonApprovalExpired.Err(),
		"consumed": aureus.ReasonApprovalConsumed.Err(),
	} {
		t.Run(status, func(t *testing.T) {
			server := &approvalServer{}
			server.set(status)

			approval, err := server.client(t).AwaitApproval(t.Context(), "apr_1")

			require.ErrorIs(t, err, want)
			require.Equal(t, aureus.ApprovalStatus(status), approval.Status)
		})
	}
}

func TestAwaitApproval_ServerOutOfReach_WaitsForItUntilTheContextEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := &approvalServer{}
		client := server.client(t)
		defer func() { _ = client.Close() }()
		back := time.AfterFunc(time.Minute, func() { server.set("approved") })

		_, err := client.AwaitApproval(t.Context(), "apr_1")
		require.NoError(t, err, "it came back after a minute")

		back.Stop()
		server.status.Store(nil)
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Minute, errors.New("the caller has gone"))
		defer cancel()
		_, err = client.AwaitApproval(ctx, "apr_1")
		require.ErrorContains(t, err, "the caller has gone")
	})
}

func TestAwaitApproval_UnknownIDOrClosedClient_FailsAtOnce(t *testing.T) {
	server := httptest.NewServer(jsonResponse(404, `{"error":"approval not found","code":"APPROVAL_UNKNOWN"}`))
	defer server.Close()
	client := newClient(t, server.URL)

	_, err := client.AwaitApproval(t.Context(), "apr_1")
	require.ErrorIs(t, err, aureus.ReasonApprovalUnknown.Err())

	require.NoError(t, client.Close())
	_, err = client.AwaitApproval(t.Context(), "apr_1")
	require.ErrorIs(t, err, aureus.ErrClosed)
}

// The ticket of a request that waits for a person is that of the decision, or of the
// guard.Refusal that guard.Check returns.
func ExampleClient_AwaitApproval() {
	server := httptest.NewServer(jsonResponse(200, approvalText("approved")))
	defer server.Close()
	client, err := aureus.NewClient(server.URL)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = client.Close() }()
	ctx, cancel := context.WithTimeout(context.Background(), time.Hour)
	defer cancel()

	approval, err := client.AwaitApproval(ctx, "apr_1")
	switch {
	case err == nil:
		fmt.Println("send the same request again:", approval.ID)
	case errors.Is(err, aureus.ReasonApprovalRejected.Err()):
		fmt.Println("a person said no:", approval.Decisions)
	default:
		fmt.Println("not approved, so not done:", err)
	}
	// Output: send the same request again: apr_1
}
