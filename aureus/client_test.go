package aureus_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/farmountain/aureus-go/aureus"
)

// noRetries is a context whose deadline is always the present time, so that no call
// waits for a retry.
type noRetries struct{ context.Context }

func (noRetries) Deadline() (time.Time, bool) { return time.Now().Add(time.Millisecond), true }

func TestNewClient_Arguments_AreChecked(t *testing.T) {
	for name, test := range map[string]struct {
		baseURL string
		env     map[string]string
		options []aureus.Option
		want    string // part of the error; empty without an error
	}{
		"no configuration":                          {},
		"a path prefix":                             {baseURL: "https://h.example/pre/fix/"},
		"the environment's URL":                     {env: map[string]string{"AUREUS_BASE_URL": "ftp://x"}, want: "must begin with http"},
		"no scheme":                                 {baseURL: "localhost:3000", want: "must begin with http"},
		"no host":                                   {baseURL: "http://", want: "no host"},
		"a password in the URL":                     {baseURL: "http://u:secret@h", want: "WithAPIKey"},
		"a query":                                   {baseURL: "http://h/?a=b", want: "path prefix"},
		"the prefix that the client adds":           {baseURL: "http://h/api/v1", want: "the client adds itself"},
		"behind another one":                        {baseURL: "https://h.example/pre/API/v1/", want: "the client adds itself"},
		"the same from the environment":             {env: map[string]string{"AUREUS_BASE_URL": "http://h/api/v1/"}, want: "the client adds itself"},
		"a path prefix that contains /api/v1":       {baseURL: "https://h.example/api/v1/aureus"},
		"a control character":                       {baseURL: "http://h/\x7f", want: "is malformed"},
		"timeout in seconds":                        {env: map[string]string{"AUREUS_TIMEOUT": "60"}},
		"timeout as duration":                       {env: map[string]string{"AUREUS_TIMEOUT": "1m30s"}},
		"timeout that is not a duration":            {env: map[string]string{"AUREUS_TIMEOUT": "soon"}, want: "AUREUS_TIMEOUT"},
		"timeout below zero":                        {env: map[string]string{"AUREUS_TIMEOUT": "-1"}, want: "positive"},
		"timeout option of zero":                    {options: []aureus.Option{aureus.WithTimeout(0)}, want: "positive"},
		"an option replaces an invalid environment": {env: map[string]string{"AUREUS_TIMEOUT": "soon"}, options: []aureus.Option{aureus.WithTimeout(time.Second)}},
		"a key with a line break":                   {options: []aureus.Option{aureus.WithAPIKey("sekret\n")}, want: "line break"},
		"no HTTP client":                            {options: []aureus.Option{aureus.WithHTTPClient(nil)}, want: "nil"},
	} {
		t.Run(name, func(t *testing.T) {
			for key, value := range test.env {
				t.Setenv(key, value)
			}
			client, err := aureus.NewClient(test.baseURL, test.options...)
			if test.want == "" {
				require.NoError(t, err)
				require.NoError(t, client.Close())
				return
			}
			require.ErrorContains(t, err, test.want)
			require.NotContains(t, err.Error(), "secret")
			require.NotContains(t, err.Error(), "sekret")
		})
	}
}

func TestNewClient_NoArguments_UsesTheEnvironment(t *testing.T) {
	server := record(t, jsonResponse(200, `{}`))
	t.Setenv("AUREUS_BASE_URL", server.URL+"/pre/fix/")
	t.Setenv("AUREUS_API_KEY", "from-env")
	client, err := aureus.NewClient("")
	require.NoError(t, err)
	defer func() { require.NoError(t, client.Close()) }()
	_, err = client.WorkflowStatus(t.Context(), "a/b ü")
	require.NoError(t, err)
	got := server.all()[0]
	require.Equal(t, "/pre/fix/api/v1/workflows/a%2Fb%20%C3%BC/status", got.path)
	require.Equal(t, "Bearer from-env", got.header.Get("Authorization"))

	anonymous, err := aureus.NewClient("", aureus.WithAPIKey(""))
	require.NoError(t, err)
	defer func() { require.NoError(t, anonymous.Close()) }()
	_, err = anonymous.CancelWorkflow(t.Context(), "w")
	require.NoError(t, err)
	got = server.all()[1]
	require.Empty(t, got.header.Values("Authorization"), "no header without a key")
	require.Equal(t, "application/json", got.header.Get("Content-Type"), "the content type is sent although cancel has no body")
	require.Equal(t, int64(0), got.length)
}

