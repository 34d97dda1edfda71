package controlplane_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane"
	"github.com/farmountain/aureus-go/internal/strictjson"
)

// The rules of docs/spec/contract.md and docs/spec/json.md, tested one by one over a
// connection. Those that the published client depends on are in
// published_client_test.go.

func TestClient_BaseURLWithPath_KeepsThePath(t *testing.T) {
	t.Parallel()
	srv := open(t)
	key := newKey(t, srv, controlplane.RoleService, "svc")
	listening := httptest.NewServer(http.StripPrefix("/pre/fix", srv))
	defer listening.Close()
	for _, base := range []string{"/pre/fix", "/pre/fix/", "/pre/fix///"} {
		client, err := aureus.NewClient(listening.URL+base, aureus.WithAPIKey(key))
		require.NoError(t, err)
		allowed, err := client.CheckPermission(t.Context(), agent, aureus.Action{ID: "look", Name: "Look", RiskTier: aureus.TierLow})
		require.NoError(t, err, base)
		require.True(t, allowed)
		require.NoError(t, client.Close())
	}
}

func TestRequest_WithoutValidKey_IsRefusedInJSON(t *testing.T) {
	t.Parallel()
	s := newSite(t, open(t))
	for _, key := range []string{"", "key_x.y"} {
		got := s.as(key).post(t, "/api/v1/policy/check", "{}")
		body := got.refusal(t, http.StatusUnauthorized, "AUTHENTICATION_FAILED")
		require.NotEmpty(t, body["remediation"])
		require.Contains(t, got.header.Get("WWW-Authenticate"), "Bearer")
	}
}

// The published client does not follow redirects, so the server sends none: send checks
// that.
func TestPaths_NotClean_AreNotRedirected(t *testing.T) {
	t.Parallel()
	s := newSite(t, open(t))
	for _, path := range []string{
		"//api/v1/observability/metrics", "/api//v1/observability/metrics", "/api/v1/policy/approvals//approve", "/api/v1/workflows//status",
		"/api/v1/workflows/../status", "/api/v1/workflows/./status", "/api/v1/observability/traces/../metrics", "/api/v1/../../healthz",
		"/api/v1/observability/metrics/", "/api/v1/policy/approvals/", "/api/v1/workflows/a/b/status", "/api/v1/observability/traces", "/healthz/", "/", "/api", "/api/v1/status",
	} {
		s.get(t, path).refusal(t, http.StatusNotFound, "NOT_FOUND")
	}
	// Escaped slashes and dots are part of an id, here an unknown one.
	for _, id := range []string{"%2F", "a%2Fb", "%2E%2E", "..%2F..%2Fhealthz", "%00", "a%0Ab", "%20", "%C3%A9", "%252F"} {
		got := s.get(t, "/api/v1/policy/approvals/"+id)
		require.Equal(t, http.StatusNotFound, got.status, "%s: %s", id, got.body)
		s.get(t, "/api/v1/crv/validators/"+id).refusal(t, http.StatusNotFound, "NOT_FOUND")
		require.Empty(t, s.get(t, "/api/v1/observability/traces/"+id).ok(t).list(t), "an unknown trace has no spans")
	}
}

// Paths that no HTTP client would send get a response too.
func TestRequestLine_UnusualPath_IsAnswered(t *testing.T) {
	t.Parallel()
	s := newSite(t, open(t))
	address, err := url.Parse(s.url)
	require.NoError(t, err)
	for line, want := range map[string]int{
		"POST /api/v1/workflows/x/cancel HTTP/1.1":               http.StatusNotFound,
		"GET /api/v1/policy/approvals/../approvals HTTP/1.1":     http.StatusNotFound,
		"GET //healthz HTTP/1.1":                                 http.StatusNotFound,
		"GET http://elsewhere.example/healthz HTTP/1.1":          http.StatusOK,
		"GET /api/v1/observability/metrics?limit=1;a=b HTTP/1.1": http.StatusBadRequest,
	} {
		connection, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", address.Host)
		require.NoError(t, err)
		_, err = fmt.Fprintf(connection, "%s\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 0\r\nAuthorization: Bearer %s\r\nConnection: close\r\n\r\n", line, s.service)
		require.NoError(t, err)
		response, err := http.ReadResponse(bufio.NewReader(connection), nil)
		require.NoError(t, err)
		text, err := io.ReadAll(response.Body)
		require.NoError(t, err)
		require.NoError(t, response.Body.Close())
		require.NoError(t, connection.Close())
		require.Equal(t, want, response.StatusCode, "%s: %s", line, text)
		require.Equal(t, "application/json", response.Header.Get("Content-Type"), line)
		_, err = strictjson.Parse(text)
		require.NoError(t, err, line)
	}
}

