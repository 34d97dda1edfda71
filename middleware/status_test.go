package middleware_test

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/guard"
	"github.com/farmountain/aureus-go/middleware"
)

// byHeader identifies the caller by a header, for tests.
func byHeader(r *http.Request) (aureus.Principal, error) {
	return aureus.Principal{ID: r.Header.Get("Test-Principal"), Type: "agent"}, nil
}

// status is the response of ApprovalStatus.
type status struct {
	ID        string `json:"id"`
	Status    string `json:"status"`
	ExpiresAt string `json:"expires_at"`
	DecideBy  string `json:"decide_by"`
	UseBy     string `json:"use_by"`
	Next      string `json:"next"`
}

// An agent follows what the responses say, from the refusal to the success.
func TestApprovalStatus_WholeFlow_AgentFollowsTheResponses(t *testing.T) {
	t.Parallel()
	people := &memoryApprovals{}
	mux := servingMux(bare, "POST /transfers")
	mux.Handle("GET /approvals/{id}", middleware.ApprovalStatus(people, byHeader))
	table := guard.Routes{
		{Pattern: "POST /transfers", Action: aureus.Action{ID: "transfer.make", Name: "Transfer", RiskTier: aureus.TierHigh}, Arguments: []string{"body"}},
		open("GET /approvals/{id}"),
	}
	server := serve(t, middleware.EnforceRoutes(&guard.Local{Approvals: people}, byHeader, table)(mux))
	send := func(method, path, who, approval string) (*http.Response, string) {
		var r *http.Request
		if method == http.MethodPost {
			r = newRequest(t, method, server.URL+path, strings.NewReader(`{"amount": 5000, "note": "hunter2"}`))
			r.Header.Set("Content-Type", "application/json")
		} else {
			r = newRequest(t, method, server.URL+path, nil)
		}
		r.Header.Set("Test-Principal", who)
		if approval != "" {
			r.Header.Set(middleware.ApprovalHeader, approval)
		}
		return call(t, server.Client(), r)
	}
	response, _ := send(http.MethodPost, "/transfers", "agent-7", "")
	p := readProblem(t, http.StatusForbidden, response.Header, response.Body)
	require.Equal(t, "/approvals/"+p.Approval.ID, p.Approval.URL)

	poll := func(who string) (status, *http.Response) {
		response, text := send(http.MethodGet, p.Approval.URL, who, "")
		require.Equal(t, http.StatusOK, response.StatusCode, text)
		require.Equal(t, "application/json", response.Header.Get("Content-Type"))
		require.Equal(t, "no-store", response.Header.Get("Cache-Control"))
		require.NotContains(t, text, "hunter2", "the request is not shown")
		var s status
		decoder := json.NewDecoder(strings.NewReader(text))
		decoder.DisallowUnknownFields()
		require.NoError(t, decoder.Decode(&s))
		require.Equal(t, p.Approval.ID, s.ID)
		return s, response
	}
	pending, response := poll("agent-7")
	require.Equal(t, "pending", pending.Status)
	require.Equal(t, "2030-01-02T03:04:05Z", pending.ExpiresAt)
	require.Equal(t, "5", response.Header.Get("Retry-After"))
	response, text := send(http.MethodHead, p.Approval.URL, "agent-7", "")
	require.Equal(t, http.StatusOK, response.StatusCode)
	require.Empty(t, text)

	for name, row := range map[string]struct {
		who, path string
		status    int
		code      string
	}{
		"another principal":    {"agent-8", p.Approval.URL, 404, "APPROVAL_UNKNOWN"},
		"an id that is not":    {"agent-7", "/approvals/" + approvalID[:29] + "1", 404, "APPROVAL_UNKNOWN"},
		"something else":       {"agent-7", "/approvals/x", 404, "APPROVAL_UNKNOWN"},
		"a caller not known":   {"", p.Approval.URL, 401, "AUTHENTICATION_FAILED"},
		"a path of the client": {"agent-7", "/approvals/..%2F..%2Fkeys", 404, "APPROVAL_UNKNOWN"},
	} {
		response, _ := send(http.MethodGet, row.path, row.who, "")
		require.Equal(t, row.status, response.StatusCode, name)
		require.Equal(t, row.code, readProblem(t, row.status, response.Header, response.Body).Code, name)
	}

	people.verdict(p.Approval.ID, aureus.ApprovalApproved)
	approved, response := poll("agent-7")
	require.Equal(t, "approved", approved.Status)
	require.Contains(t, approved.Next, middleware.ApprovalHeader)
	require.Empty(t, response.Header.Get("Retry-After"))
	response, text = send(http.MethodPost, "/transfers", "agent-7", p.Approval.ID)
	require.Equal(t, http.StatusOK, response.StatusCode, text)
	consumed, _ := poll("agent-7")
	require.Equal(t, "consumed", consumed.Status)
	for _, word := range []aureus.ApprovalStatus{aureus.ApprovalRejected, aureus.ApprovalExpired} {
		people.verdict(p.Approval.ID, word)
		s, _ := poll("agent-7")
		require.Equal(t, string(word), s.Status)
		require.NotEmpty(t, s.Next)
	}
}