func TestCall_IDThatFitsNoPath_IsInvalid(t *testing.T) {
	server := record(t, jsonResponse(200, `{}`))
	client := newClient(t, server.URL)
	for _, id := range []string{"", ".", "..", "a\nb", "a\x00b"} {
		_, err := client.WorkflowStatus(t.Context(), id)
		require.ErrorIs(t, err, aureus.ErrInvalid, "%q", id)
	}
	require.Empty(t, server.all())
}

func TestError_Responses_HaveStatusCodeAndMessage(t *testing.T) {
	for name, test := range map[string]struct {
		status int
		body   string
		is     []error
		text   string
	}{
		"the control plane's form": {409, `{"error":"it was decided","code":"APPROVAL_CONSUMED","remediation":"ask again","request_id":"r1","details":{"a":1}}`, []error{aureus.ErrConflict, aureus.ReasonApprovalConsumed.Err()}, "aureus: EvaluatePolicy: status 409 APPROVAL_CONSUMED: it was decided (ask again) [request r1]"},
		"an RFC 9457 problem":      {403, `{"title":"Forbidden","code":"PERMISSION_DENIED"}`, []error{aureus.ErrForbidden}, "status 403 PERMISSION_DENIED: Forbidden"},
		"a body of another kind":   {422, `[1]`, []error{aureus.ErrInvalid}, "status 422: Unprocessable Entity"},
		"no JSON":                  {502, `<html>`, []error{aureus.ErrUnavailable}, "status 502: Bad Gateway"},
		"unauthenticated":          {401, `{}`, []error{aureus.ErrUnauthenticated}, "401"},
		"not found":                {404, `{}`, []error{aureus.ErrNotFound}, "404"},
		"another server":           {404, `<html>`, []error{aureus.ErrNotFound}, "check the base URL. The client adds /api/v1"},
		"too many":                 {429, `{}`, []error{aureus.ErrRateLimited}, "429"},
		"a redirect":               {302, `{}`, []error{aureus.ErrMalformed}, "does not follow redirects"},
		"a forged log line":        {400, `{"error":"a\nlevel=INFO b"}`, []error{aureus.ErrInvalid}, "a level=INFO b"},
	} {
		t.Run(name, func(t *testing.T) {
			server := record(t, func(w http.ResponseWriter, q *http.Request) {
				w.Header().Set("Location", "/elsewhere")
				w.Header().Set("Retry-After", "7")
				jsonResponse(test.status, test.body)(w, q)
			})
			client := newClient(t, server.URL, aureus.WithRetry(aureus.RetryPolicies{Decisions: aureus.NoRetry}))
			_, err := client.EvaluatePolicy(t.Context(), aureus.PolicyContext{})
			for _, sentinel := range test.is {
				require.ErrorIs(t, err, sentinel)
			}
			require.ErrorContains(t, err, test.text)
			e, ok := errors.AsType[*aureus.Error](err)
			require.True(t, ok)
			require.Equal(t, test.status, e.StatusCode)
			require.Equal(t, 7*time.Second, e.RetryAfter, "also for a redirect")
			require.Len(t, server.all(), 1)
		})
	}
}

