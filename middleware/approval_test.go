package middleware_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/guard"
	"github.com/farmountain/aureus-go/middleware"
)

// Over a connection, a request waits for approval, is approved, passes once and does not
// pass again. The approval does not allow a request that differs.
func TestEnforce_ApprovedRequest_PassesOnce(t *testing.T) {
	people := &memoryApprovals{}
	reached := 0
	protect := middleware.Enforce(&guard.Local{Approvals: people}, about(large), middleware.Options{Headers: []string{"If-Match"}})
	server := serve(t, protect(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		reached++
		body, err := io.ReadAll(r.Body)
		decision, _ := aureus.DecisionFromContext(r.Context())
		fmt.Fprintf(w, "%s %v %s %q", body, err, decision.Approval.ID, r.Header[middleware.ApprovalHeader])
	})))
	type change func(*http.Request)
	send := func(approval string, changes ...change) (*http.Response, string) {
		r := newRequest(t, http.MethodPost, server.URL+"/books/a%2Fb?year=2026", strings.NewReader(`{"close": true}`))
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("If-Match", `"v1"`)
		if approval != "" {
			r.Header.Set(middleware.ApprovalHeader, approval)
		}
		for _, change := range changes {
			change(r)
		}
		return call(t, server.Client(), r)
	}
	refused := func(code, approval string, changes ...change) problem {
		t.Helper()
		response, text := send(approval, changes...)
		require.Equal(t, http.StatusForbidden, response.StatusCode, text)
		p := readProblem(t, http.StatusForbidden, response.Header, response.Body)
		require.Equal(t, code, p.Code)
		return p
	}

	first := refused("HIGH_NEEDS_HUMAN_APPROVAL", "")
	require.True(t, strings.HasSuffix(first.Type, "#approval-required"))
	require.Equal(t, "pending", first.Approval.Status)
	require.Equal(t, "2030-01-02T03:04:05Z", first.Approval.ExpiresAt)
	id := first.Approval.ID

	bound := people.all()[id].HTTP
	require.Equal(t, &aureus.HTTPCall{
		Method: http.MethodPost, Host: server.Listener.Addr().String(), Path: "/books/a%2Fb", Query: "year=2026",
		ContentType: "application/json", Headers: map[string][]string{"If-Match": {`"v1"`}}, Body: aureus.Body(`{"close": true}`),
	}, bound, "an approver sees what is bound, and nothing else")

	require.Equal(t, id, refused("APPROVAL_PENDING", id).Approval.ID, "a second request joins the pending approval")
	require.Equal(t, id, refused("APPROVAL_PENDING", "").Approval.ID, "with and without the approval header")
	people.verdict(id, aureus.ApprovalApproved)

	body := func(text string) change {
		return func(r *http.Request) {
			r.Body, r.ContentLength = io.NopCloser(strings.NewReader(text)), int64(len(text))
		}
	}
	header := func(name string, values ...string) change { return func(r *http.Request) { r.Header[name] = values } }
	for name, change := range map[string]change{
		"another body":               body(`{"close": false}`),
		"one more space in the body": body(`{"close":  true}`),
		"no body":                    body(""),
		"another method":             func(r *http.Request) { r.Method = http.MethodPut },
		"another path":               func(r *http.Request) { r.URL.Path, r.URL.RawPath = "/books/a/b", "" },
		"another query":              func(r *http.Request) { r.URL.RawQuery = "year=2027" },
		"the query in another order": func(r *http.Request) { r.URL.RawQuery = "year=2026&" },
		"another host":               func(r *http.Request) { r.Host = "other.example" },
		"another content type":       header("Content-Type", "text/plain"),
		"two content types":          header("Content-Type", "application/json", "text/plain"),
		"a content encoding":         header("Content-Encoding", "identity"),
		"another declared header":    header("If-Match", `"v2"`),
		"a declared header twice":    header("If-Match", `"v1"`, `"v2"`),
		"no declared header":         header("If-Match"),
	} {
		t.Run(name, func(t *testing.T) {
			p := refused("APPROVAL_MISMATCH", id, change)
			require.NotEqual(t, id, p.Approval.ID, "it is another request, so a person is asked again")
		})
	}
	require.Zero(t, reached)

	response, text := send(id, header("X-Undeclared", "differs"))
	require.Equal(t, http.StatusOK, response.StatusCode, text)
	require.Equal(t, `{"close": true} <nil> `+id+` []`, text, "the handler sees the approval in the decision and not in the header")
	again := refused("APPROVAL_CONSUMED", id)
	require.NotEqual(t, id, again.Approval.ID)
	require.Equal(t, 1, reached)

	people.verdict(again.Approval.ID, aureus.ApprovalRejected)
	rejected := refused("APPROVAL_REJECTED", again.Approval.ID)
	require.Equal(t, "rejected", rejected.Approval.Status)
	require.Equal(t, 1, reached)
}

