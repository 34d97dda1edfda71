package controlplane_test

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane"
	"github.com/farmountain/aureus-go/internal/vocab"
)

// quietly turns the log off, for tests with many requests.
func quietly(config *controlplane.Config) { config.Logger = slog.New(slog.DiscardHandler) }

// If an unknown filter were ignored, the response would contain everything.
func TestQuery_UnknownParameter_IsRefusedOnEveryPath(t *testing.T) {
	t.Parallel()
	s := newSite(t, open(t, quietly))
	s = s.as(newKey(t, s.server, controlplane.RoleAdmin, "adam"))
	ids := strings.NewReplacer("{id}", "x", "{trace_id}", "x")
	for name := range readContract(t).operations() {
		method, path, _ := strings.Cut(name, " ")
		for _, query := range []string{"nonsense=1", "nonsense", "nonsense=", "Limit=1", "LIMIT=1", "limit%5B%5D=1", "=1", "_=1"} {
			got := s.send(t, method, ids.Replace(path)+"?"+query, "")
			body := got.refusal(t, http.StatusBadRequest, "VALIDATION_ERROR")
			require.NotEmpty(t, body["remediation"], name)
			require.Len(t, body["details"], 1, name)
		}
	}
	got := s.get(t, "/api/v1/audit?principal=agent-1&dezision=deny").refusal(t, http.StatusBadRequest, "VALIDATION_ERROR")
	require.Contains(t, got["error"], `"dezision" is unknown`)
	require.Contains(t, got["error"], "principal, action", "the error lists the known names")
	require.Equal(t, "/dezision", object(list(got["details"])[0])["pointer"])
}

func TestQuery_DeclaredParameter_IsKnown(t *testing.T) {
	t.Parallel()
	srv := open(t)
	s := newSite(t, srv)
	s = s.as(s.operator)
	values := map[string]string{
		"status": "pending", "limit": "1", "type": "step_end", "start_time": "2026-01-01", "end_time": "2026-01-02", "tags": `{"a":"b"}`, "range": "1h",
	}
	tried := 0
	for name, parameters := range controlplane.Parameters(srv) {
		method, path, _ := strings.Cut(name, " ")
		for _, parameter := range parameters {
			query := url.Values{parameter: {values[parameter]}}
			if path == "/api/v1/stream" { // a stream does not end, so this request is refused for another reason
				query.Set("kinds", "none")
			}
			got := s.send(t, method, strings.ReplaceAll(path, "{trace_id}", "t")+"?"+query.Encode(), "")
			require.NotContains(t, got.body, "is unknown", "%s: %s", name, parameter)
			tried++
		}
	}
	require.Greater(t, tried, 20)
}

// The error repeats only a limited part of an unknown name, and authentication comes
// first.
func TestQuery_UnknownParameters_AnswerIsBounded(t *testing.T) {
	t.Parallel()
	s := newSite(t, open(t))
	query := url.Values{strings.Repeat("é", 5000): {"1"}}
	for i := range 500 {
		query.Set("p"+strings.Repeat("x", i%7)+string(rune('a'+i%26))+strings.Repeat("y", i/26), "1")
	}
	got := s.get(t, "/api/v1/observability/metrics?"+query.Encode())
	body := got.refusal(t, http.StatusBadRequest, "VALIDATION_ERROR")
	require.Len(t, body["details"], 100)
	require.Less(t, len(got.body), 20_000)
	s.as("").get(t, "/api/v1/observability/metrics?nonsense=1").refusal(t, http.StatusUnauthorized, "AUTHENTICATION_FAILED")
}