// Every response that is malformed or contradictory is an error, and the decision denies.
func TestDecide_AnyFailure_IsNoAllow(t *testing.T) {
	good := `{"allowed":true,"reason":"r","requires_human_approval":false}`
	server := func(handler http.HandlerFunc) func(*testing.T) string {
		return func(t *testing.T) string { t.Helper(); return record(t, handler).URL }
	}
	body := func(text string) func(*testing.T) string { return server(jsonResponse(200, text)) }
	for name, address := range map[string]func(*testing.T) string{
		"duplicate names":                    body(`{"allowed":false,"allowed":true,"reason":"r","requires_human_approval":false}`),
		"a name in another case":             body(`{"allowed":false,"ALLOWED":true,"reason":"r","requires_human_approval":false}`),
		"only a name in another case":        body(`{"Allowed":true,"reason":"r","requires_human_approval":false}`),
		"allowed as text":                    body(`{"allowed":"true","reason":"r","requires_human_approval":false}`),
		"allowed as number":                  body(`{"allowed":1,"reason":"r","requires_human_approval":false}`),
		"allowed as null":                    body(`{"allowed":null,"reason":"r","requires_human_approval":false}`),
		"no reason":                          body(`{"allowed":true,"requires_human_approval":false}`),
		"no approval flag":                   body(`{"allowed":true,"reason":"r"}`),
		"allowed, and requires approval":     body(`{"allowed":true,"reason":"r","requires_human_approval":true}`),
		"an effect that contradicts allowed": body(`{"allowed":true,"reason":"r","requires_human_approval":false,"effect":"deny"}`),
		"an unknown effect":                  body(`{"allowed":true,"reason":"r","requires_human_approval":false,"effect":"permit"}`),
		"trailing data":                      body(good + `{}`),
		"an empty body":                      body(``),
		"null":                               body(`null`),
		"an array":                           body(`[` + good + `]`),
		"nested too deep":                    body(strings.Repeat(`[`, 200000)),
		"cut short":                          body(good[:20]),
		"invalid UTF-8":                      body("{\"allowed\":true,\"reason\":\"\xff\",\"requires_human_approval\":false}"),
		"a body without end":                 server(endless),
		"204":                                server(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }),
		"another content type": server(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html")
			_, _ = io.WriteString(w, good)
		}),
		"a redirect to an allow":        server(redirectTo(jsonResponse(200, good))),
		"an error status with an allow": server(jsonResponse(500, good)),
		"a connection reset":            server(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }),
		"a reset after half of the response": server(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.Header().Set("Content-Length", strconv.Itoa(len(good)))
			_, _ = io.WriteString(w, good[:30])
			panic(http.ErrAbortHandler)
		}),
		"nobody listens": func(t *testing.T) string { t.Helper(); return "http://" + freeAddress(t) },
	} {
		t.Run(name, func(t *testing.T) {
			client := newClient(t, address(t), aureus.WithTimeout(5*time.Second))
			decision, err := client.Decide(t.Context(), plainRequest())
			require.Error(t, err)
			require.Equal(t, aureus.Decision{}, decision)
			require.NotEqual(t, aureus.Allow, decision.Effect)
		})
	}
	t.Run("a valid response is an allow", func(t *testing.T) {
		decision, err := newClient(t, body(good)(t)).Decide(t.Context(), plainRequest())
		require.NoError(t, err)
		require.Equal(t, aureus.Allow, decision.Effect)
		require.False(t, decision.ID.IsZero())
	})
	t.Run("a nil and a zero client", func(t *testing.T) {
		for _, client := range []*aureus.Client{nil, {}} {
			_, err := client.Decide(t.Context(), plainRequest())
			require.ErrorIs(t, err, aureus.ErrClosed)
			require.ErrorIs(t, client.ReportSpans(t.Context(), []aureus.Span{{}}), aureus.ErrClosed)
			require.ErrorIs(t, client.ReportSpansFunc(t.Context(), 1, nil), aureus.ErrClosed)
			gone, cancel := context.WithCancel(t.Context())
			cancel()
			for _, err := range client.Stream(gone, aureus.StreamQuery{}) {
				require.ErrorIs(t, err, aureus.ErrClosed)
			}
			_, err = aureus.Collect(client.Audit(gone, aureus.AuditQuery{}))
			require.ErrorIs(t, err, aureus.ErrClosed)
			require.NoError(t, client.Close())
		}
	})
}

