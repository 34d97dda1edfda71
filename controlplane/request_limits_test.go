package controlplane_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane"
	"github.com/farmountain/aureus-go/controlplane/internal/governor"
)

// keysOfTwoTenants holds a hostile key, other keys of its tenant, and a key of another
// tenant.
type keysOfTwoTenants struct{ hostile, neighbour, operator, victim string }

// quiet turns the log off, for servers that refuse hundreds of requests.
func quiet(c *controlplane.Config) { c.Logger = nil }

func twoTenants(t *testing.T, srv *controlplane.Server) keysOfTwoTenants {
	t.Helper()
	of := func(tenant string) func(*controlplane.Key) {
		return func(k *controlplane.Key) { k.Tenant = tenant }
	}
	return keysOfTwoTenants{
		newKey(t, srv, controlplane.RoleService, "mallory", of("hostile")),
		newKey(t, srv, controlplane.RoleService, "nina", of("hostile")),
		newKey(t, srv, controlplane.RoleOperator, "olga", of("hostile")),
		newKey(t, srv, controlplane.RoleService, "vera", of("victim")),
	}
}

const checkBody = `{"principal":{"id":"agent-1","type":"agent","permissions":[]},"action":` + lookJSON + `}`

// unfinished is a body that ends only when the test ends it.
type unfinished struct {
	began func()
	until <-chan struct{}
}

func (u *unfinished) Read([]byte) (int, error) {
	u.began()
	<-u.until
	return 0, io.EOF
}

// held sends requests with unfinished bodies until one is refused, and returns the
// number of accepted ones and the refusal.
func held(t *testing.T, srv http.Handler, key, path string, finish <-chan struct{}, answered *sync.WaitGroup) (n int, refused *httptest.ResponseRecorder) {
	t.Helper()
	for {
		began, ended := make(chan struct{}), make(chan struct{})
		w := httptest.NewRecorder()
		answered.Go(func() {
			defer close(ended)
			r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, path, &unfinished{sync.OnceFunc(func() { close(began) }), finish})
			r.Header.Set("Authorization", "Bearer "+key)
			srv.ServeHTTP(w, r)
		})
		select {
		case <-began:
			n++
		case <-ended:
			return n, w
		}
	}
}

// A thousand slow bodies of one key use only its share: another key, an operator and
// another tenant are still served.
func TestRequests_SlowBodiesOfOneKey_LeaveRoomForOthers(t *testing.T) {
	srv := open(t, quiet)
	keys := twoTenants(t, srv)
	finish := make(chan struct{})
	var answered sync.WaitGroup
	defer answered.Wait()
	defer close(finish)

	n, refused := held(t, srv, keys.hostile, "/api/v1/observability/spans", finish, &answered)
	require.Equal(t, 250, n)
	require.Equal(t, http.StatusTooManyRequests, refused.Code, refused.Body)
	require.Contains(t, refused.Body.String(), "RESOURCE_EXHAUSTED")
	require.NotEmpty(t, refused.Header().Get("Retry-After"))
	require.Equal(t, http.StatusOK, raw{path: "/api/v1/policy/check", body: checkBody, key: keys.hostile}.do(t, srv).status, "its own decisions use the reserved part")

	n, refused = held(t, srv, keys.hostile, "/api/v1/policy/check", finish, &answered)
	require.Equal(t, 62, n, "the reserved part is limited too")
	require.Equal(t, http.StatusTooManyRequests, refused.Code)
	n, _ = held(t, srv, keys.neighbour, "/api/v1/observability/spans", finish, &answered)
	require.Equal(t, 188, n, "two keys use up the share of the tenant")
	n, _ = held(t, srv, keys.neighbour, "/api/v1/policy/check", finish, &answered)
	require.Equal(t, 312-188, n)

	for _, path := range []string{"/api/v1/policy/check", "/api/v1/observability/events"} {
		got := raw{path: path, body: checkBody, key: keys.victim}.do(t, srv)
		require.NotContains(t, []int{http.StatusTooManyRequests, http.StatusServiceUnavailable}, got.status, "another tenant: "+path)
	}
	require.Equal(t, http.StatusOK, raw{method: "GET", path: "/healthz"}.do(t, srv).status)
}

