package controlplane_test

import (
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane"
	"github.com/farmountain/aureus-go/internal/vocab"
)

// route is a path that needs a key, with the role that it needs.
type route struct {
	method, path string
	need         controlplane.Role
}

// routes lists all routes of the contract. TestOpenAPI_Paths_AreThoseOfTheRoutes
// checks that the server has no others.
func routes(t *testing.T) (all []route) {
	t.Helper()
	ids := strings.NewReplacer("{id}", "x", "{trace_id}", "x")
	for name, o := range readContract(t).operations() {
		if o.role != "none" {
			method, path, _ := strings.Cut(ids.Replace(name), " ")
			all = append(all, route{method, path, controlplane.Role(o.role)})
		}
	}
	require.Greater(t, len(all), 30)
	return all
}

func TestEveryPath_WithoutKey_Is401(t *testing.T) {
	t.Parallel()
	srv, routes := open(t), routes(t)
	revoked := newKey(t, srv, controlplane.RoleAdmin, "gone")
	keys, err := srv.Keys().List(t.Context())
	require.NoError(t, err)
	require.NoError(t, srv.Keys().Revoke(t.Context(), "test", keys[0].ID))
	good := newKey(t, srv, controlplane.RoleService, "svc")

	for name, header := range map[string]http.Header{
		"none":               {},
		"empty":              {"Authorization": {"Bearer "}},
		"another scheme":     {"Authorization": {"Basic " + good}},
		"no scheme":          {"Authorization": {good}},
		"unknown":            {"Authorization": {"Bearer k"}},
		"truncated":          {"Authorization": {"Bearer " + good[:len(good)-1]}},
		"one more character": {"Authorization": {"Bearer " + good + "0"}},
		"the id alone":       {"Authorization": {"Bearer " + good[:strings.IndexByte(good, '.')]}},
		"revoked":            {"Authorization": {"Bearer " + revoked}},
		"two headers":        {"Authorization": {"Bearer " + good, "Bearer " + good}},
		"very long":          {"Authorization": {"Bearer " + strings.Repeat("a", 600)}},
	} {
		t.Run(name, func(t *testing.T) {
			for _, route := range routes {
				got := raw{method: route.method, path: route.path, header: header, from: name + route.path}.do(t, srv)
				got.refusal(t, http.StatusUnauthorized, "AUTHENTICATION_FAILED")
				require.Contains(t, got.header.Get("WWW-Authenticate"), `Bearer realm="aureus"`)
				require.NotContains(t, got.body, good)
			}
		})
	}
	t.Run("service key on an operator's path", func(t *testing.T) {
		for _, route := range routes {
			if route.path == "/api/v1/stream" { // it does not end; stream_test.go tests what each role may follow
				continue
			}
			got := raw{method: route.method, path: route.path, key: good}.do(t, srv)
			if route.need == controlplane.RoleService {
				require.NotContains(t, []int{401, 403}, got.status, route.path)
				continue
			}
			got.refusal(t, http.StatusForbidden, "PERMISSION_DENIED")
		}
	})
}

func TestHealth_WithoutKey_IsAnswered(t *testing.T) {
	t.Parallel()
	srv := open(t)
	for _, path := range []string{"/healthz", "/readyz"} {
		got := raw{method: "GET", path: path}.do(t, srv)
		require.Equal(t, http.StatusOK, got.status)
		require.NotEmpty(t, got.json(t)["status"])
	}
}