func endless(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	chunk := []byte(strings.Repeat(" ", 1<<20))
	for {
		if _, err := w.Write(chunk); err != nil {
			return
		}
	}
}

func redirectTo(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, q *http.Request) {
		if q.URL.Path == "/allow" {
			next(w, q)
			return
		}
		http.Redirect(w, q, "/allow", http.StatusTemporaryRedirect)
	}
}

func freeAddress(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, listener.Close())
	return listener.Addr().String()
}

func TestDecide_Response_FillsTheDecision(t *testing.T) {
	id := aureus.NewDecisionID(time.Now())
	server := record(t, jsonResponse(200, fmt.Sprintf(`{"allowed":false,"reason":"ask","requires_human_approval":true,"approval_token":"apr_x",
		"decision_id":%q,"effect":"require_approval","reason_code":"HIGH_NEEDS_HUMAN_APPROVAL","rule":"risk_tier","policy_version":"p/1","claimed":true,
		"approval":{"id":"apr_x","status":"pending","expires_at":"2026-01-01T00:00:00Z","url":"http://evil.example/"},"metadata":{"n":9007199254740993}}`, id)))
	client := newClient(t, server.URL+"/pre")
	reads := 0
	request := aureus.Request{
		Principal: aureus.Principal{ID: "agent"}, Action: aureus.Action{ID: "pay", RiskTier: aureus.TierHigh}, Tool: "bank",
		HTTP: &aureus.HTTPCall{Method: "POST", GetBody: func() (aureus.Body, error) { reads++; return aureus.Body("\xffbody"), nil }},
	}
	decision, err := client.Decide(t.Context(), request)
	require.NoError(t, err)
	require.Equal(t, aureus.Decision{
		ID: id, Effect: aureus.RequireApproval, ReasonCode: aureus.ReasonHighRisk, Reason: "ask", Rule: "risk_tier", PolicyVersion: "p/1",
		PrincipalID: "agent", ActionID: "pay", Tool: "bank", RiskTier: aureus.TierHigh, Claimed: true,
		Approval: aureus.ApprovalRef{ID: "apr_x", Status: aureus.ApprovalPending, ExpiresAt: "2026-01-01T00:00:00Z", URL: server.URL + "/pre/api/v1/policy/approvals/apr_x"},
		Metadata: map[string]any{"n": json.Number("9007199254740993")},
	}, decision)
	require.Equal(t, 1, reads)
	require.Contains(t, server.all()[0].body, `"body":"base64:/2JvZHk="`)

	request.Action.RiskTier = aureus.TierLow
	_, err = client.Decide(t.Context(), request)
	require.NoError(t, err)
	require.Equal(t, 1, reads, "without a digest the body is not read")
	require.Contains(t, server.all()[1].body, `"body_omitted":true`, "the request says that the body is omitted")
}

