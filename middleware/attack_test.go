package middleware_test

import (
	"bytes"
	"compress/gzip"
	"context"
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
	"github.com/farmountain/aureus-go/guard"
	"github.com/farmountain/aureus-go/middleware"
)

// attacked has what the policy and the handler of an attacked service have read.
type attacked struct {
	decided aureus.Request
	acted   map[string]any
	reached bool
}

// handler returns the service. Its policy reads the path, the query and the body of
// POST /all/{id}, the query of /query, and the body of POST /body. Its handlers read as much as
// they can, with the readers that services use.
func (a *attacked) handler() http.Handler {
	table := guard.Routes{bound("POST /all/{id}", "all", "path", "query", "body"), bound("/query", "query", "query"), bound("POST /body", "body", "body")}
	act := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		a.reached, a.acted = true, map[string]any{"method": r.Method, "host": r.Host, "path": r.URL.EscapedPath()}
		if id := r.PathValue("id"); id != "" {
			a.acted["id"] = id
		}
		for name, values := range r.URL.Query() {
			a.acted[name] = values[0]
		}
		var body struct {
			Amount json.Number `json:"amount"`
			Pi     json.Number `json:"π"`
		}
		text, _ := io.ReadAll(r.Body)
		_ = json.Unmarshal(text, &body)
		if body.Amount != "" {
			a.acted["amount"] = body.Amount
		}
		if body.Pi != "" {
			a.acted["π"] = body.Pi
		}
		if amount := r.PostFormValue("amount"); amount != "" {
			a.acted["amount"] = amount
		}
		if host := r.Header.Get("Host"); host != "" {
			a.acted["host"] = host
		}
	})
	keep := guard.DeciderFunc(func(_ context.Context, request aureus.Request) (aureus.Decision, error) {
		a.decided = request
		return aureus.Decision{Effect: aureus.Allow}, nil
	})
	return middleware.EnforceRoutes(keep, known, table)(servingMux(act, "POST /all/{id}", "/query", "POST /body"))
}

// check requires that the handler has acted on nothing but what was decided on.
func (a *attacked) check(t *testing.T) {
	t.Helper()
	arguments, _ := a.decided.Arguments.(map[string]any)
	for name, value := range a.acted {
		switch name {
		case "method":
			require.Equal(t, a.decided.HTTP.Method, value)
		case "host":
			require.Equal(t, a.decided.HTTP.Host, value)
		case "path":
			require.Equal(t, a.decided.HTTP.Path, value)
		default:
			want := arguments[name]
			if list, ok := want.([]any); ok {
				want = list[0]
			}
			require.Equal(t, want, value, name)
		}
	}
}