// finder finds the same approval for every id.
type finder struct {
	approval aureus.Approval
	err      error
}

func (f finder) Approval(context.Context, string) (aureus.Approval, error) { return f.approval, f.err }

func TestApprovalStatus_LookupFails_IsUndecided(t *testing.T) {
	t.Parallel()
	mine := aureus.Principal{ID: "agent-7"}
	for name, row := range map[string]struct {
		finder finder
		status int
	}{
		"an error":             {finder{err: errBroken}, 503},
		"an error of a client": {finder{err: &aureus.Error{Op: "Approval", StatusCode: 403}}, 503},
		"an unknown status":    {finder{approval: aureus.Approval{ID: approvalID, Principal: mine, Status: "granted"}}, 503},
		"another approval":     {finder{approval: aureus.Approval{ID: approvalID[:29] + "1", Principal: mine, Status: "pending"}}, 404},
		"no principal":         {finder{approval: aureus.Approval{ID: approvalID, Status: "pending"}}, 404},
		"found":                {finder{approval: aureus.Approval{ID: approvalID, Principal: mine, Status: "pending"}}, 200},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var log bytes.Buffer
			handler := middleware.ApprovalStatus(row.finder, byHeader, middleware.Options{Logger: slog.New(slog.NewTextHandler(&log, nil))})
			r, w := httptest.NewRequest(http.MethodGet, "/status/"+approvalID, nil), httptest.NewRecorder() // without a mux
			r.Header.Set("Test-Principal", "agent-7")
			handler.ServeHTTP(w, r)
			require.Equal(t, row.status, w.Code)
			require.Equal(t, row.status == http.StatusServiceUnavailable, log.Len() > 0)
			if row.status != http.StatusOK {
				readProblem(t, row.status, w.Header(), w.Body)
			}
		})
	}
	w := httptest.NewRecorder()
	middleware.ApprovalStatus(finder{}, byHeader).ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/", nil))
	require.Equal(t, http.StatusMethodNotAllowed, w.Code)
	require.Equal(t, "GET, HEAD", w.Header().Get("Allow"))
	require.Panics(t, func() { middleware.ApprovalStatus(nil, byHeader) })
	require.Panics(t, func() { middleware.ApprovalStatus(finder{}, nil) })
}

func TestApprovalStatus_MountPath_IsTheDefaultURL(t *testing.T) {
	t.Parallel()
	decision := aureus.Decision{Effect: aureus.RequireApproval, Approval: aureus.ApprovalRef{ID: approvalID, URL: "https://control.example/a"}}
	handler := middleware.ApprovalStatus(finder{}, byHeader)
	for name, row := range map[string]struct {
		pattern string
		handler http.Handler
		options middleware.Options
		want    string
	}{
		"a path":              {"GET /approvals/{id}", handler, middleware.Options{}, "/approvals/" + approvalID},
		"every method":        {"/a%20b/{id}/status", handler, middleware.Options{}, "/a%20b/" + approvalID + "/status"},
		"the option":          {"GET /approvals/{id}", handler, middleware.Options{ApprovalURL: func(id string) string { return "x:" + id }}, "x:" + approvalID},
		"another handler":     {"GET /approvals/{id}", bare, middleware.Options{}, "https://control.example/a"},
		"another wildcard":    {"GET /approvals/{name}", handler, middleware.Options{}, "https://control.example/a"},
		"two wildcards":       {"GET /{tenant}/{id}", handler, middleware.Options{}, "https://control.example/a"},
		"only for one host":   {"GET status.example/{id}", handler, middleware.Options{}, "https://control.example/a"},
		"only another method": {"POST /approvals/{id}", handler, middleware.Options{}, "https://control.example/a"},
	} {
		t.Run(name, func(t *testing.T) {
			mux := servingMux(unreachable(t), "POST /x")
			mux.Handle(row.pattern, row.handler)
			protect := middleware.EnforceRoutes(saying(decision, nil), known, guard.Routes{bound("POST /x", "a"), open(row.pattern)}, row.options)
			require.Equal(t, row.want, refusal(t, protect(mux), sent(t, "POST", "x", "/x"), http.StatusForbidden).Approval.URL)
		})
	}
}