func TestReportEvents_ServerRestarts_EverythingIsDelivered(t *testing.T) {
	for name, away := range map[string]http.HandlerFunc{
		"503 with Retry-After": func(w http.ResponseWriter, q *http.Request) {
			w.Header().Set("Retry-After", "1")
			jsonResponse(503, `{}`)(w, q)
		},
		"connection closed without a response": func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
	} {
		t.Run(name, func(t *testing.T) {
			var calls atomic.Int32
			server := record(t, func(w http.ResponseWriter, q *http.Request) {
				if calls.Add(1) == 1 {
					away(w, q)
					return
				}
				jsonResponse(200, `{"accepted":1,"rejected":[]}`)(w, q)
			})
			require.NoError(t, newClient(t, server.URL).ReportSpans(t.Context(), []aureus.Span{{ID: "a"}}))
			requests := server.all()
			require.Len(t, requests, 2)
			require.NotEmpty(t, requests[0].header.Get("Idempotency-Key"))
			require.Equal(t, requests[0].header.Get("Idempotency-Key"), requests[1].header.Get("Idempotency-Key"))
			require.Equal(t, requests[0].body, requests[1].body)
		})
	}
	t.Run("the server does not listen at first", func(t *testing.T) {
		address := freeAddress(t)
		started := make(chan *http.Server, 1)
		go func() {
			time.Sleep(200 * time.Millisecond) // the length of the outage
			listener, err := net.Listen("tcp", address)
			if err != nil {
				started <- nil
				return
			}
			server := &http.Server{Handler: jsonResponse(200, `{"accepted":1,"rejected":[]}`), ReadHeaderTimeout: time.Second}
			started <- server
			_ = server.Serve(listener)
		}()
		err := newClient(t, "http://"+address).ReportSpans(t.Context(), []aureus.Span{{ID: "a"}})
		server := <-started
		require.NotNil(t, server)
		require.NoError(t, server.Close())
		require.NoError(t, err)
	})
	t.Run("a delay that does not fit the deadline returns at once with the last error", func(t *testing.T) {
		server := record(t, func(w http.ResponseWriter, q *http.Request) {
			w.Header().Set("Retry-After", "3600")
			jsonResponse(503, `{"error":"down for maintenance"}`)(w, q)
		})
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		err := newClient(t, server.URL).ReportSpan(ctx, aureus.Span{})
		require.ErrorContains(t, err, "down for maintenance")
		require.NoError(t, ctx.Err())
	})
}