// Ids are not escaped in paths, so the client refuses ids that would change the path.
// Ids of workflows are tested in published_client_test.go.
func TestIDs_WithPathSeparators_AreRefused(t *testing.T) {
	t.Parallel()
	s := newSite(t, open(t))
	for _, id := range []string{"", ".", "..", "a/b", "/", "../x", `a\nb`, `\u0000`, `\u007f`, strings.Repeat("x", 257)} {
		got := s.post(t, "/api/v1/crv/validators", `{"validator_id":"`+id+`","config":{"type":"not_null"}}`)
		got.refusal(t, http.StatusUnprocessableEntity, "VALIDATION_ERROR")
		require.Contains(t, got.body, `"/validator_id"`)
	}
	for _, id := range []string{"a b", "é", "a%2Fb", "a.b", "a?b", "a#b"} {
		s.post(t, "/api/v1/crv/validators", `{"validator_id":"`+id+`","config":{"type":"not_null"}}`).ok(t)
		require.Equal(t, id, s.get(t, "/api/v1/crv/validators/"+url.PathEscape(id)).ok(t).field(t, "validator_id"))
	}
}

func TestErrors_OfEveryPath_AreJSON(t *testing.T) {
	t.Parallel()
	s := newSite(t, open(t, func(c *controlplane.Config) { c.MaxBody = 2000 }))
	for reason, test := range map[string]struct {
		method, path, body string
		status             int
		code               string
	}{
		"no such path":                    {"GET", "/nowhere", "", 404, "NOT_FOUND"},
		"another method":                  {"DELETE", "/api/v1/policy/evaluate", "", 405, "METHOD_NOT_ALLOWED"},
		"an unknown method":               {"BREW", "/api/v1/policy/evaluate", "", 405, "METHOD_NOT_ALLOWED"},
		"no body":                         {"POST", "/api/v1/policy/evaluate", "", 400, "MALFORMED_JSON"},
		"not JSON":                        {"POST", "/api/v1/policy/evaluate", "a=b", 400, "MALFORMED_JSON"},
		"more than one value":             {"POST", "/api/v1/policy/evaluate", "{}{}", 400, "MALFORMED_JSON"},
		"a duplicate name":                {"POST", "/api/v1/policy/evaluate", `{"a":1,"a":2}`, 400, "MALFORMED_JSON"},
		"invalid UTF-8":                   {"POST", "/api/v1/policy/evaluate", "{\"a\":\"\xff\"}", 400, "MALFORMED_JSON"},
		"NaN as Python writes it":         {"POST", "/api/v1/observability/metrics", `{"name":"m","value":NaN,"timestamp":"t"}`, 400, "MALFORMED_JSON"},
		"nested too deep":                 {"POST", "/api/v1/crv/validate", strings.Repeat("[", 101) + strings.Repeat("]", 101), 400, "MALFORMED_JSON"},
		"null":                            {"POST", "/api/v1/policy/evaluate", "null", 422, "VALIDATION_ERROR"},
		"an array":                        {"POST", "/api/v1/policy/evaluate", "[]", 422, "VALIDATION_ERROR"},
		"an object without the fields":    {"POST", "/api/v1/policy/evaluate", "{}", 422, "VALIDATION_ERROR"},
		"a body that is too large":        {"POST", "/api/v1/policy/evaluate", `"` + strings.Repeat("x", 3000) + `"`, 413, "BODY_TOO_LARGE"},
		"a malformed query":               {"GET", "/api/v1/observability/metrics?a=%zz", "", 400, "MALFORMED_JSON"},
		"a repeated parameter":            {"GET", "/api/v1/observability/metrics?name=a&name=b", "", 400, "VALIDATION_ERROR"},
		"a role that is not sufficient":   {"GET", "/api/v1/audit", "", 403, "PERMISSION_DENIED"},
		"a filter with an invalid escape": {"GET", "/api/v1/policy/approvals?status=%zz", "", 400, "MALFORMED_JSON"},
		"a filter after a semicolon":      {"GET", "/api/v1/policy/approvals?limit=1;status=pending", "", 400, "MALFORMED_JSON"},
		"a repeated filter":               {"GET", "/api/v1/policy/approvals?status=pending&status=approved", "", 400, "VALIDATION_ERROR"},
		"a limit with an invalid escape":  {"GET", "/api/v1/crv/validators?limit=%zz", "", 400, "MALFORMED_JSON"},
		"a stream with a repeated filter": {"GET", "/api/v1/stream?kinds=telemetry&kinds=approval", "", 400, "VALIDATION_ERROR"},
	} {
		t.Run(reason, func(t *testing.T) {
			s.send(t, test.method, test.path, test.body).refusal(t, test.status, test.code)
		})
	}
	for _, query := range []string{"principal=%zz", "principal=a;action=b", "principal=a&principal=b"} {
		require.Equal(t, http.StatusBadRequest, s.as(s.operator).get(t, "/api/v1/audit?"+query).status, "a filter is never ignored: %s", query)
	}
}

