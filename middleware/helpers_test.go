package middleware_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/guard"
	"github.com/farmountain/aureus-go/internal/idtext"
)

// agent is a principal with every permission.
var agent = aureus.Principal{ID: "agent-7", Type: "agent", Permissions: []aureus.Permission{{Action: "write", Resource: "ledger"}}}

// about returns a describe function that always returns the same request.
func about(request aureus.Request) func(*http.Request) (aureus.Request, error) {
	return func(*http.Request) (aureus.Request, error) { return request, nil }
}

// small is a request that a local guard allows; large is one that needs an approval.
var (
	small = aureus.Request{Principal: agent, Action: aureus.Action{ID: "note.write", RiskTier: aureus.TierLow}}
	large = aureus.Request{Principal: agent, Action: aureus.Action{ID: "ledger.close", RiskTier: aureus.TierHigh}}
)

// saying returns a decider that always returns the same decision.
func saying(decision aureus.Decision, err error) guard.Decider {
	return guard.DeciderFunc(func(context.Context, aureus.Request) (aureus.Decision, error) { return decision, err })
}

var allow = saying(aureus.Decision{Effect: aureus.Allow, ID: aureus.NewDecisionID(time.Now())}, nil)

// reading is a decider that reads the whole body, as for a digest, and allows.
var reading = guard.DeciderFunc(func(_ context.Context, request aureus.Request) (aureus.Decision, error) {
	_, err := request.HTTP.Load()
	return aureus.Decision{Effect: aureus.Allow}, err
})

// wanting returns a decider that stores the request and allows it.
func wanting(asked *aureus.Request) guard.Decider {
	return guard.DeciderFunc(func(_ context.Context, request aureus.Request) (aureus.Decision, error) {
		*asked = request
		return aureus.Decision{Effect: aureus.Allow}, nil
	})
}

// problem has the members of a refusal that tests check.
type problem struct {
	Type       string `json:"type"`
	Title      string `json:"title"`
	Status     int    `json:"status"`
	Detail     string `json:"detail"`
	Instance   string `json:"instance"`
	Code       string `json:"code"`
	DecisionID string `json:"decision_id"`
	Approval   *struct {
		ID        string `json:"id"`
		Status    string `json:"status"`
		ExpiresAt string `json:"expires_at"`
		URL       string `json:"url"`
	} `json:"approval"`
	Remediation string `json:"remediation"`
	Errors      []struct {
		Code        string `json:"code"`
		Pointer     string `json:"pointer"`
		Detail      string `json:"detail"`
		Remediation string `json:"remediation"`
	} `json:"errors"`
}

// readProblem reads the response of a refusal, and checks what all refusals have in common.
func readProblem(t testing.TB, status int, header http.Header, body io.Reader) problem {
	t.Helper()
	text, err := io.ReadAll(body)
	require.NoError(t, err)
	require.Equal(t, "application/problem+json", header.Get("Content-Type"), string(text))
	require.Equal(t, "no-store", header.Get("Cache-Control"))
	require.Equal(t, "nosniff", header.Get("X-Content-Type-Options"))
	require.Equal(t, status == http.StatusUnauthorized, header.Get("WWW-Authenticate") != "")
	require.Equal(t, status == http.StatusServiceUnavailable || status == http.StatusTooManyRequests, header.Get("Retry-After") != "")
	var p problem
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	require.NoError(t, decoder.Decode(&p), string(text))
	require.Equal(t, status, p.Status)
	require.NotEmpty(t, p.Code)
	require.NotEmpty(t, p.Title)
	require.NotEmpty(t, p.Detail)
	return p
}

// refusal sends a request to a handler that must refuse it with the status.
func refusal(t testing.TB, handler http.Handler, r *http.Request, status int) problem {
	t.Helper()
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, r)
	require.Equal(t, status, w.Code, w.Body.String())
	return readProblem(t, status, w.Header(), w.Body)
}

// unreachable is a handler that fails the test when it is called.
func unreachable(t testing.TB) http.Handler {
	t.Helper()
	return http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the handler was reached") })
}

// serve starts a server for the handler.
func serve(t testing.TB, handler http.Handler) *httptest.Server {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server
}

// call sends a request and reads the whole response.
func call(t testing.TB, client *http.Client, r *http.Request) (*http.Response, string) {
	t.Helper()
	response, err := client.Do(r)
	require.NoError(t, err)
	body, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	response.Body = io.NopCloser(bytes.NewReader(body))
	return response, string(body)
}

func newRequest(t testing.TB, method, url string, body io.Reader) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, body)
	require.NoError(t, err)
	return r
}

// memoryApprovals keeps approvals in memory: one for each digest. Each can be used once.
type memoryApprovals struct {
	mu        sync.Mutex
	approvals map[string]aureus.Approval
	made      byte
}

func (d *memoryApprovals) AskApproval(_ context.Context, ask aureus.ApprovalAsk) (aureus.ApprovalTicket, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	var hint aureus.ReasonCode
	if token := ask.Request.ApprovalToken; token != "" {
		switch presented, ok := d.approvals[token]; {
		case !ok:
			hint = aureus.ReasonApprovalUnknown
		case presented.ActionDigest != ask.Digest:
			hint = aureus.ReasonApprovalMismatch
		case presented.Status == aureus.ApprovalConsumed:
			hint = aureus.ReasonApprovalConsumed
		}
	}
	for _, a := range d.approvals {
		if a.ActionDigest == ask.Digest && a.Status != aureus.ApprovalConsumed {
			return aureus.ApprovalTicket{Approval: a, Joined: true, Hint: hint}, nil
		}
	}
	d.made++
	a := aureus.Approval{
		ID: idtext.Approval([16]byte{d.made}), Status: aureus.ApprovalPending, ActionDigest: ask.Digest, Principal: ask.Request.Principal,
		Arguments:     ask.Request.Arguments,
		PolicyVersion: ask.PolicyVersion, HTTP: ask.Request.HTTP, ExpiresAt: "2030-01-02T03:04:05Z",
	}
	if d.approvals == nil {
		d.approvals = map[string]aureus.Approval{}
	}
	d.approvals[a.ID] = a
	return aureus.ApprovalTicket{Approval: a, Hint: hint}, nil
}

func (d *memoryApprovals) ConsumeApproval(_ context.Context, id string, use aureus.ApprovalUse) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	a, ok := d.approvals[id]
	switch {
	case !ok:
		return aureus.ReasonApprovalUnknown.Err()
	case a.ActionDigest != use.ActionDigest:
		return aureus.ReasonApprovalMismatch.Err()
	case a.Status != aureus.ApprovalApproved:
		return aureus.ReasonApprovalConsumed.Err()
	}
	a.Status = aureus.ApprovalConsumed
	d.approvals[id] = a
	return nil
}

func (d *memoryApprovals) Approval(_ context.Context, id string) (aureus.Approval, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	a, ok := d.approvals[id]
	if !ok {
		return a, aureus.ReasonApprovalUnknown.Err()
	}
	return a, nil
}

// verdict is the decision of a person about an approval.
func (d *memoryApprovals) verdict(id string, status aureus.ApprovalStatus) {
	d.mu.Lock()
	defer d.mu.Unlock()
	a := d.approvals[id]
	a.Status = status
	d.approvals[id] = a
}

func (d *memoryApprovals) all() map[string]aureus.Approval {
	d.mu.Lock()
	defer d.mu.Unlock()
	return maps.Clone(d.approvals)
}

var _ guard.Approvals = (*memoryApprovals)(nil)
