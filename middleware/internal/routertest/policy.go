package routertest

import (
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// answer is the response of each handler of a guarded service: the body that it got, with the
// status that the query names.
func answer(w http.ResponseWriter, r *http.Request) {
	text, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	if status, err := strconv.Atoi(r.URL.Query().Get("status")); err == nil {
		w.WriteHeader(status)
	}
	_, _ = w.Write(text)
}

// RunPolicy runs the tests of a service whose routes are bound by a policy bundle, over a
// listener: the routes of the bundle are patterns of net/http, whatever the router is.
func RunPolicy(t *testing.T, service Service) {
	t.Helper()
	s := newGuardedService(t, service)
	url, stop := serve(t, s.handler)
	defer stop()
	for _, row := range []struct {
		name, method, target, body string
		user                       string
		status                     int
		code                       string // of a refusal
		route                      string // whose handler runs
		value                      string // that the handler sees
		outcome                    string
		class                      string
	}{
		{"allowed", "GET", "/accounts/acme", "", "ann", 200, "", readAccount, "acme", "success", ""},
		{"HEAD of a route for GET", "HEAD", "/accounts/acme", "", "ann", 0, "", "", "", "", ""}, // some routers answer it, see below
		{"a status of the handler", "GET", "/accounts/acme?status=409", "", "ann", 409, "", readAccount, "acme", "failed", "409"},
		{"a value with an escape that is not needed", "GET", "/accounts/%61nn%40example.com", "", "ann", 200, "", readAccount, "ann@example.com", "success", ""},
		{"a value that a rule denies", "GET", "/accounts/payroll", "", "ann", 403, "RULE_DENIED", "", "", "refused", "RULE_DENIED"},
		{"the same value, escaped", "GET", "/accounts/pay%72oll", "", "ann", 403, "RULE_DENIED", "", "", "refused", "RULE_DENIED"},
		{"the same value, escaped twice", "GET", "/accounts/pay%2572oll", "", "ann", 400, "VALIDATION_ERROR", "", "", "refused", "VALIDATION_ERROR"},
		{"nobody", "GET", "/accounts/acme", "", "", 401, "AUTHENTICATION_FAILED", "", "", "refused", "AUTHENTICATION_FAILED"},
		{"somebody who is not known", "GET", "/accounts/acme", "", "eve", 403, "PERMISSION_DENIED", "", "", "refused", "PERMISSION_DENIED"},
		{"a body", "POST", "/accounts/acme/transfers?status=201", `{"amount":5}`, "ann", 201, "", transfer, "acme", "success", ""},
		{"a body with the value of the path", "POST", "/accounts/acme/transfers", `{"amount":5,"id":"other"}`, "ann", 400, "VALIDATION_ERROR", "", "", "refused", "VALIDATION_ERROR"},
		{"a body that does not fit the schema", "POST", "/accounts/acme/transfers", `{"amount":"5"}`, "ann", 403, "INVALID_REQUEST", "", "", "refused", "INVALID_REQUEST"},
		{"a body that needs a person", "POST", "/accounts/acme/transfers", `{"amount":5000}`, "ann", 403, "HIGH_NEEDS_HUMAN_APPROVAL", "", "", "refused", "HIGH_NEEDS_HUMAN_APPROVAL"},
		{"a query", "GET", "/search?q=open", "", "ann", 200, "", search, "", "success", ""},
		{"a query that a rule denies", "GET", "/search?q=secret", "", "ann", 403, "RULE_DENIED", "", "", "refused", "RULE_DENIED"},
		{"the rest of the path", "GET", "/files/public/a/b", "", "ann", 200, "", readFile, "public/a/b", "success", ""},
		{"a rest that is empty", "GET", "/files/", "", "ann", 200, "", readFile, "", "success", ""},
		{"a rest that a rule denies", "GET", "/files/secret/x", "", "ann", 403, "RULE_DENIED", "", "", "refused", "RULE_DENIED"},
		{"a route that is bound to nothing", "GET", "/forgotten", "", "ann", 403, "ROUTE_NOT_BOUND", "", "", "refused", "ROUTE_NOT_BOUND"},
		{"an open route", "GET", "/healthz", "", "", 200, "", health, "", "", ""},
	} {
		s.reached, s.outcomes = nil, nil
		response, text := s.send(t, url, row.method, row.target, row.body, row.user, "")
		if row.status == 0 { // HEAD reaches no handler, or the one that was decided on
			for _, seen := range s.reached {
				require.Equal(t, readAccount, seen.route, row.name)
			}
			continue
		}
		require.Equal(t, row.status, response.StatusCode, "%s: %s", row.name, text)
		if row.code != "" {
			require.Equal(t, row.code, problemOf(t, text).Code, row.name)
		}
		if row.route == "" {
			require.Empty(t, s.reached, row.name)
		} else {
			require.Len(t, s.reached, 1, row.name)
			require.Equal(t, row.route, s.reached[0].route, row.name)
			require.Equal(t, row.value, s.reached[0].values["id"]+s.reached[0].values["rest"], row.name)
			require.Equal(t, row.body, text, row.name)
		}
		if row.outcome == "" {
			require.Empty(t, s.outcomes, row.name)
			continue
		}
		require.Len(t, s.outcomes, 1, row.name)
		require.Equal(t, row.outcome, s.outcomes[0].Status, row.name)
		require.Equal(t, row.class, s.outcomes[0].ErrorClass, row.name)
	}
	_, text := s.send(t, url, "GET", "/forgotten", "", "ann", "")
	require.Contains(t, problemOf(t, text).Detail, "bound no action to this route")
	testApproval(t, s, url)
}

// testApproval has a request approved, which passes once, and no other one with its approval.
func testApproval(t *testing.T, s *guardedService, url string) {
	t.Helper()
	for _, ask := range []struct{ method, target, body, other string }{
		{"DELETE", "/accounts/acme", "", "/accounts/other"},
		{"POST", "/accounts/acme/transfers", `{"amount":7000}`, "/accounts/other/transfers"},
	} {
		s.reached = nil
		response, text := s.send(t, url, ask.method, ask.target, ask.body, "ann", "")
		require.Equal(t, http.StatusForbidden, response.StatusCode, text)
		id := problemOf(t, text).Approval.ID
		require.NotEmpty(t, id)
		s.people.Approve(id)
		response, _ = s.send(t, url, ask.method, ask.other, ask.body, "ann", id)
		require.Equal(t, http.StatusForbidden, response.StatusCode)
		require.Empty(t, s.reached)
		response, text = s.send(t, url, ask.method, ask.target, ask.body, "ann", id)
		require.Equal(t, http.StatusOK, response.StatusCode, text)
		require.Equal(t, ask.body, text)
		require.Len(t, s.reached, 1)
		response, _ = s.send(t, url, ask.method, ask.target, ask.body, "ann", id)
		require.Equal(t, http.StatusForbidden, response.StatusCode)
		require.Len(t, s.reached, 1)
	}
}

// send sends a request and returns the response and its body.
func (s *guardedService) send(t *testing.T, url, method, target, body, user, approval string) (*http.Response, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url+target, strings.NewReader(body))
	require.NoError(t, err)
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	if user != "" {
		r.Header.Set("User", user)
	}
	if approval != "" {
		r.Header.Set("Aureus-Approval", approval)
	}
	transport := &http.Transport{DisableKeepAlives: true}
	response, err := transport.RoundTrip(r)
	require.NoError(t, err)
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return response, string(text)
}

// refusal has the members of a problem that the tests read.
type refusal struct {
	Code, Detail string
	Approval     struct{ ID string }
}

func problemOf(t *testing.T, text string) (p refusal) {
	t.Helper()
	require.NoError(t, json.Unmarshal([]byte(text), &p), text)
	require.NotEmpty(t, p.Code, text)
	return p
}