// The content type of a request is ignored, except for a POST in development mode.
func TestContentType_AnyOrNone_IsTaken(t *testing.T) {
	t.Parallel()
	s := newSite(t, open(t))
	for _, kind := range []string{"application/json", "text/plain", ""} {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.url+"/api/v1/policy/check", strings.NewReader(`{"principal":`+agentJSON+`,"action":`+lookJSON+`}`))
		require.NoError(t, err)
		request.Header = http.Header{"Authorization": {"Bearer " + s.service}, "Content-Type": {kind}}
		response, err := s.client.Do(request)
		require.NoError(t, err)
		require.NoError(t, response.Body.Close())
		require.Equal(t, http.StatusOK, response.StatusCode, kind)
	}
	s.get(t, "/api/v1/observability/metrics").ok(t) // get sends application/json
}

func TestFreeFormNumbers_SentAndRead_KeepTheirDigits(t *testing.T) {
	t.Parallel()
	s := newSite(t, open(t))
	const big = "1000000000000000000000000000000"
	event := `{"type":"custom","timestamp":"t","data":{"big":` + big + `,"int":1,"float":1.0,"small":0.1,"exp":1e400}}`
	s.post(t, "/api/v1/observability/events", event).ok(t)
	require.Equal(t, "["+event+"]\n", s.get(t, "/api/v1/observability/events").ok(t).body, "byte for byte")

	// Two numbers that are equal as float64 make different requests.
	digest := func(n string) string {
		body := strings.Replace(evaluation(deletionJSON), `"audit_log"`, `"arguments":{"n":`+n+`},"audit_log"`, 1)
		return s.post(t, "/api/v1/policy/evaluate", body).ok(t).field(t, "action_digest")
	}
	require.NotEqual(t, digest("9007199254740993"), digest("9007199254740992"))
	require.NotEqual(t, digest(big), digest(big[:len(big)-1]+"1"))
	require.Equal(t, digest("1.0"), digest("1"), "two spellings of one number are equal")
	for _, item := range s.get(t, "/api/v1/policy/approvals").list(t)[:2] {
		n, _ := object(object(item)["arguments"])["n"].(json.Number)
		require.Contains(t, []string{"9007199254740993", "9007199254740992"}, n.String())
	}
}

// Fields declared as whole numbers accept 2.0 and refuse 2.5; floats are written with a
// fraction.
func TestDeclaredNumbers_EachForm_AreTakenOrRefused(t *testing.T) {
	t.Parallel()
	s := newSite(t, open(t))
	gate := func(confidence string) answer {
		return s.post(t, "/api/v1/crv/validate", `{"commit":{"id":"c","data":1},"gate_config":{"name":"g","validators":["not_null"],"block_on_failure":true,"required_confidence":`+confidence+`}}`)
	}
	for _, confidence := range []string{"0", "0.0", "1", "1.0", "null", "1e0"} {
		gate(confidence).ok(t)
	}
	for _, confidence := range []string{"1.01", "-0.1", `"1"`, "true", "1e400"} {
		gate(confidence).refusal(t, 422, "VALIDATION_ERROR")
	}
	for text, ok := range map[string]bool{"2": true, "2.0": true, "2e0": true, "2.5": false, "0": false, `"2"`: false} {
		err := strictjson.Unmarshal([]byte(`{"max_attempts":`+text+`,"backoff_ms":1,"backoff_multiplier":0.0,"jitter":null}`), new(aureus.RetryConfig))
		require.Equal(t, ok, err == nil, "%s: %v", text, err)
	}
}

