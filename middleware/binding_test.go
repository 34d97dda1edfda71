package middleware_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/guard"
	"github.com/farmountain/aureus-go/middleware"
)

// digesting is a decider that allows and keeps the digest of each request.
func digesting(t *testing.T, digests *[]aureus.Digest) guard.Decider {
	t.Helper()
	return guard.DeciderFunc(func(_ context.Context, request aureus.Request) (aureus.Decision, error) {
		digest, err := guard.Digest("", request)
		*digests = append(*digests, digest)
		return aureus.Decision{Effect: aureus.Allow}, err
	})
}

// Each of these headers may change what any handler does, so an approval is for one value
// only.
func TestEnforce_HeadersThatChangeTheRequest_AreBound(t *testing.T) {
	t.Parallel()
	var digests []aureus.Digest
	handler := middleware.Enforce(digesting(t, &digests), about(large))(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	digestOf := func(header, value string) aureus.Digest {
		r := httptest.NewRequest(http.MethodPut, "/ledger", strings.NewReader("x"))
		if header != "" {
			r.Header.Set(header, value)
		}
		handler.ServeHTTP(httptest.NewRecorder(), r)
		return digests[len(digests)-1]
	}
	without := digestOf("", "")
	for _, header := range []string{
		"If-Match", "If-None-Match", "If-Modified-Since", "If-Unmodified-Since", "If-Range", "If", "Range", "Content-Range",
		"Content-Disposition", "Content-Location", "Content-Language", "Content-Encoding", "Upgrade", "Destination", "Depth", "Overwrite",
		"SOAPAction", "X-Amz-Target", "X-Original-URL", "X-Original-URI", "X-Original-Host", "X-Original-Method", "X-Rewrite-URL", "X-Host",
		"X-Script-Name", "X-Forwarded-Host", "X-Forwarded-Method", "X-Forwarded-Path", "X-Forwarded-Port", "X-Forwarded-Prefix",
		"X-Forwarded-Proto", "X-Forwarded-Scheme", "X-Forwarded-URI",
	} {
		one, other := digestOf(header, "/one"), digestOf(header, "/other")
		require.NotEqual(t, without, one, header)
		require.NotEqual(t, one, other, header)
	}
	for _, header := range []string{"Accept", "User-Agent", "X-Request-Id", "X-Forwarded-For", "Idempotency-Key", "Traceparent"} {
		require.Equal(t, without, digestOf(header, "x"), "%s differs between asking and asking again", header)
	}
	require.Equal(t, without, digestOf("Forwarded", "for=192.0.2.1;by=203.0.113.1, for=x"))
	require.NotEqual(t, without, digestOf("Forwarded", "for=192.0.2.1;host=bank.example"))
	require.Equal(t, digestOf("Forwarded", "for=192.0.2.1;host=a"), digestOf("Forwarded", "for=192.0.2.9; host=a, by=x"))
}

// The header is refused at every risk tier, because describe uses the method of the request.
func TestEnforce_MethodOverride_IsRefused(t *testing.T) {
	t.Parallel()
	for _, header := range []string{"X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"} {
		for _, request := range []aureus.Request{small, large} {
			r := httptest.NewRequest(http.MethodPost, "/", nil)
			r.Header.Set(header, http.MethodDelete)
			p := refusal(t, middleware.Enforce(allow, about(request))(unreachable(t)), r, http.StatusBadRequest)
			require.Equal(t, "VALIDATION_ERROR", p.Code)
			require.Contains(t, p.Errors[0].Detail, http.CanonicalHeaderKey(header))
		}
		var asked aureus.Request
		declared := middleware.Enforce(wanting(&asked), about(large), middleware.Options{Headers: []string{header}})(
			http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }))
		r, w := httptest.NewRequest(http.MethodPost, "/", nil), httptest.NewRecorder()
		r.Header.Set(header, http.MethodDelete)
		declared.ServeHTTP(w, r)
		require.Equal(t, http.StatusNoContent, w.Code)
		require.Equal(t, []string{http.MethodDelete}, asked.HTTP.Headers[http.CanonicalHeaderKey(header)], "a header in the options is bound")
	}
}

// Trailers are bound, whether they are announced or not.
func TestEnforce_Trailers_AreBound(t *testing.T) {
	var digests []aureus.Digest
	var seen []string
	server := serve(t, middleware.Enforce(digesting(t, &digests), about(large))(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		seen = append(seen, r.Trailer.Get("X-Amount"))
	})))
	send := func(announced bool, trailer string) {
		announce := ""
		if announced {
			announce = "Trailer: X-Amount\r\n"
		}
		response := raw(t, server.Listener.Addr().String(), "POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n"+
			announce+"\r\n3\r\nabc\r\n0\r\n"+trailer+"\r\n")
		require.Contains(t, response, "200 OK")
	}
	send(true, "X-Amount: 5\r\n")
	send(true, "X-Amount: 500\r\n")
	send(true, "X-Amount: 5\r\n")
	send(false, "")
	send(false, "X-Amount: 500\r\n")
	require.NotEqual(t, digests[0], digests[1])
	require.Equal(t, digests[0], digests[2])
	require.NotEqual(t, digests[0], digests[3])
	require.Equal(t, digests[1], digests[4], "announced and unannounced trailers have the same digest")
	require.Equal(t, []string{"5", "500", "5", "", "500"}, seen)
}

// A client that waits for 100 Continue does not get it.
func TestEnforce_LongBodyThatDescribeReads_IsRefusedBeforeItIsSent(t *testing.T) {
	server := serve(t, middleware.Enforce(allow, func(r *http.Request) (aureus.Request, error) {
		_, err := io.ReadAll(r.Body)
		return small, err
	}, middleware.Options{MaxBody: 10})(unreachable(t)))
	conn, err := net.Dial("tcp", server.Listener.Addr().String())
	require.NoError(t, err)
	defer func() { _ = conn.Close() }()
	_, err = fmt.Fprint(conn, "POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 11\r\n\r\n")
	require.NoError(t, err)
	line, err := bufio.NewReader(conn).ReadString('\n')
	require.NoError(t, err)
	require.Equal(t, "HTTP/1.1 413 Request Entity Too Large\r\n", line)
}
