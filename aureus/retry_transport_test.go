package aureus_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
)

// soon is a policy of three attempts with short delays.
var soon = aureus.RetryPolicy{MaxAttempts: 3, FirstDelay: time.Millisecond, MaxDelay: time.Millisecond}

// attempts counts the attempts of a client.
func attempts(count *atomic.Int32) aureus.Option {
	return aureus.WithAttemptObserver(func(context.Context, aureus.Attempt) { count.Add(1) })
}

// mute is the address of a server that accepts connections and never responds.
func mute(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, listener.Close()) })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			t.Cleanup(func() { _ = conn.Close() })
		}
	}()
	return listener.Addr().String()
}

// A call whose HTTP/2 stream or connection breaks is retried, as with HTTP/1.
func TestCall_HTTP2StreamReset_IsRetried(t *testing.T) {
	for name, fail := range map[string]http.HandlerFunc{
		"before the response": func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
		"in the response": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			_, _ = io.WriteString(w, `{"allowed":`)
			_ = http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		},
	} {
		t.Run(name, func(t *testing.T) {
			var calls atomic.Int32
			server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
				if calls.Add(1) == 1 {
					fail(w, q)
				}
				if q.ProtoMajor != 2 {
					jsonResponse(400, `{"error":"not HTTP/2"}`)(w, q)
					return
				}
				jsonResponse(200, `{"allowed":true}`)(w, q)
			}))
			server.EnableHTTP2 = true
			server.StartTLS()
			defer server.Close()
			transport, ok := server.Client().Transport.(*http.Transport)
			require.True(t, ok)
			client := newClient(t, server.URL, aureus.WithTLS(transport.TLSClientConfig), aureus.WithRetry(aureus.RetryPolicies{Decisions: soon}))
			allowed, err := client.CheckPermission(t.Context(), aureus.Principal{}, aureus.Action{})
			require.NoError(t, err)
			require.True(t, allowed)
			require.EqualValues(t, 2, calls.Load())
		})
	}
}

func TestCall_NoResponseInTime_IsRetried(t *testing.T) {
	for name, row := range map[string]struct {
		scheme string
		client *http.Client
	}{
		"a TLS handshake": {"https://", &http.Client{Transport: &http.Transport{
			TLSHandshakeTimeout: 20 * time.Millisecond, TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12},
		}}},
		"the header of a response":      {"http://", &http.Client{Transport: &http.Transport{ResponseHeaderTimeout: 20 * time.Millisecond}}},
		"a client with its own timeout": {"http://", &http.Client{Transport: &http.Transport{}, Timeout: 20 * time.Millisecond}},
	} {
		t.Run(name, func(t *testing.T) {
			defer row.client.CloseIdleConnections()
			var count atomic.Int32
			client := newClient(t, row.scheme+mute(t), aureus.WithHTTPClient(row.client), aureus.WithRetry(aureus.RetryPolicies{Reads: soon}), attempts(&count))
			err := client.Call(t.Context(), "GET", "/x", nil, nil)
			require.ErrorIs(t, err, aureus.ErrUnavailable)
			require.EqualValues(t, 3, count.Load())
			require.False(t, aureus.SafeToRetry(err))
		})
	}
}

func TestCall_ProxyIsUnreachable_IsRetried(t *testing.T) {
	proxy, err := url.Parse("http://user:pa55word@" + freeAddress(t))
	require.NoError(t, err)
	var count atomic.Int32
	client := newClient(t, "https://aureus.example.com", aureus.WithProxy(http.ProxyURL(proxy)), aureus.WithRetry(aureus.RetryPolicies{Changes: soon}), attempts(&count))
	err = client.Call(t.Context(), "POST", "/x", nil, nil)
	require.ErrorIs(t, err, aureus.ErrUnavailable)
	require.EqualValues(t, 3, count.Load())
	require.True(t, aureus.SafeToRetry(err), "nothing was sent")
	require.NotContains(t, err.Error(), "pa55word")
}

// A server may close an idle connection when the next call begins to use it. The transport
// then repeats the call on another connection, if the call allows that.
func TestCall_IdleConnectionClosed_CostsNoAttempt(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { require.NoError(t, listener.Close()) }()
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() { // one response; the connection closes after the next request
				defer func() { _ = conn.Close() }()
				requests := bufio.NewReader(conn)
				if q, err := http.ReadRequest(requests); err == nil {
					_, _ = io.Copy(io.Discard, q.Body)
					_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 16\r\n\r\n{\"allowed\":true}")
					_, _ = http.ReadRequest(requests)
				}
			}()
		}
	}()
	client := newClient(t, "http://"+listener.Addr().String(), aureus.WithRetry(aureus.RetryPolicies{Decisions: aureus.NoRetry}))
	for range 3 {
		allowed, err := client.CheckPermission(t.Context(), aureus.Principal{}, aureus.Action{})
		require.NoError(t, err)
		require.True(t, allowed)
	}
}