// A request reaches the handler only with the values that were decided on.
func TestEnforceRoutes_AttackedRequest_ActsOnWhatWasDecidedOrIsRefused(t *testing.T) {
	t.Parallel()
	var zipped bytes.Buffer
	compressor := gzip.NewWriter(&zipped)
	_, _ = compressor.Write([]byte(`{"amount": 5000}`))
	require.NoError(t, compressor.Close())
	const jsonHead = "Content-Type: application/json\r\n"
	sized := func(head, body string) string {
		return fmt.Sprintf("%sContent-Length: %d\r\n\r\n%s", head, len(body), body)
	}
	chunked := func(head, body, trailer string) string {
		return fmt.Sprintf("%sTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n%s\r\n", head, len(body), body, trailer)
	}
	for _, row := range []struct{ name, line, rest, status string }{
		{"nothing", "POST /all/7?a=1", sized(jsonHead, `{"amount": 5}`), "200"},
		{"chunks", "POST /all/7?a=1", chunked(jsonHead, `{"amount": 5}`, ""), "200"},
		{"a trailer that names another type", "POST /body", chunked(jsonHead+"Trailer: Content-Type\r\n", `{"amount": 5}`, "Content-Type: text/plain\r\n"), "200"},
		{"a plus and an escaped space", "POST /query?a=x+y&b=x%20y&c=%2B", "\r\n", "200"},
		{"a parameter twice", "POST /query?a=1&a=2", "\r\n", "200"},
		{"empty parameters", "POST /query?a&b=&=c&&", "\r\n", "200"},
		{"more parameters than are looked at one by one", "POST /query?" + strings.Repeat("a=1&", 20), "\r\n", "200"},
		{"more parameters than net/url reads", "POST /query?" + strings.Repeat("a&", 10_001), "\r\n", "400"},
		{"a semicolon", "POST /query?a=1;amount=5000", "\r\n", "400"},
		{"a semicolon in a late parameter", "POST /query?" + strings.Repeat("a=1&", 20) + "b=1;c=2", "\r\n", "400"},
		{"a parameter that is not UTF-8", "POST /query?a=%c3%28", "\r\n", "400"},
		{"a long parameter", "POST /query?a=" + strings.Repeat("x", 100_000), "\r\n", "200"},
		{"a form beside the query", "POST /query?amount=5", sized("Content-Type: application/x-www-form-urlencoded\r\n", "amount=5000"), "400"},
		{"a form in chunks beside the query", "POST /query?amount=5", chunked("Content-Type: application/x-www-form-urlencoded\r\n", "amount=5000", ""), "400"},
		{"a form as the second type", "POST /query?amount=5", sized("Content-Type: text/plain\r\nContent-Type: application/x-www-form-urlencoded\r\n", "amount=5000"), "400"},
		{"a form for a JSON body", "POST /body", sized("Content-Type: application/x-www-form-urlencoded\r\n", "amount=5000"), "400"},
		{"a multipart form for a JSON body", "POST /body", sized("Content-Type: multipart/form-data; boundary=x\r\n", "--x\r\nContent-Disposition: form-data; name=amount\r\n\r\n5\r\n--x--\r\n"), "400"},
		{"a duplicate member", "POST /body", sized(jsonHead, `{"amount": 5, "amount": 5000}`), "400"},
		{"a duplicate member with an escape", "POST /body", sized(jsonHead, `{"amount": 5, "\u0061mount": 5000}`), "400"},
		{"a member in capitals", "POST /body", sized(jsonHead, `{"amount": 5, "AMOUNT": 5000}`), "400"},
		{"a letter with three cases", "POST /body", sized(jsonHead, `{"π": 5, "ϖ": 5000}`), "400"},
		{"a member that the query has", "POST /all/7?amount=5", sized(jsonHead, `{"amount": 5000}`), "400"},
		{"a member that the path has", "POST /all/7", sized(jsonHead, `{"ID": "8"}`), "400"},
		{"a byte order mark", "POST /body", sized(jsonHead, "\ufeff{\"amount\": 5}"), "400"},
		{"another character set", "POST /body", sized("Content-Type: application/json; charset=utf-7\r\n", `{"amount": 5}`), "400"},
		{"two character sets", "POST /body", sized("Content-Type: application/json; charset=utf-8; charset=utf-16\r\n", `{"amount": 5}`), "400"},
		{"a compressed body", "POST /body", sized(jsonHead+"Content-Encoding: gzip\r\n", zipped.String()), "400"},
		{"an encoding with a space", "POST /body", sized(jsonHead+"Content-Encoding: identity, gzip\r\n", zipped.String()), "400"},
		{"two values", "POST /body", sized(jsonHead, `{"amount": 5}{"amount": 5000}`), "400"},
		{"a body above the limit, in chunks", "POST /body", chunked(jsonHead, `{"a": "`+strings.Repeat("x", 1<<20)+`"}`, ""), "413"},
		{"a length and chunks", "POST /body", jsonHead + "Content-Length: 3\r\n" + chunked("", `{"amount": 5}`, ""), "200"},
		{"another method in a header", "POST /body", sized("X-HTTP-Method-Override: DELETE\r\n"+jsonHead, `{"amount": 5}`), "400"},
		{"HEAD", "HEAD /query?a=1", "\r\n", "200"},
		{"an upgrade", "GET /query?a=1", "Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n", "200"},
		{"an absolute target with another host", "POST http://other.example/query?a=1", "\r\n", "200"},
		{"an absolute target with a user", "POST http://x@other.example/query?a=1", "\r\n", "200"},
		{"CONNECT to a path", "CONNECT /query?a=1", "\r\n", "200"},
		{"a path to clean", "POST /x/../query?a=1", "\r\n", "307"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			var a attacked
			server := serve(t, a.handler())
			response := raw(t, server.Listener.Addr().String(), row.line+" HTTP/1.1\r\nHost: example.com\r\nConnection: close\r\n"+row.rest)
			require.True(t, strings.HasPrefix(response, "HTTP/1.1 "+row.status), response)
			require.Equal(t, row.status == "200", a.reached)
			a.check(t)
		})
	}
}