// A hostile key does not affect the operators and other services of its own tenant.
func TestRequests_OneHostileKey_LeavesItsTenantAlone(t *testing.T) {
	srv := open(t, quiet)
	keys := twoTenants(t, srv)
	finish := make(chan struct{})
	var answered sync.WaitGroup
	defer answered.Wait()
	defer close(finish)
	_, _ = held(t, srv, keys.hostile, "/api/v1/observability/spans", finish, &answered)
	_, _ = held(t, srv, keys.hostile, "/api/v1/policy/check", finish, &answered)
	require.Equal(t, http.StatusOK, raw{method: "GET", path: "/api/v1/policy/approvals", key: keys.operator}.do(t, srv).status)
	require.Equal(t, http.StatusOK, raw{path: "/api/v1/policy/check", body: checkBody, key: keys.neighbour}.do(t, srv).status)
}

// bomb returns a compressed text of n zeros.
func bomb(n int) string {
	var b bytes.Buffer
	w, _ := gzip.NewWriterLevel(&b, gzip.BestCompression)
	_, _ = io.CopyN(w, zeros{}, int64(n)) // memory does not fail
	_ = w.Close()
	return b.String()
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = '0'
	}
	return len(p), nil
}

// Thirty gzip bombs at once use no more memory than one key may; the limit is on the
// decompressed bytes.
func TestMemory_GzipBombsOfOneKey_StayWithinItsShare(t *testing.T) {
	const unpacked = 16 << 20
	srv := open(t, quiet, func(c *controlplane.Config) { c.MaxBatchBody, c.MaxMemory = unpacked, 1 })
	keys := twoTenants(t, srv)
	text := bomb(unpacked)
	require.Less(t, len(text), 20<<10)
	most := func() int64 { return controlplane.Governor(srv).Bytes.InUse() }
	var highest int64
	statuses := make(chan int, 30)
	var bombs sync.WaitGroup
	for range 30 {
		bombs.Go(func() {
			r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/api/v1/observability/spans/batch", strings.NewReader(text))
			r.Header.Set("Authorization", "Bearer "+keys.hostile)
			r.Header.Set("Content-Encoding", "gzip")
			w := httptest.NewRecorder()
			srv.ServeHTTP(w, r)
			statuses <- w.Code
		})
	}
	ended := make(chan struct{})
	go func() { bombs.Wait(); close(ended); close(statuses) }()
	for going := true; going; {
		select {
		case <-ended:
			going = false
		default:
			highest = max(highest, most())
			require.Equal(t, http.StatusOK, raw{path: "/api/v1/policy/check", body: checkBody, key: keys.victim}.do(t, srv).status)
		}
	}
	require.LessOrEqual(t, highest, controlplane.Governor(srv).Bytes.Shares().Key+1<<20, "the share of the key, and what the victim uses")
	require.Zero(t, most(), "all memory is released")
	counts := map[int]int{}
	for status := range statuses {
		counts[status]++
	}
	require.Equal(t, 30, counts[http.StatusTooManyRequests]+counts[http.StatusServiceUnavailable]+counts[http.StatusBadRequest], counts)
}

// The memory of the decoded body is charged before the body is decoded.
func TestMemory_ABodyThatDecodesIntoMore_IsCharged(t *testing.T) {
	srv := open(t)
	key := newKey(t, srv, controlplane.RoleService, "svc")
	bytesPool := controlplane.Governor(srv).Bytes
	owner := controlplane.OwnerOf(t, srv, key)
	others := bytesPool.Shares().Key - governor.RequestBytes - 8<<20
	require.NoError(t, bytesPool.Take(owner, others, true))
	body := func(n int) string {
		return `{"principal":{"id":"a","type":"agent","permissions":[]},"action":` + lookJSON + `,"current_state":"idle","audit_log":[],"arguments":{"list":[` + strings.TrimSuffix(strings.Repeat(`{"":0},`, n), ",") + `]}}`
	}
	raw{path: "/api/v1/policy/evaluate", body: body(20_000), key: key}.do(t, srv).refusal(t, http.StatusTooManyRequests, "RESOURCE_EXHAUSTED")
	require.Equal(t, http.StatusOK, raw{path: "/api/v1/policy/evaluate", body: body(100), key: key}.do(t, srv).status)
	bytesPool.Give(owner, others)
	require.Equal(t, http.StatusOK, raw{path: "/api/v1/policy/evaluate", body: body(20_000), key: key}.do(t, srv).status)
	require.Zero(t, bytesPool.InUse())
}