// A read has no Idempotency-Key: the empty header that tells the transport to repeat the
// request is not sent.
func TestCall_Read_HasNoIdempotencyKey(t *testing.T) {
	server := record(t, jsonResponse(200, `{"allowed":true}`))
	client := newClient(t, server.URL)
	_, err := client.CheckPermission(t.Context(), aureus.Principal{}, aureus.Action{})
	require.NoError(t, err)
	require.NoError(t, client.Call(t.Context(), "GET", "/x", nil, nil))
	for _, r := range server.all() {
		require.NotContains(t, r.header, "Idempotency-Key")
	}
}

// A report can need several requests. After one was accepted, repeating the whole report
// would report its items twice.
func TestSafeToRetry_BatchAcceptedInPart_IsFalse(t *testing.T) {
	metrics := make([]aureus.Metric, 5000)
	for name, row := range map[string]struct {
		taken int32
		safe  bool
	}{
		"no item was accepted":     {0, true},
		"some items were accepted": {1, false},
	} {
		t.Run(name, func(t *testing.T) {
			var calls atomic.Int32
			take := batchServer(func(map[string]any) string { return "" })
			server := record(t, func(w http.ResponseWriter, q *http.Request) {
				if calls.Add(1) <= row.taken {
					take(w, q)
					return
				}
				jsonResponse(503, `{}`)(w, q)
			})
			err := newClient(t, server.URL, aureus.WithRetry(aureus.RetryPolicies{Reports: aureus.NoRetry})).ReportMetrics(t.Context(), metrics)
			require.ErrorIs(t, err, aureus.ErrUnavailable)
			require.Equal(t, row.safe, aureus.SafeToRetry(err))
		})
	}
}

// The same holds for items that are sent one by one: requests that the first failure
// stopped may have been accepted.
func TestSafeToRetry_ItemsSentSingly_IsFalse(t *testing.T) {
	for n, safe := range map[int]bool{1: true, 8: false} {
		server := record(t, func(w http.ResponseWriter, q *http.Request) {
			if strings.HasSuffix(q.URL.Path, "/batch") {
				jsonResponse(405, `{}`)(w, q)
				return
			}
			jsonResponse(503, `{}`)(w, q)
		})
		err := newClient(t, server.URL, aureus.WithRetry(aureus.RetryPolicies{Reports: aureus.NoRetry})).ReportMetrics(t.Context(), make([]aureus.Metric, n))
		require.ErrorIs(t, err, aureus.ErrUnavailable)
		require.Equal(t, safe, aureus.SafeToRetry(err), "%d items", n)
	}
}

// A small compressed response can decompress to a huge one.
func TestCall_CompressedResponse_IsLimited(t *testing.T) {
	server := record(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Content-Encoding", "gzip")
		_, _ = w.Write(gzipped(t, `{"x":"`+strings.Repeat("a", 20<<20)+`"}`))
	})
	require.ErrorIs(t, newClient(t, server.URL).Call(t.Context(), "GET", "/x", nil, new(map[string]any)), aureus.ErrMalformed)
}

// Every way to read a response leaves the connection for the next call.
func TestCall_AfterEachResponse_ConnectionIsReused(t *testing.T) {
	var connections atomic.Int32
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		body := map[string]string{
			"/api/v1/observability/metrics": `[]`, "/api/v1/policy/check": `{"allowed":true}`,
			"/api/v1/workflows/execute": `{"workflow_id":"w","status":"success","task_results":{}}`,
		}[q.URL.Path]
		switch {
		case strings.HasSuffix(q.URL.Path, "/redirect"):
			http.Redirect(w, q, "/elsewhere", http.StatusTemporaryRedirect)
		case strings.HasSuffix(q.URL.Path, "/error"):
			jsonResponse(400, `{"error":"no","x":"`+strings.Repeat("x", 1000)+`"}`)(w, q)
		case body == "":
			jsonResponse(200, `{"x":"`+strings.Repeat("x", 1000)+`"}`)(w, q)
		default:
			jsonResponse(200, body)(w, q)
		}
	}))
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			connections.Add(1)
		}
	}
	server.Start()
	defer server.Close()
	client := newClient(t, server.URL)
	for range 3 {
		require.NoError(t, client.Call(t.Context(), "POST", "/x", map[string]any{"a": 1}, nil))
		require.NoError(t, client.Call(t.Context(), "GET", "/x", nil, new(map[string]any)))
		require.ErrorIs(t, client.Call(t.Context(), "GET", "/error", nil, nil), aureus.ErrInvalid)
		require.ErrorIs(t, client.Call(t.Context(), "POST", "/redirect", nil, nil), aureus.ErrMalformed)
		require.NoError(t, client.ReportMetric(t.Context(), aureus.Metric{}))
		_, err := client.CheckPermission(t.Context(), aureus.Principal{}, aureus.Action{})
		require.NoError(t, err)
		_, err = aureus.Collect(client.Metrics(t.Context(), aureus.MetricQuery{}))
		require.NoError(t, err)
		_, err = client.ExecuteWorkflow(t.Context(), aureus.WorkflowSpec{})
		require.NoError(t, err)
	}
	require.EqualValues(t, 1, connections.Load())
}