func TestBatch_ManyItems_AreSplitAndDelivered(t *testing.T) {
	items := func(n int) []aureus.Metric {
		list := make([]aureus.Metric, n)
		for i := range list {
			list[i] = aureus.Metric{Name: "m", Value: float64(i), Timestamp: "t"}
		}
		return list
	}
	t.Run("without items nothing is sent", func(t *testing.T) {
		server := record(t, jsonResponse(500, `{}`))
		require.NoError(t, newClient(t, server.URL).ReportMetrics(t.Context(), nil))
		require.Empty(t, server.all())
	})
	t.Run("many items are split, and rejections have the index in the whole list", func(t *testing.T) {
		server := record(t, batchServer(func(m map[string]any) string {
			if m["value"] == 5.0 || m["value"] == 3000.0 {
				return "not this one"
			}
			return ""
		}))
		metrics := items(5000)
		metrics[7].Value = math.Inf(1)
		err := newClient(t, server.URL).ReportMetrics(t.Context(), metrics)
		partial, ok := errors.AsType[*aureus.PartialError](err)
		require.True(t, ok, "%v", err)
		require.Equal(t, 4997, partial.Accepted)
		indexes := []int{}
		for _, r := range partial.Rejected {
			indexes = append(indexes, r.Index)
		}
		require.ElementsMatch(t, []int{5, 7, 3000}, indexes)
		require.Len(t, server.all(), 3)
	})
	t.Run("a server without batch endpoints gets single items, also in later calls", func(t *testing.T) {
		server := record(t, func(w http.ResponseWriter, q *http.Request) {
			if strings.HasSuffix(q.URL.Path, "/batch") {
				jsonResponse(404, `{}`)(w, q)
				return
			}
			w.WriteHeader(http.StatusAccepted) // any success status, without a body
		})
		client := newClient(t, server.URL)
		require.NoError(t, client.ReportMetrics(t.Context(), items(3)))
		require.NoError(t, client.ReportMetrics(t.Context(), items(2)))
		paths := []string{}
		for _, r := range server.all() {
			paths = append(paths, r.path)
		}
		const path = "/api/v1/observability/metrics"
		require.Equal(t, []string{path + "/batch", path, path, path, path, path}, paths)
		bodies := []string{}
		for _, r := range server.all()[1:4] {
			bodies = append(bodies, r.body)
		}
		require.ElementsMatch(t, []string{`{"name":"m","value":0,"timestamp":"t"}`, `{"name":"m","value":1,"timestamp":"t"}`, `{"name":"m","value":2,"timestamp":"t"}`}, bodies)
	})
	t.Run("items that were not sent because the caller gave up are not counted as accepted", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		var singles atomic.Int32
		server := record(t, func(w http.ResponseWriter, q *http.Request) {
			if strings.HasSuffix(q.URL.Path, "/batch") {
				jsonResponse(404, `{}`)(w, q)
				return
			}
			singles.Add(1)
			jsonResponse(200, `{}`)(w, q)
		})
		client := newClient(t, server.URL)
		require.NoError(t, client.ReportMetrics(ctx, items(1)))
		cancel()
		require.ErrorIs(t, client.ReportMetrics(ctx, items(3)), context.Canceled)
		require.EqualValues(t, 1, singles.Load())
	})
	t.Run("404 to every path does not mean a server without batch endpoints", func(t *testing.T) {
		var away atomic.Bool
		away.Store(true)
		take := batchServer(func(map[string]any) string { return "" })
		server := record(t, func(w http.ResponseWriter, q *http.Request) {
			if away.Load() {
				jsonResponse(404, `{}`)(w, q)
				return
			}
			take(w, q)
		})
		client := newClient(t, server.URL)
		require.ErrorIs(t, client.ReportMetrics(t.Context(), items(1)), aureus.ErrNotFound)
		away.Store(false)
		require.NoError(t, client.ReportMetrics(t.Context(), items(2)))
		all := server.all()
		require.Equal(t, "/api/v1/observability/metrics/batch", all[len(all)-1].path)
	})
	t.Run("a response that does not count all items is malformed", func(t *testing.T) {
		for _, body := range []string{`{"accepted":0,"rejected":[]}`, `{"accepted":1,"rejected":[{"index":9,"reason":"r"}]}`, `{"accepted":2}`} {
			server := record(t, jsonResponse(200, body))
			require.ErrorIs(t, newClient(t, server.URL).ReportMetrics(t.Context(), items(2)), aureus.ErrMalformed, body)
		}
	})
	t.Run("invalid UTF-8 is replaced", func(t *testing.T) {
		server := record(t, batchServer(func(map[string]any) string { return "" }))
		require.NoError(t, newClient(t, server.URL).ReportSpans(t.Context(), []aureus.Span{{Name: "a\xffb<>&"}}))
		require.Contains(t, server.all()[0].body, "a\ufffdb<>&")
	})
}

// A function that writes no span, or invalid bytes, affects no other span.
func TestReportSpansFunc_TextOfTheCaller_IsSent(t *testing.T) {
	server := record(t, batchServer(func(map[string]any) string { return "" }))
	texts := []string{`{"id":"a"}`, "", "{\"id\":\"b\xff\"}", "fails", "shorter", `{"id":"c"}`}
	err := newClient(t, server.URL).ReportSpansFunc(t.Context(), len(texts), func(b []byte, i int) ([]byte, error) {
		switch texts[i] {
		case "fails":
			return append(b, "half of i"...), errors.New("no such span")
		case "shorter":
			return b[:0], nil
		}
		return append(b, texts[i]...), nil
	})
	partial, ok := errors.AsType[*aureus.PartialError](err)
	require.True(t, ok, "%v", err)
	require.Equal(t, 3, partial.Accepted)
	var refused []int
	for _, r := range partial.Rejected {
		refused = append(refused, r.Index)
	}
	require.Equal(t, []int{1, 3, 4}, refused)
	require.Len(t, server.all(), 1)
	require.JSONEq(t, "[{\"id\":\"a\"},{\"id\":\"b\ufffd\"},{\"id\":\"c\"}]", server.all()[0].body)

	server = record(t, jsonResponse(400, `{"error":"no JSON","code":"MALFORMED_JSON"}`))
	err = newClient(t, server.URL).ReportSpansFunc(t.Context(), 1, func(b []byte, _ int) ([]byte, error) { return append(b, '?'), nil })
	require.ErrorIs(t, err, aureus.ErrInvalid)
}

