package middleware_test

import (
	"bytes"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/guard"
	"github.com/farmountain/aureus-go/middleware"
)

var secretQuery = middleware.Options{SecretQuery: []string{"access_token", "X-Amz-Signature"}}

func TestSecretQuery_BoundQuery_HasNoCredential(t *testing.T) {
	t.Parallel()
	var c calling
	handler := middleware.Enforce(&c, about(large), secretQuery)(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = w.Write([]byte(r.URL.RawQuery))
	}))
	digestOf := func(query string) (aureus.Digest, string) {
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/?"+query, nil))
		require.Equal(t, http.StatusOK, w.Code, w.Body)
		require.Equal(t, query, w.Body.String(), "the handler sees the credential")
		return c.digests[len(c.digests)-1], c.calls[len(c.calls)-1].Query
	}
	digest, query := digestOf("a=1&access_token=hunter2&b=2")
	require.Equal(t, "a=1&access_token=hidden&b=2", query)
	for _, same := range []string{"a=1&access_token=another&b=2", "a=1&access%5Ftoken=x%3B%26b%3D3&b=2", "a=1&access_token&b=2", "a=1&access_token=hidden&b=2"} {
		again, _ := digestOf(same)
		require.Equal(t, digest, again, same)
	}
	for _, other := range []string{
		"a=1&b=2", "a=2&access_token=hunter2&b=2", "a=1&access_token=hunter2&b=3", "access_token=hunter2&a=1&b=2",
		"a=1&X-Amz-Signature=hunter2&b=2", "a=1&access_token=hunter2&b=2&c", "a=1&Access_token=hidden&b=2", "a=1&access_token[]=hidden&b=2",
		"a=1&access_token=hunter2&b=2&X-Amz-Signature=1", "a=1&access_token%zz=hidden&b=2",
	} {
		changed, _ := digestOf(other)
		require.NotEqual(t, digest, changed, other)
	}
}

func TestSecretQuery_CredentialThatHidesMore_IsRefused(t *testing.T) {
	t.Parallel()
	handler := middleware.Enforce(allow, about(small), secretQuery)(unreachable(t))
	for query, says := range map[string]string{
		"access_token=a&access_token=b":   "more than once",
		"access_token=a&access%5ftoken=b": "more than once",
		"access_token=a;amount=5000":      "semicolon",
		"X-Amz-Signature=a;X-Amz-Date=b":  "semicolon",
	} {
		p := refusal(t, handler, httptest.NewRequest(http.MethodGet, "/?"+query, nil), http.StatusBadRequest)
		require.Contains(t, p.Errors[0].Detail, says)
	}
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.Header.Set("X-Original-Url", "/?access_token=a;amount=5000")
	require.Contains(t, refusal(t, handler, r, http.StatusBadRequest).Errors[0].Detail, "semicolon")
}

// Proxies put the original address, with its query, into headers.
func TestSecretQuery_AddressInAHeader_HasNoCredential(t *testing.T) {
	t.Parallel()
	for _, header := range []string{"X-Original-URL", "X-Original-URI", "X-Rewrite-URL", "X-Forwarded-URI"} {
		var c calling
		options := secretQuery
		options.Headers = []string{header}
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Header[http.CanonicalHeaderKey(header)] = []string{"/a?b=1&access_token=hunter2", "/plain"}
		middleware.Enforce(&c, about(large), options)(bare).ServeHTTP(httptest.NewRecorder(), r)
		require.Equal(t, []string{"/a?b=1&access_token=hidden", "/plain"}, c.calls[0].Headers[http.CanonicalHeaderKey(header)])
	}
}

func TestSecretQuery_ArgumentsAndLog_HaveNoCredential(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	options := secretQuery
	options.Logger = slog.New(slog.NewTextHandler(&log, nil))
	var asked aureus.Request
	table := guard.Routes{bound("GET /x", "a", "query")}
	w := httptest.NewRecorder()
	middleware.EnforceRoutes(wanting(&asked), known, table, options)(servingMux(bare, "GET /x")).
		ServeHTTP(w, sent(t, "GET", "x", "/x?a=1&access_token=hunter2"))
	require.Equal(t, http.StatusOK, w.Code)
	require.Equal(t, map[string]any{"a": "1"}, asked.Arguments)
	require.Equal(t, "a=1&access_token=hidden", asked.HTTP.Query)

	w = httptest.NewRecorder()
	middleware.EnforceRoutes(saying(aureus.Decision{}, errBroken), known, table, options)(servingMux(bare, "GET /x")).
		ServeHTTP(w, sent(t, "GET", "x", "/x?access_token=pass-1234"))
	require.Equal(t, http.StatusServiceUnavailable, w.Code)
	require.NotEmpty(t, log.String())
	require.NotContains(t, log.String()+w.Body.String(), "pass-1234")
	require.Panics(t, func() { middleware.Enforce(allow, about(small), middleware.Options{SecretQuery: []string{""}}) })
}