// In HTTP/2 a request can have the header Host beside the pseudo-header that names the host.
func TestEnforceRoutes_AnotherHostInAHeader_IsRefused(t *testing.T) {
	t.Parallel()
	for host, status := range map[string]int{"example.com": 200, "EXAMPLE.com": 200, "other.example": 400} {
		var a attacked
		w := httptest.NewRecorder()
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/query?a=1", http.NoBody)
		r.Proto, r.ProtoMajor, r.ProtoMinor = "HTTP/2.0", 2, 0
		r.Header["Host"] = []string{host}
		a.handler().ServeHTTP(w, r)
		require.Equal(t, status, w.Code, host)
	}
}

// Over HTTP/2 without TLS the same values are decided on.
func TestEnforceRoutes_OverHTTP2_ActsOnWhatWasDecided(t *testing.T) {
	t.Parallel()
	var a attacked
	server := httptest.NewUnstartedServer(a.handler())
	server.Config.Protocols = new(http.Protocols)
	server.Config.Protocols.SetUnencryptedHTTP2(true)
	server.Start()
	t.Cleanup(server.Close)
	var only http.Protocols
	only.SetUnencryptedHTTP2(true)
	client := &http.Client{Transport: &http.Transport{Protocols: &only, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "tcp", server.Listener.Addr().String())
	}}}
	defer client.CloseIdleConnections()
	r := newRequest(t, http.MethodPost, "http://ledger.example/all/7?a=1", strings.NewReader(`{"amount": 5}`))
	r.Header.Set("Content-Type", "application/json")
	response, body := call(t, client, r)
	require.Equal(t, http.StatusOK, response.StatusCode, body)
	require.Equal(t, 2, response.ProtoMajor)
	require.Equal(t, "ledger.example", a.decided.HTTP.Host)
	require.Equal(t, map[string]any{"id": "7", "a": "1", "amount": json.Number("5")}, a.decided.Arguments)
	a.check(t)
}

// A form that code in front of the guard has read is not a missing body.
func TestEnforceRoutes_FormReadInFront_IsRefused(t *testing.T) {
	t.Parallel()
	var a attacked
	inner := a.handler()
	server := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_ = r.FormValue("amount")
		inner.ServeHTTP(w, r)
	}))
	r := newRequest(t, http.MethodPost, server.URL+"/body", io.MultiReader(strings.NewReader(url.Values{"amount": {"5000"}}.Encode())))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	response, _ := call(t, server.Client(), r)
	require.Equal(t, http.StatusBadRequest, response.StatusCode)
	require.False(t, a.reached)
}

// A route that is registered while a request is decided, and a URL that identify changes, do
// not lead to another handler than the one that was decided on.
func TestEnforceRoutes_RoutingChangesWhileDeciding_ReachesTheDecidedHandler(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*http.ServeMux, *http.Request){
		"a route is registered": func(mux *http.ServeMux, _ *http.Request) { mux.Handle("GET /accounts/{id}/secret", unreachable(t)) },
		"the path is changed":   func(_ *http.ServeMux, r *http.Request) { r.URL.Path = "/other" },
	} {
		reached := ""
		mux := servingMux(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { reached = r.Pattern + " " + r.PathValue("rest") }), "GET /accounts/{rest...}")
		mux.Handle("GET /other", unreachable(t))
		identify := func(r *http.Request) (aureus.Principal, error) {
			change(mux, r)
			return agent, nil
		}
		handler := middleware.EnforceRoutes(allow, identify, guard.Routes{bound("GET /accounts/{rest...}", "a"), bound("GET /other", "b")})(mux)
		handler.ServeHTTP(httptest.NewRecorder(), sent(t, "GET", "x", "/accounts/7/secret"))
		require.Equal(t, "GET /accounts/{rest...} 7/secret", reached, name)
	}
}