// batchServer accepts batches as the control plane does: refuse returns the reason
// to reject an item, or nothing.
func batchServer(refuse func(map[string]any) string) http.HandlerFunc {
	return func(w http.ResponseWriter, q *http.Request) {
		var items []map[string]any
		if err := json.NewDecoder(q.Body).Decode(&items); err != nil {
			jsonResponse(400, `{"error":"no array"}`)(w, q)
			return
		}
		rejected := []aureus.Rejection{}
		for i, item := range items {
			if reason := refuse(item); reason != "" {
				rejected = append(rejected, aureus.Rejection{Index: i, Reason: reason})
			}
		}
		text, err := json.Marshal(map[string]any{"accepted": len(items) - len(rejected), "rejected": rejected})
		if err != nil {
			panic(err)
		}
		jsonResponse(200, string(text))(w, q)
	}
}

func TestList_SeveralPages_AreReadInOrder(t *testing.T) {
	server := record(t, func(w http.ResponseWriter, q *http.Request) {
		switch q.URL.Query().Get("cursor") {
		case "":
			w.Header().Set("Link", `<http://evil.example/steal?cursor=2>; rel="next"`)
			jsonResponse(200, `[{"name":"a","value":1,"timestamp":"t"},{"name":"b","value":2,"timestamp":"t"}]`)(w, q)
		case "2":
			jsonResponse(200, `[{"name":"c","value":3,"timestamp":"t"}]`)(w, q)
		}
	})
	client := newClient(t, server.URL)
	metrics, err := aureus.Collect(client.Metrics(t.Context(), aureus.MetricQuery{Name: "n", StartTime: "s", Tags: map[string]string{"k": "v 1"}}))
	require.NoError(t, err)
	require.Len(t, metrics, 3)
	require.Equal(t, []string{
		"name=n&start_time=s&tags=%7B%22k%22%3A%22v+1%22%7D",
		"cursor=2&name=n&start_time=s&tags=%7B%22k%22%3A%22v+1%22%7D",
	}, []string{server.all()[0].query, server.all()[1].query})

	for _, err := range client.Metrics(t.Context(), aureus.MetricQuery{}) { // stopping early requests no second page
		require.NoError(t, err)
		break
	}
	require.Len(t, server.all(), 3)
}

func TestList_ConnectionBreaks_EndsWithAnError(t *testing.T) {
	server := record(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `[{"name":"a","value":1,"timestamp":"t"},`)
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	})
	metrics, err := aureus.Collect(newClient(t, server.URL).Metrics(t.Context(), aureus.MetricQuery{}))
	require.ErrorIs(t, err, aureus.ErrUnavailable)
	require.ErrorContains(t, err, "broke off")
	require.Len(t, metrics, 1)
	require.Len(t, server.all(), 1)
}

// The error of a list that was ended early wraps the cause.
func TestList_ContextEnds_ErrorHasTheCause(t *testing.T) {
	server := record(t, func(w http.ResponseWriter, q *http.Request) {
		jsonResponse(200, `[{"name":"a","value":1,"timestamp":"t"},`)(w, q)
		_ = http.NewResponseController(w).Flush()
		<-q.Context().Done()
	})
	ends := func(t *testing.T, client *aureus.Client, end func()) error {
		t.Helper()
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		if end == nil {
			end = cancel
		}
		var last error
		for _, err := range client.Metrics(ctx, aureus.MetricQuery{}) {
			last = err
			end()
		}
		require.ErrorContains(t, last, "broke off")
		require.False(t, aureus.SafeToRetry(last))
		return last
	}
	client := newClient(t, server.URL)
	require.ErrorIs(t, ends(t, client, nil), context.Canceled)
	require.ErrorIs(t, ends(t, client, func() { require.NoError(t, client.Close()) }), aureus.ErrClosed)
}