// pipes is a listener for connections in memory that support deadlines.
type pipes struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func newPipes() *pipes { return &pipes{conns: make(chan net.Conn), closed: make(chan struct{})} }

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error   { p.once.Do(func() { close(p.closed) }); return nil }
func (p *pipes) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1} }

func (p *pipes) dial() net.Conn {
	client, server := net.Pipe()
	p.conns <- server
	return client
}

// overPipes serves with fake time (testing/synctest) and calls do with the listener.
func overPipes(t *testing.T, server func(*http.Server), do func(t *testing.T, srv *controlplane.Server, listener *pipes)) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "aureus.db")
	synctest.Test(t, func(t *testing.T) {
		srv, err := controlplane.Open(t.Context(), controlplane.Config{DB: path})
		require.NoError(t, err)
		listener := newPipes()
		serving := &http.Server{Handler: srv, ReadHeaderTimeout: time.Second} //nolint:exhaustruct // the defaults are fine
		server(serving)
		ended := make(chan error, 1)
		go func() { ended <- serving.Serve(listener) }()
		do(t, srv, listener)
		require.NoError(t, srv.Close())
		require.NoError(t, serving.Close())
		require.ErrorIs(t, <-ended, http.ErrServerClosed)
	})
}

// A body that does not arrive is refused after the grace time, with a reason.
func TestSlowBody_BelowTheMinimumRate_Is408(t *testing.T) {
	overPipes(t, func(*http.Server) {}, func(t *testing.T, srv *controlplane.Server, listener *pipes) {
		t.Helper()
		key := newKey(t, srv, controlplane.RoleService, "svc")
		for name, trickle := range map[string]bool{"silent": false, "a byte a second": true} {
			conn := listener.dial()
			begun := time.Now()
			_, err := fmt.Fprintf(conn, "POST /api/v1/policy/check HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer %s\r\nContent-Length: 1000\r\n\r\n{", key)
			require.NoError(t, err)
			var writing sync.WaitGroup
			writing.Go(func() {
				for trickle {
					if _, err := conn.Write([]byte(" ")); err != nil {
						return
					}
					time.Sleep(time.Second)
				}
			})
			response, err := http.ReadResponse(bufio.NewReader(conn), nil)
			require.NoError(t, err, name)
			text, err := io.ReadAll(response.Body)
			require.NoError(t, err)
			require.Equal(t, http.StatusRequestTimeout, response.StatusCode, "%s: %s", name, text)
			require.Contains(t, string(text), "BODY_TOO_SLOW")
			require.True(t, response.Close, "the connection is closed")
			require.InDelta(t, governor.Grace.Seconds(), time.Since(begun).Seconds(), 1)
			require.NoError(t, conn.Close())
			writing.Wait()
			require.Zero(t, controlplane.Governor(srv).Requests.InUse())
		}
	})
}

// net/http reads a small unread body before it sends the response. That must not take
// longer than for a body that is read.
func TestSlowBody_ThatNobodyReads_DoesNotHoldTheAnswer(t *testing.T) {
	overPipes(t, func(s *http.Server) { s.ReadTimeout = time.Hour }, func(t *testing.T, srv *controlplane.Server, listener *pipes) {
		t.Helper()
		key := newKey(t, srv, controlplane.RoleService, "svc")
		for line, status := range map[string]int{
			"POST /api/v1/policy/evaluate HTTP/1.1\r\n":                                          401,
			"POST /api/v1/policy/evaluate?x=1 HTTP/1.1\r\nAuthorization: Bearer " + key + "\r\n": 400,
			"GET /api/v1/policy/approvals HTTP/1.1\r\nAuthorization: Bearer " + key + "\r\n":     200,
			"GET /healthz HTTP/1.1\r\n":                                                          200,
			"POST /nothing/here HTTP/1.1\r\n":                                                    404,
		} {
			conn := listener.dial()
			begun := time.Now()
			_, err := fmt.Fprintf(conn, "%sHost: localhost\r\nContent-Length: 1000\r\n\r\n{", line)
			require.NoError(t, err)
			response, err := http.ReadResponse(bufio.NewReader(conn), nil)
			require.NoError(t, err, line)
			require.Equal(t, status, response.StatusCode, line)
			require.LessOrEqual(t, time.Since(begun), governor.Grace, line)
			require.True(t, response.Close, line)
			require.NoError(t, conn.Close())
		}
	})
}