// The test fills one tenant and sends a request to every path with the key of another
// tenant.
func TestTenants_OfOneServer_AreKeptApart(t *testing.T) {
	t.Parallel()
	srv := open(t)
	service, olga := srv.Client(), srv.Operator("olga")
	approval := ask(t, service, 500)
	_, err := service.RegisterValidator(t.Context(), "house", map[string]any{"type": "not_null"})
	require.NoError(t, err)
	require.NoError(t, service.ReportSpan(t.Context(), aureus.Span{ID: "s", TraceID: "tr", Name: "n", StartTime: "2026-01-01T00:00:00Z"}))
	require.NoError(t, service.ReportMetric(t.Context(), aureus.Metric{Name: "m", Value: 1, Timestamp: "2026-01-01T00:00:00Z"}))
	require.NoError(t, service.ReportEvent(t.Context(), aureus.TelemetryEvent{Type: aureus.EventCustom, Timestamp: "2026-01-01T00:00:00Z", Data: map[string]any{}}))

	elsewhere := func(k *controlplane.Key) { k.Tenant = "other" }
	key := newKey(t, srv, controlplane.RoleAdmin, "olga", elsewhere)
	other := client(t, srv, key)
	require.Empty(t, mustList(t, other))
	_, err = other.Approval(t.Context(), approval.ID)
	require.ErrorIs(t, err, aureus.ReasonApprovalUnknown.Err())
	_, err = other.Approve(t.Context(), approval.ID, approval.ActionDigest, "")
	require.ErrorIs(t, err, aureus.ReasonApprovalUnknown.Err())
	_, err = other.Reject(t.Context(), approval.ID, approval.ActionDigest, "")
	require.ErrorIs(t, err, aureus.ReasonApprovalUnknown.Err())
	require.ErrorIs(t, other.ConsumeApproval(t.Context(), approval.ID, use(approval)), aureus.ReasonApprovalUnknown.Err())
	for path, empty := range map[string]string{
		"/api/v1/policy/approvals": "[]\n", "/api/v1/crv/validators": "[]\n", "/api/v1/observability/metrics": "[]\n",
		"/api/v1/observability/events": "[]\n", "/api/v1/observability/traces/tr": "[]\n",
	} {
		require.Equal(t, empty, raw{method: "GET", path: path, key: key}.do(t, srv).body, path)
	}
	raw{method: "GET", path: "/api/v1/crv/validators/house", key: key}.do(t, srv).refusal(t, 404, "NOT_FOUND")
	result, err := other.ValidateCommit(t.Context(), aureus.Commit{ID: "c", Data: 1}, aureus.GateConfig{Name: "g", Validators: []string{"house"}, BlockOnFailure: true})
	require.NoError(t, err)
	require.Equal(t, aureus.ToolError, result.FailureCode, "the validator of the other tenant is not visible")
	registration, err := other.RegisterValidator(t.Context(), "house", map[string]any{"type": "not_null"})
	require.NoError(t, err)
	require.False(t, registration.Replaced)

	asked, err := other.Decide(t.Context(), transfer(aureus.TierHigh, 500))
	require.NoError(t, err)
	require.NotEqual(t, approval.ID, asked.Approval.ID)
	require.NotEqual(t, approval.ActionDigest, asked.Digest, "the tenant is part of the digest")

	theirs, mine := collectAudit(t, other), collectAudit(t, olga)
	require.Equal(t, vocab.AuditKeyAdded, theirs[0].Kind)
	require.EqualValues(t, 1, theirs[0].Sequence, "each tenant has its own chain")
	for _, e := range mine {
		require.NotEqual(t, asked.ID, e.DecisionID)
	}
	export := raw{method: "GET", path: "/api/v1/audit/export", key: key}.do(t, srv)
	require.Equal(t, len(theirs), strings.Count(export.body, "\n"))
	summary := raw{method: "GET", path: "/api/v1/observability/summary", key: key}.do(t, srv).json(t)
	require.Equal(t, "0", summary["total_events"].(interface{ String() string }).String())
}

func TestKey_OtherPrincipal_IsRefused(t *testing.T) {
	t.Parallel()
	srv := open(t)
	request := transfer(aureus.TierLow, 1)
	for name, row := range map[string]struct {
		speaksFor []string
		subject   string
		may       bool
	}{
		"everyone":             {[]string{controlplane.Everyone}, "svc", true},
		"by name":              {[]string{"agent-0", "agent-1"}, "svc", true},
		"itself":               {nil, "agent-1", true},
		"nobody":               {nil, "svc", false},
		"others":               {[]string{"agent-2"}, "svc", false},
		"similar names":        {[]string{"agent-*", "Agent-1", "agent-10"}, "svc", false},
		"only its own subject": {[]string{"svc"}, "svc", false},
	} {
		t.Run(name, func(t *testing.T) {
			c := client(t, srv, newKey(t, srv, controlplane.RoleService, row.subject, func(k *controlplane.Key) { k.SpeaksFor = row.speaksFor }))
			_, evaluated := c.Decide(t.Context(), request)
			_, checked := c.CheckPermission(t.Context(), request.Principal, request.Action)
			_, asked := c.RequestApproval(t.Context(), request.Action, request.Principal, "r")
			recorded := c.RecordDecisions(t.Context(), []aureus.DecisionRecord{record("agent-1")})
			for _, err := range []error{evaluated, checked, asked} {
				if row.may {
					require.NoError(t, err)
				} else {
					require.ErrorIs(t, err, aureus.ErrForbidden)
				}
			}
			if row.may {
				require.NoError(t, recorded)
				return
			}
			partial, ok := errors.AsType[*aureus.PartialError](recorded)
			require.True(t, ok, recorded)
			require.Len(t, partial.Rejected, 1)
		})
	}
}