// The mux of net/http redirects the path of a subtree without its slash, and its header
// Allow includes methods that lead only to that redirect.
func TestPath_NotServedWithThatMethod_AnswersJSONAndTellsWhichIs(t *testing.T) {
	t.Parallel()
	s := newSite(t, open(t, quietly))
	allow := map[string][]string{}
	for name := range readContract(t).operations() {
		method, path, _ := strings.Cut(name, " ")
		allow[path] = append(allow[path], method)
		if method == http.MethodGet {
			allow[path] = append(allow[path], http.MethodHead)
		}
	}
	order := []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"}
	ids := strings.NewReplacer("{id}", "x", "{trace_id}", "x")
	for path, methods := range allow {
		slices.SortFunc(methods, func(a, b string) int { return slices.Index(order, a) - slices.Index(order, b) })
		for _, method := range []string{"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND", "get"} {
			if slices.Contains(methods, method) {
				continue
			}
			got := s.send(t, method, ids.Replace(path), "")
			got.refusal(t, http.StatusMethodNotAllowed, "METHOD_NOT_ALLOWED")
			require.Equal(t, strings.Join(methods, ", "), got.header.Get("Allow"), "%s %s", method, path)
		}
		for _, method := range []string{"GET", "POST", "DELETE", "OPTIONS"} {
			if path == "/api/v1/observability/traces/{trace_id}" { // it accepts any text after its slash
				break
			}
			for _, near := range []string{path + "/", path + "//", "/" + path, path + "/.", path + "/..", path + "/x/../", strings.ToUpper(path), path + "%2F"} {
				got := s.send(t, method, ids.Replace(near), "")
				require.Contains(t, []int{404, 405}, got.status, "%s %s", method, near)
				require.Contains(t, []any{"NOT_FOUND", "APPROVAL_UNKNOWN", "METHOD_NOT_ALLOWED"}, got.json(t)["code"], "%s %s", method, near)
			}
		}
	}
	for _, method := range []string{"GET", "POST", "DELETE", "OPTIONS"} {
		got := s.send(t, method, "/api/v1/observability/traces", "")
		got.refusal(t, http.StatusNotFound, "NOT_FOUND")
		require.Empty(t, got.header.Get("Allow"))
	}
}

// fill reports n metrics.
func fill(t *testing.T, c *aureus.Client, n int) {
	t.Helper()
	metrics := make([]aureus.Metric, n)
	for i := range metrics {
		metrics[i] = aureus.Metric{Name: "m", Value: float64(i), Timestamp: "2026-01-02T03:04:05Z", Tags: map[string]string{"a b": "c&d"}}
	}
	require.NoError(t, c.ReportMetrics(t.Context(), metrics))
}

// pages follows the Link headers from the address on, like a client that does not know
// the path prefix of the server, and returns the responses.
func pages(t *testing.T, get func(string) *http.Response, address string) (answers []*http.Response) {
	t.Helper()
	for address != "" {
		answer := get(address)
		text, err := io.ReadAll(answer.Body)
		require.NoError(t, err)
		require.NoError(t, answer.Body.Close())
		require.Equal(t, http.StatusOK, answer.StatusCode, "%s: %s", address, text)
		answers = append(answers, answer)
		link := answer.Header.Get("Link")
		if link == "" {
			return answers
		}
		target, rel, found := strings.Cut(link, "; ")
		require.True(t, found)
		require.Equal(t, `rel="next"`, rel)
		require.True(t, strings.HasPrefix(target, "<?"), "relative, so that it is correct behind every path prefix: %s", link)
		base, err := url.Parse(address)
		require.NoError(t, err)
		next, err := base.Parse(strings.Trim(target, "<>"))
		require.NoError(t, err)
		address = next.String()
	}
	return answers
}