// The deadline for reading a body ends with the body: a handler that takes long can
// still respond.
func TestSlowBody_DeadlineOfTheBody_DoesNotEndTheResponse(t *testing.T) {
	overPipes(t, func(s *http.Server) { s.ReadTimeout = 5 * time.Second }, func(t *testing.T, srv *controlplane.Server, listener *pipes) {
		t.Helper()
		key := newKey(t, srv, controlplane.RoleService, "svc")
		conn := listener.dial()
		_, err := fmt.Fprintf(conn, "GET /api/v1/stream?kinds=telemetry HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer %s\r\n\r\n", key)
		require.NoError(t, err)
		response, err := http.ReadResponse(bufio.NewReader(conn), nil)
		require.NoError(t, err)
		require.Equal(t, http.StatusOK, response.StatusCode)
		lines := bufio.NewScanner(response.Body)
		begun := time.Now()
		for time.Since(begun) < 2*time.Minute {
			require.True(t, lines.Scan(), "the stream ended after %s: %v", time.Since(begun), lines.Err())
		}
		require.NoError(t, conn.Close())
	})
}

// A request that declares a body above the limit is refused without 100 Continue.
func TestExpectContinue_ADeclaredLengthBeyondTheLimit_IsRefusedAtOnce(t *testing.T) {
	srv := open(t)
	listening := httptest.NewServer(srv)
	defer listening.Close()
	key := newKey(t, srv, controlplane.RoleAdmin, "svc")
	for _, path := range []string{
		"/api/v1/policy/evaluate", "/api/v1/policy/check", "/api/v1/policy/approval", "/api/v1/policy/approvals/a/approve", "/api/v1/policy/approvals/a/consume",
		"/api/v1/observability/spans", "/api/v1/observability/spans/batch", "/api/v1/audit/records/batch", "/api/v1/audit/outcomes/batch",
		"/api/v1/crv/validate", "/api/v1/crv/validators", "/api/v1/workflows/execute", "/api/v1/workflows/w/cancel",
	} {
		for name, headers := range map[string]string{"": "", "with an Idempotency-Key": "Idempotency-Key: k\r\n", "compressed": "Content-Encoding: gzip\r\n"} {
			conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", listening.Listener.Addr().String())
			require.NoError(t, err)
			_, err = fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer %s\r\nExpect: 100-continue\r\nContent-Length: %d\r\n%s\r\n", path, key, 64<<20+1, headers)
			require.NoError(t, err)
			response, err := http.ReadResponse(bufio.NewReader(conn), nil)
			require.NoError(t, err)
			require.Equal(t, http.StatusRequestEntityTooLarge, response.StatusCode, "%s %s", path, name)
			require.NoError(t, response.Body.Close())
			require.NoError(t, conn.Close())
		}
	}
}

// A request with an invalid key is refused without 100 Continue.
func TestExpectContinue_WithoutAKey_IsRefusedAtOnce(t *testing.T) {
	listening := httptest.NewServer(open(t))
	defer listening.Close()
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", listening.Listener.Addr().String())
	require.NoError(t, err)
	_, err = io.WriteString(conn, "POST /api/v1/policy/check HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 10\r\n\r\n")
	require.NoError(t, err)
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	require.NoError(t, err)
	require.Equal(t, http.StatusUnauthorized, response.StatusCode)
	require.NoError(t, response.Body.Close())
	require.NoError(t, conn.Close())
}