func TestKeys_InvalidFields_AreRefused(t *testing.T) {
	t.Parallel()
	srv := open(t)
	for name, key := range map[string]controlplane.Key{
		"no subject":                  {Role: controlplane.RoleService},
		"no role":                     {Subject: "a"},
		"an unknown role":             {Subject: "a", Role: "root"},
		"an invalid tenant":           {Subject: "a", Role: controlplane.RoleService, Tenant: "A B"},
		"a subject with a line break": {Subject: "a\nb", Role: controlplane.RoleService},
		"a subject like another one":  {Subject: "a ", Role: controlplane.RoleService},
		"a subject that is too long":  {Subject: strings.Repeat("a", 201), Role: controlplane.RoleService},
		"an empty name in SpeaksFor":  {Subject: "a", Role: controlplane.RoleService, SpeaksFor: []string{""}},
	} {
		t.Run(name, func(t *testing.T) {
			_, secret, err := srv.Keys().Add(t.Context(), "test", key)
			require.Error(t, err)
			require.Empty(t, secret)
		})
	}
	require.ErrorIs(t, srv.Keys().Revoke(t.Context(), "test", "key_unknown"), aureus.ErrNotFound)
}

func TestFirstKey_CalledTwice_IsMadeOnce(t *testing.T) {
	t.Parallel()
	srv := open(t)
	key, secret, made, err := srv.Keys().First(t.Context())
	require.NoError(t, err)
	require.True(t, made)
	require.Equal(t, controlplane.RoleAdmin, key.Role)
	_, err = client(t, srv, secret).VerifyAudit(t.Context())
	require.NoError(t, err)
	_, again, made, err := srv.Keys().First(t.Context())
	require.NoError(t, err)
	require.False(t, made)
	require.Empty(t, again)

	require.NoError(t, srv.Keys().Revoke(t.Context(), "test", key.ID))
	require.NoError(t, srv.Keys().Revoke(t.Context(), "test", key.ID), "revoking again changes nothing")
	var kinds []string
	for _, e := range collectAudit(t, srv.Operator("olga")) {
		kinds = append(kinds, e.Kind)
		require.NotContains(t, mustMarshal(t, e), secret)
	}
	require.Equal(t, []string{vocab.AuditKeyAdded, vocab.AuditKeyRevoked}, kinds)
	_, _, made, err = srv.Keys().First(t.Context())
	require.NoError(t, err)
	require.True(t, made, "without an admin's key, First creates one again")
}