// An observer gets the status of every response, also of a malformed one.
func TestWithAttemptObserver_EachAttempt_HasItsStatus(t *testing.T) {
	responses := []http.HandlerFunc{
		func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
		jsonResponse(503, `{}`),
		jsonResponse(202, `garbage`),
		jsonResponse(201, `{}`),
	}
	server := record(t, func(w http.ResponseWriter, q *http.Request) {
		response := responses[0]
		responses = responses[1:]
		response(w, q)
	})
	var seen []int
	client := newClient(t, server.URL, aureus.WithRetry(aureus.RetryPolicies{Reads: soon}), aureus.WithAttemptObserver(func(_ context.Context, a aureus.Attempt) {
		seen = append(seen, a.StatusCode)
	}))
	var out map[string]any
	require.ErrorIs(t, client.Call(t.Context(), "GET", "/x", nil, &out), aureus.ErrMalformed)
	require.NoError(t, client.Call(t.Context(), "GET", "/x", nil, &out))
	require.Equal(t, []int{0, 503, 202, 201}, seen)
}

// A server may refuse a large body at once and close the connection. The response can be
// lost then, so the next attempt sends Expect: 100-continue.
func TestCall_ServerClosesWhileBodyIsSent_NextAttemptExpectsContinue(t *testing.T) {
	for name, row := range map[string]struct {
		call  func(context.Context, *aureus.Client) error
		check func(*testing.T, error)
	}{
		"a report": {
			func(ctx context.Context, c *aureus.Client) error {
				return c.ReportSpans(ctx, []aureus.Span{{ID: "large", Name: strings.Repeat("x", 8<<20)}, {ID: "small"}})
			},
			func(t *testing.T, err error) {
				t.Helper()
				partial, ok := errors.AsType[*aureus.PartialError](err)
				require.True(t, ok, "%v", err)
				require.Equal(t, 1, partial.Accepted)
				require.Len(t, partial.Rejected, 1)
				require.Zero(t, partial.Rejected[0].Index)
			},
		},
		"a decision": {
			func(ctx context.Context, c *aureus.Client) error {
				_, err := c.EvaluatePolicy(ctx, aureus.PolicyContext{Arguments: strings.Repeat("x", 8<<20)}) // Decide refuses such a large request
				return err
			},
			func(t *testing.T, err error) { t.Helper(); require.ErrorIs(t, err, aureus.ErrInvalid) },
		},
	} {
		t.Run(name, func(t *testing.T) {
			listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
			require.NoError(t, err)
			var connections sync.WaitGroup
			defer connections.Wait()
			defer func() { require.NoError(t, listener.Close()) }()
			connections.Go(func() {
				for {
					conn, err := listener.Accept()
					if err != nil {
						return
					}
					connections.Go(func() { refuseLargeBodies(conn) })
				}
			})
			client := newClient(t, "http://"+listener.Addr().String(), aureus.WithRetry(aureus.RetryPolicies{Reports: soon, Decisions: soon}))
			row.check(t, row.call(t.Context(), client))
		})
	}
}

// refuseLargeBodies serves one request. It resets the connection if a large body comes
// without Expect: 100-continue.
func refuseLargeBodies(conn net.Conn) {
	defer func() { _ = conn.Close() }()
	request, err := http.ReadRequest(bufio.NewReader(conn))
	if err != nil {
		return
	}
	status, response := "200 OK", `{"accepted":1,"rejected":[]}`
	if request.ContentLength > 1<<20 {
		if request.Header.Get("Expect") == "" {
			if tcp, ok := conn.(*net.TCPConn); ok {
				_ = tcp.SetLinger(0)
			}
			return
		}
		status, response = "413 Content Too Large", `{"error":"too large","code":"BODY_TOO_LARGE"}`
	} else {
		_, _ = io.Copy(io.Discard, request.Body)
	}
	_, _ = fmt.Fprintf(conn, "HTTP/1.1 %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s", status, len(response), response)
}