// An unknown approval id grants nothing, and it does not affect a request that needs no
// approval.
func TestApprovalHeader_UnknownApproval_GrantsNothing(t *testing.T) {
	t.Parallel()
	local := &guard.Local{Approvals: &memoryApprovals{}}
	r := httptest.NewRequest(http.MethodPost, "/", nil)
	r.Header.Set(middleware.ApprovalHeader, approvalID)
	p := refusal(t, middleware.Enforce(local, about(large))(unreachable(t)), r, http.StatusForbidden)
	require.Equal(t, "APPROVAL_UNKNOWN", p.Code)

	var asked aureus.Request
	w := httptest.NewRecorder()
	middleware.Enforce(wanting(&asked), about(small))(echo).ServeHTTP(w, r)
	require.Equal(t, http.StatusOK, w.Code)
	require.Equal(t, approvalID, asked.ApprovalToken)
	require.Equal(t, []string{approvalID}, r.Header[middleware.ApprovalHeader], "the outer request keeps its header")

	own := small
	own.ApprovalToken = "apr_00000000000000000000000001"
	middleware.Enforce(wanting(&asked), about(own))(echo).ServeHTTP(httptest.NewRecorder(), r)
	require.Equal(t, own.ApprovalToken, asked.ApprovalToken, "the value that describe has set is used")
}

// The decider receives the parts of the request that an approval binds.
func TestEnforce_HTTPCall_HasThePartsOfTheRequest(t *testing.T) {
	ask := func(r *http.Request, describe func(*http.Request) (aureus.Request, error), options ...middleware.Options) *aureus.HTTPCall {
		var asked aureus.Request
		middleware.Enforce(wanting(&asked), describe, options...)(echo).ServeHTTP(httptest.NewRecorder(), r)
		return asked.HTTP
	}
	t.Run("a request without a body", func(t *testing.T) {
		call := ask(httptest.NewRequest(http.MethodGet, "/a?b=c", nil), about(small))
		require.Nil(t, call.GetBody)
		require.Equal(t, &aureus.HTTPCall{Method: "GET", Host: "example.com", Path: "/a", Query: "b=c"}, call)
	})
	t.Run("the value that describe has set is used", func(t *testing.T) {
		own := small
		own.HTTP = &aureus.HTTPCall{Method: "X"}
		require.Same(t, own.HTTP, ask(httptest.NewRequest(http.MethodPost, "/", strings.NewReader("a")), about(own)))
	})
	t.Run("declared headers, some twice, in any case", func(t *testing.T) {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Header["X-A"], r.Header["X-B"], r.Header["X-C"] = []string{"1", "2"}, []string{""}, []string{"3"}
		call := ask(r, about(small), middleware.Options{Headers: []string{"x-a", "X-B", "X-A", "x-d"}})
		require.Equal(t, map[string][]string{"X-A": {"1", "2"}, "X-B": {""}}, call.Headers)
	})
	t.Run("a path that a handler in front rewrote", func(t *testing.T) {
		r := httptest.NewRequest(http.MethodGet, "/v1/a%2Fb?c", nil)
		r.URL.Path, r.URL.RawPath = "/a/b", "/a%2Fb"
		call := ask(r, about(small))
		require.Equal(t, "/a%2Fb", call.Path)
		require.Equal(t, map[string][]string{":path": {"/v1/a%2Fb"}}, call.Headers)
	})
	t.Run("an absolute request target, as sent to a proxy", func(t *testing.T) {
		r := httptest.NewRequest(http.MethodGet, "http://other.example/a", nil)
		require.Equal(t, &aureus.HTTPCall{Method: "GET", Host: "other.example", Path: "/a"}, ask(r, about(small)))
	})
	t.Run("a path that Go encodes in another way", func(t *testing.T) {
		one, ok := parse("GET", "x", `/a%2Fb|`)
		require.True(t, ok)
		two, ok := parse("GET", "x", `/a/b|`)
		require.True(t, ok)
		require.NotEqual(t, ask(one, about(small)), ask(two, about(small)))
	})
}