func TestDevelopmentMode_EachRequest_IsTakenOrRefused(t *testing.T) {
	t.Parallel()
	const operatorKey = "operator-0123456789"
	srv := open(t, func(c *controlplane.Config) { c.Dev, c.OperatorKey = true, operatorKey })
	evaluate := raw{path: "/api/v1/policy/evaluate", body: wireContext}
	with := func(change func(*raw)) raw {
		q := evaluate
		q.header = http.Header{}
		change(&q)
		return q
	}
	header := func(name, value string) raw { return with(func(q *raw) { q.header.Set(name, value) }) }
	host := func(name string) raw { return with(func(q *raw) { q.host = name }) }
	for name, row := range map[string]struct {
		ask    raw
		status int
	}{
		"no key":                                 {evaluate, 200},
		"an invalid key":                         {with(func(q *raw) { q.key = "k" }), 200},
		"localhost":                              {host("localhost:3000"), 200},
		"LOCALHOST":                              {host("LOCALHOST"), 200},
		"127.0.0.1":                              {host("127.0.0.1:3000"), 200},
		"another address in 127/8":               {host("127.9.9.9"), 200},
		"IPv6":                                   {host("[::1]:3000"), 200},
		"IPv6 without a port":                    {host("[::1]"), 200},
		"IPv4 in IPv6":                           {host("[::ffff:127.0.0.1]:1"), 200},
		"another host name":                      {host("evil.example"), 403},
		"a host name that begins with localhost": {host("localhost.evil.example"), 403},
		"a host name that ends with localhost":   {host("evil-localhost"), 403},
		"a host name that begins with 127.0.0.1": {host("127.0.0.1.evil.example"), 403},
		"another address":                        {host("10.0.0.1:3000"), 403},
		"the unspecified address":                {host("0.0.0.0:3000"), 403},
		"the same origin":                        {header("Origin", "http://localhost"), 200},
		"another origin":                         {header("Origin", "http://evil.example"), 403},
		"another port's origin":                  {header("Origin", "http://localhost:8080"), 403},
		"an opaque origin":                       {header("Origin", "null"), 403},
		"the browser says cross-site":            {header("Sec-Fetch-Site", "cross-site"), 403},
		"the browser says same-site":             {header("Sec-Fetch-Site", "same-site"), 403},
		"the browser says same-origin":           {header("Sec-Fetch-Site", "same-origin"), 200},
		"the address bar":                        {header("Sec-Fetch-Site", "none"), 200},
		"a form as text/plain":                   {header("Content-Type", "text/plain"), 415},
		"a form":                                 {header("Content-Type", "application/x-www-form-urlencoded"), 415},
		"a form without fields":                  {with(func(q *raw) { q.body = ""; q.header.Set("Content-Type", "text/plain") }), 415},
		"application/json only as a parameter":   {header("Content-Type", "text/plain; application/json"), 415},
		"JSON with a charset":                    {header("Content-Type", "application/json; charset=utf-8"), 200},
		"an operator's path without a key":       {raw{method: "GET", path: "/api/v1/audit"}, 401},
		"an operator's path, another key":        {raw{method: "GET", path: "/api/v1/audit", key: operatorKey + "0"}, 401},
		"an operator's path with the key":        {raw{method: "GET", path: "/api/v1/audit", key: operatorKey}, 200},
	} {
		t.Run(name, func(t *testing.T) {
			got := row.ask.do(t, srv)
			require.Equal(t, row.status, got.status, got.body)
		})
	}
	t.Run("a request without a content type", func(t *testing.T) {
		got := with(func(q *raw) { q.header["Content-Type"] = nil }).do(t, srv)
		got.refusal(t, 415, "UNSUPPORTED_MEDIA_TYPE")
	})
	t.Run("the connection is not from a loopback address", func(t *testing.T) {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "http://localhost/healthz", http.NoBody)
		outside := &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 3000}
		r = r.WithContext(withLocalAddr(r.Context(), outside))
		w := httptest.NewRecorder()
		srv.ServeHTTP(w, r)
		require.Equal(t, http.StatusForbidden, w.Code)
	})
	t.Run("the operator decides an approval that was requested without a key", func(t *testing.T) {
		anonymous, operator := client(t, srv, ""), client(t, srv, operatorKey)
		approval := ask(t, anonymous, 500)
		_, err := anonymous.Approve(t.Context(), approval.ID, approval.ActionDigest, "")
		require.ErrorIs(t, err, aureus.ErrUnauthenticated)
		_, err = operator.Approve(t.Context(), approval.ID, approval.ActionDigest, "")
		require.NoError(t, err)
		passed, err := anonymous.Decide(t.Context(), transfer(aureus.TierHigh, 500))
		require.NoError(t, err)
		require.Equal(t, aureus.Allow, passed.Effect)
	})
}

func TestRequestID_OfTheClient_IsEchoedIfValid(t *testing.T) {
	t.Parallel()
	srv := open(t)
	get := func(id string) answer {
		return raw{method: "GET", path: "/healthz", header: http.Header{"X-Request-Id": {id}}}.do(t, srv)
	}
	require.Equal(t, "abc-1_2.Z", get("abc-1_2.Z").header.Get("X-Request-Id"))
	for _, id := range []string{"", "a b", "a\nb", "é", strings.Repeat("a", 65), `"`, "<script>"} {
		got := get(id).header.Get("X-Request-Id")
		require.NotEqual(t, id, got)
		require.NotEmpty(t, got)
	}
	require.Equal(t, "nosniff", get("a").header.Get("X-Content-Type-Options"))
}