// Runs of one key do not use up the share of others.
func TestRunningWorkflows_BeyondTheLimits_AreRefused(t *testing.T) {
	finish := make(chan struct{})
	running := make(chan struct{}, 200)
	wait := func(ctx context.Context, _ controlplane.ToolCall) (any, error) {
		running <- struct{}{}
		select {
		case <-finish:
		case <-ctx.Done():
		}
		return "done", nil
	}
	srv := open(t, withTools(map[string]controlplane.Tool{"wait": {Run: wait, RiskTier: aureus.TierLow}}))
	keys := twoTenants(t, srv)
	var answered sync.WaitGroup
	ids := 0
	execute := func(key, id string) answer {
		return raw{path: "/api/v1/workflows/execute", key: key, body: `{"workflow":` + mustMarshal(t, chain(id, task("a", "wait"))) + `}`}.do(t, srv)
	}
	fill := func(key string) (n int) {
		for {
			ids++
			id, refused := strconv.Itoa(ids), make(chan answer, 1)
			answered.Go(func() {
				if got := execute(key, id); got.status == http.StatusTooManyRequests {
					refused <- got
				}
			})
			select {
			case <-running:
				n++
			case got := <-refused:
				got.refusal(t, http.StatusTooManyRequests, "RESOURCE_EXHAUSTED")
				require.NotEmpty(t, got.header.Get("Retry-After"))
				raw{method: "GET", path: "/api/v1/workflows/" + id + "/status", key: key}.do(t, srv).refusal(t, http.StatusNotFound, "NOT_FOUND")
				return n
			}
		}
	}
	require.Equal(t, 25, fill(keys.hostile))
	require.Equal(t, 25, fill(keys.neighbour), "the share of the tenant is that of two keys")
	require.Equal(t, 0, fill(keys.operator))
	require.Equal(t, 25, fill(keys.victim))
	close(finish)
	answered.Wait()
	require.Equal(t, http.StatusOK, execute(keys.hostile, "one-more").status)
	require.Zero(t, controlplane.Governor(srv).Runs.InUse())
	require.Zero(t, controlplane.Governor(srv).Bytes.InUse())
}

// Stream clients do not count as requests, and one key cannot take all streams.
func TestStreams_OfOneKey_LeaveRoomForOthers(t *testing.T) {
	srv := open(t, quiet, func(c *controlplane.Config) { c.MaxStreams = 40 })
	keys := twoTenants(t, srv)
	listening := httptest.NewServer(srv)
	defer listening.Close()
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	follow := func(key string) *http.Response {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, listening.URL+"/api/v1/stream", http.NoBody)
		require.NoError(t, err)
		r.Header.Set("Authorization", "Bearer "+key)
		response, err := client.Do(r)
		require.NoError(t, err)
		t.Cleanup(func() { _ = response.Body.Close() })
		return response
	}
	for range 10 {
		require.Equal(t, http.StatusOK, follow(keys.hostile).StatusCode)
	}
	refused := follow(keys.hostile)
	require.Equal(t, http.StatusTooManyRequests, refused.StatusCode)
	require.NotEmpty(t, refused.Header.Get("Retry-After"))
	require.Zero(t, controlplane.Governor(srv).Requests.InUse())
	for range 10 {
		require.Equal(t, http.StatusOK, follow(keys.neighbour).StatusCode)
	}
	require.Equal(t, http.StatusTooManyRequests, follow(keys.neighbour).StatusCode)
	require.Equal(t, http.StatusOK, follow(keys.operator).StatusCode, "capacity is reserved for operators")
	require.Equal(t, http.StatusOK, follow(keys.victim).StatusCode, "another tenant has its own share")
	require.NoError(t, srv.Close(), "Close waits for the streams")
}

var errReset = errors.New("reset")

// A request that is interrupted, refused or panics releases everything that it held.
func TestGovernor_WhateverEndsARequest_ItHoldsNothing(t *testing.T) {
	srv := open(t)
	key := newKey(t, srv, controlplane.RoleService, "svc")
	for name, body := range map[string]io.Reader{
		"broken":        io.MultiReader(strings.NewReader("{"), &unreadable{errReset}),
		"not JSON":      strings.NewReader("{"),
		"not gzip":      strings.NewReader("plain"),
		"good":          strings.NewReader(checkBody),
		"too long":      io.LimitReader(zeros{}, 5<<20),
		"panics":        &unreadable{nil},
		"not an object": strings.NewReader("[]"),
	} {
		t.Run(name, func(t *testing.T) {
			r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/api/v1/policy/check", body)
			r.Header.Set("Authorization", "Bearer "+key)
			if name == "not gzip" {
				r.Header.Set("Content-Encoding", "gzip")
			}
			srv.ServeHTTP(httptest.NewRecorder(), r)
			g := controlplane.Governor(srv)
			for _, pool := range []*governor.Pool{g.Requests, g.Bytes, g.Work, g.Streams} {
				require.Zero(t, pool.InUse())
			}
		})
	}
}

// unreadable is a body that returns its error, or panics if it has none.
type unreadable struct{ err error }

func (u *unreadable) Read([]byte) (int, error) {
	if u.err == nil {
		panic("unreadable")
	}
	return 0, u.err
}