func TestCall_TimeoutOrCancellation_EndsTheCall(t *testing.T) {
	release := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		if strings.HasSuffix(q.URL.Path, "/execute") { // slow, but data comes often enough
			w.Header().Set("Content-Type", "application/json")
			for range 8 {
				_, _ = io.WriteString(w, " ")
				_ = http.NewResponseController(w).Flush()
				time.Sleep(60 * time.Millisecond) // the delay under test
			}
			_, _ = io.WriteString(w, `{"workflow_id":"w","status":"success","task_results":{}}`)
			return
		}
		select {
		case <-release:
		case <-q.Context().Done():
		}
	}))
	defer server.Close()
	defer close(release)

	t.Run("no response within the timeout", func(t *testing.T) {
		_, err := newClient(t, server.URL, aureus.WithTimeout(50*time.Millisecond)).Decide(t.Context(), plainRequest())
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.ErrorIs(t, err, aureus.ErrUnavailable)
		require.ErrorContains(t, err, "no response within 50ms")
	})
	t.Run("the timeout of a workflow is the time without data", func(t *testing.T) {
		result, err := newClient(t, server.URL, aureus.WithTimeout(250*time.Millisecond)).ExecuteWorkflow(t.Context(), aureus.WorkflowSpec{})
		require.NoError(t, err)
		require.Equal(t, "success", result.Status)
	})
	t.Run("the caller gives up", func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		reason := errors.New("the user went away")
		time.AfterFunc(20*time.Millisecond, func() { cancel(reason) })
		_, err := newClient(t, server.URL).Decide(ctx, plainRequest())
		require.ErrorIs(t, err, context.Canceled)
		require.ErrorIs(t, err, reason)
	})
	t.Run("the client is closed during the call", func(t *testing.T) {
		client := newClient(t, server.URL)
		time.AfterFunc(20*time.Millisecond, func() { _ = client.Close() })
		_, err := client.Decide(t.Context(), plainRequest())
		require.ErrorIs(t, err, aureus.ErrClosed)
		_, err = client.Decide(t.Context(), plainRequest())
		require.ErrorIs(t, err, aureus.ErrClosed)
	})
}

func TestClient_AnyFormat_ShowsNoSecret(t *testing.T) {
	const key = "sk-very-secret"
	server := record(t, jsonResponse(401, `{"error":"no"}`))
	client := newClient(t, server.URL, aureus.WithAPIKey(key))
	_, err := client.Decide(t.Context(), plainRequest())
	require.Error(t, err)
	var log strings.Builder
	slog.New(slog.NewTextHandler(&log, nil)).Error("call", "err", err, "client", client)
	for _, text := range []string{err.Error(), fmt.Sprintf("%+v", err), log.String(), fmt.Sprintf("%v", client), fmt.Sprintf("%+v", client), fmt.Sprintf("%#v", client)} {
		require.NotContains(t, text, key)
	}
}

func TestClose_Client_LeavesNoGoroutine(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	server := httptest.NewServer(jsonResponse(200, `{"accepted":1,"rejected":[]}`))
	client, err := aureus.NewClient(server.URL)
	require.NoError(t, err)
	require.NoError(t, client.ReportSpans(t.Context(), []aureus.Span{{}}))
	require.NoError(t, client.Close())
	require.NoError(t, client.Close())
	server.Close()
}

// plainRequest is a valid request with a low risk.
func plainRequest() aureus.Request {
	return aureus.Request{
		Principal: aureus.Principal{ID: "agent-1", Type: "agent"},
		Action:    aureus.Action{ID: "look", Name: "Look", RiskTier: aureus.TierLow},
	}
}