func TestLink_BehindAPrefix_LeadsToTheNextPage(t *testing.T) {
	t.Parallel()
	srv := open(t)
	key := newKey(t, srv, controlplane.RoleOperator, "olga")
	fill(t, client(t, srv, key), 5)
	for range 5 {
		_, err := client(t, srv, key).Decide(t.Context(), transfer(aureus.TierLow, 1))
		require.NoError(t, err)
	}
	stripped := httptest.NewServer(http.StripPrefix("/pre/fix", srv))
	defer stripped.Close()
	inner, err := url.Parse(stripped.URL + "/pre/fix")
	require.NoError(t, err)
	proxy := httptest.NewServer(http.StripPrefix("/outer", &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(inner) }}))
	defer proxy.Close()
	plain := httptest.NewServer(srv)
	defer plain.Close()

	get := func(address string) *http.Response {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, http.NoBody)
		require.NoError(t, err)
		r.Header.Set("Authorization", "Bearer "+key)
		answer, err := http.DefaultTransport.RoundTrip(r)
		require.NoError(t, err)
		return answer
	}
	for name, base := range map[string]string{"none": plain.URL, "stripped": stripped.URL + "/pre/fix", "a proxy before it": proxy.URL + "/outer"} {
		t.Run(name, func(t *testing.T) {
			filter := url.Values{"limit": {"2"}, "tags": {`{"a b":"c&d"}`}}.Encode()
			require.Len(t, pages(t, get, base+"/api/v1/observability/metrics?"+filter), 3)
			require.Len(t, pages(t, get, base+"/api/v1/audit?action=transfer&limit=2"), 3)

			c, err := aureus.NewClient(base, aureus.WithAPIKey(key), aureus.WithHTTPClient(&http.Client{Transport: pagesOfTwo{}}))
			require.NoError(t, err)
			defer func() { require.NoError(t, c.Close()) }()
			metrics, err := aureus.Collect(c.Metrics(t.Context(), aureus.MetricQuery{Tags: map[string]string{"a b": "c&d"}}))
			require.NoError(t, err)
			require.Len(t, metrics, 5)
		})
	}
}

// pagesOfTwo requests pages of two items.
type pagesOfTwo struct{}

// RoundTrip implements [http.RoundTripper].
func (pagesOfTwo) RoundTrip(r *http.Request) (*http.Response, error) {
	changed := r.Clone(r.Context())
	query := changed.URL.Query()
	query.Set("limit", "2")
	changed.URL.RawQuery = query.Encode()
	return http.DefaultTransport.RoundTrip(changed)
}

// The server accepts every query parameter that the client can send.
func TestQuery_ClientWithEveryField_IsTaken(t *testing.T) {
	t.Parallel()
	srv := open(t)
	c := client(t, srv, newKey(t, srv, controlplane.RoleOperator, "olga"))
	ctx := t.Context()
	taken := func(err error) {
		t.Helper()
		require.NoError(t, err)
	}
	const from, to = "2026-01-01", "2026-01-02"
	_, err := aureus.Collect(c.Metrics(ctx, aureus.MetricQuery{Name: "m", StartTime: from, EndTime: to, Tags: map[string]string{"a": "b"}}))
	taken(err)
	_, err = aureus.Collect(c.Events(ctx, aureus.EventQuery{Type: aureus.EventCustom, WorkflowID: "w", TaskID: "t", StartTime: from, EndTime: to}))
	taken(err)
	_, err = aureus.Collect(c.Approvals(ctx, aureus.ApprovalQuery{Status: aureus.ApprovalPending}))
	taken(err)
	_, err = c.Trace(ctx, "t")
	taken(err)
	_, err = c.Summary(ctx, aureus.SummaryQuery{StartTime: from, EndTime: to})
	taken(err)
	_, err = c.Summary(ctx, aureus.SummaryQuery{Range: "1h"})
	taken(err)
	query := aureus.AuditQuery{DecisionID: aureus.NewDecisionID(time.Now())}
	fields := reflect.ValueOf(&query).Elem()
	for i := range fields.NumField() {
		switch name := fields.Type().Field(i).Name; {
		case strings.HasSuffix(name, "Time"):
			fields.Field(i).SetString(from)
		case fields.Field(i).Kind() == reflect.String:
			fields.Field(i).SetString(map[string]string{"Decision": "allow", "Kind": vocab.AuditDecision, "TraceID": strings.Repeat("a", 32)}[name])
			if fields.Field(i).String() == "" {
				fields.Field(i).SetString("x")
			}
		}
	}
	_, err = aureus.Collect(c.Audit(ctx, query))
	taken(err)
}