func TestValidationError_SeveralProblems_ListsAll(t *testing.T) {
	t.Parallel()
	s := newSite(t, open(t))
	body := s.post(t, "/api/v1/policy/evaluate", `{"principal":{"id":1,"permissions":[{"action":"a","resource":null,"intent":"rename"}]},"action":{"id":"a","name":"A","risk_tier":"severe","required_permissions":{}},
		"current_state":"resting","Audit_log":[],"volatile":"x"}`).refusal(t, 422, "VALIDATION_ERROR")
	var pointers []string
	for _, problem := range list(body["details"]) {
		pointer, _ := object(problem)["pointer"].(string)
		pointers = append(pointers, pointer)
	}
	require.ElementsMatch(t, []string{
		"/principal/id", "/principal/type", "/principal/permissions/0/resource", "/principal/permissions/0/intent",
		"/action/risk_tier", "/action/required_permissions", "/current_state", "/audit_log", "/Audit_log", "/volatile",
	}, pointers)
}

func TestQuery_Tags_AreJSONText(t *testing.T) {
	t.Parallel()
	s := newSite(t, open(t))
	for name, tags := range map[string]string{"m1": `{"workflow_id":"w 1","env":"prod"}`, "m2": `{"workflow_id":"w 1","env":"tést"}`, "m3": `{"env":"prod"}`, "m4": "null"} {
		s.post(t, "/api/v1/observability/metrics", `{"name":"`+name+`","value":1.0,"timestamp":"2026-01-02T03:04:05","tags":`+tags+`}`).ok(t)
	}
	for query, want := range map[string][]string{
		`{"workflow_id": "w 1"}`:                {"m1", "m2"},
		`{"workflow_id": "w 1", "env": "prod"}`: {"m1"},
		`{"env": "t\u00e9st"}`:                  {"m2"}, // as Python's json.dumps escapes it
		`{"env": "none"}`:                       {},
		`{}`:                                    {"m1", "m2", "m3", "m4"},
		``:                                      {"m1", "m2", "m3", "m4"},
	} {
		names := []string{}
		for _, item := range s.get(t, "/api/v1/observability/metrics?tags="+url.QueryEscape(query)).ok(t).list(t) {
			name, _ := object(item)["name"].(string)
			names = append(names, name)
		}
		require.ElementsMatch(t, want, names, query)
	}
	for _, query := range []string{`{`, `[]`, `{"a":1}`, `"a"`, `{"a":null}`} {
		s.get(t, "/api/v1/observability/metrics?tags="+url.QueryEscape(query)).refusal(t, 400, "VALIDATION_ERROR")
	}
	for _, query := range []string{"start_time=yesterday", "end_time=t"} {
		s.get(t, "/api/v1/observability/metrics?"+query).refusal(t, 400, "VALIDATION_ERROR")
	}
}

func TestTimeRange_BothEnds_AreInclusive(t *testing.T) {
	t.Parallel()
	s := newSite(t, open(t))
	for i := range 5 {
		s.post(t, "/api/v1/observability/metrics", fmt.Sprintf(`{"name":"m","value":%d.0,"timestamp":"2026-01-02T03:04:0%d","tags":null}`, i, i)).ok(t)
	}
	for query, want := range map[string]int{
		"start_time=2026-01-02T03:04:01&end_time=2026-01-02T03:04:03":            3,
		"start_time=2026-01-02T03:04:01Z&end_time=2026-01-02T03:04:03Z":          3,
		"start_time=2026-01-02T04:04:01%2B01:00&end_time=2026-01-02T03:04:03Z":   3,
		"start_time=2026-01-02T03:04:04":                                         1,
		"end_time=2026-01-02T03:04:00.000000":                                    1,
		"start_time=2026-01-02T03:04:01.000001&end_time=2026-01-02T03:04:02.999": 1,
		"start_time=2026-01-03":                                                  0,
		"name=m":                                                                 5,
		"name=M":                                                                 0,
		"name=":                                                                  5,
	} {
		require.Len(t, s.get(t, "/api/v1/observability/metrics?"+query).ok(t).list(t), want, query)
	}
}

// Unknown members are ignored in declared objects and kept in free-form ones.
func TestBody_UnknownNames_AreIgnored(t *testing.T) {
	t.Parallel()
	s := newSite(t, open(t))
	s.post(t, "/api/v1/policy/check", `{"principal":`+agentJSON+`,"action":`+lookJSON+`,"severity":"high","later":{"Id":1,"id":2}}`).ok(t)
}
