package aureus_test

import (
	"compress/gzip"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
)

func TestCall_OtherEndpoint_ReadsAnyOut(t *testing.T) {
	server := record(t, jsonResponse(200, `{"big":12345678901234567890,"name":"n"}`))
	client := newClient(t, server.URL+"/pre")
	var raw json.RawMessage
	require.NoError(t, client.Call(t.Context(), "GET", "/new/thing%2Fx?a=1&a=2", nil, &raw))
	require.JSONEq(t, `{"big":12345678901234567890,"name":"n"}`, string(raw))
	var free any
	require.NoError(t, client.Call(t.Context(), "PUT", "/new", map[string]any{"k": 1}, &free))
	require.Equal(t, map[string]any{"big": json.Number("12345678901234567890"), "name": "n"}, free)
	require.NoError(t, client.Call(t.Context(), "DELETE", "/new", nil, nil))

	got := server.all()
	require.Equal(t, "/pre/api/v1/new/thing%2Fx", got[0].path)
	require.Equal(t, "a=1&a=2", got[0].query)
	require.Empty(t, got[0].header.Get("Idempotency-Key"))
	require.JSONEq(t, `{"k":1}`, got[1].body)
	require.NotEmpty(t, got[1].header.Get("Idempotency-Key"))

	for _, path := range []string{"", "x", "//x", "/a/../b", "/.", "/a#b", `/a\b`, "/%zz", "/a?%zz"} {
		require.ErrorIs(t, client.Call(t.Context(), "GET", path, nil, nil), aureus.ErrInvalid, path)
	}
	require.ErrorIs(t, client.Call(t.Context(), "G T", "/x", nil, nil), aureus.ErrInvalid)
	require.ErrorIs(t, client.Call(t.Context(), "POST", "/x", make(chan int), nil), aureus.ErrInvalid)
	var shape struct {
		Name int `json:"name"`
	}
	require.ErrorIs(t, client.Call(t.Context(), "GET", "/x", nil, &shape), aureus.ErrMalformed)
}

// Fields of out that are absent in the response keep the values of the caller.
func TestCall_FieldsNotInTheResponse_KeepTheirValues(t *testing.T) {
	client := newClient(t, record(t, jsonResponse(200, `{"allowed":false,"reason":"r","requires_human_approval":false}`)).URL)
	decision := aureus.GuardDecision{Rule: "mine", Reason: "before"}
	require.NoError(t, client.Call(t.Context(), "GET", "/x", nil, &decision))
	require.Equal(t, aureus.GuardDecision{Rule: "mine", Reason: "r"}, decision)

	client = newClient(t, record(t, jsonResponse(200, `{"allowed":1}`)).URL)
	require.ErrorIs(t, client.Call(t.Context(), "GET", "/x", nil, &decision), aureus.ErrMalformed)
	require.Equal(t, aureus.GuardDecision{Rule: "mine", Reason: "r"}, decision)
}

func TestWith_Options_ChangeTheCopy(t *testing.T) {
	server := record(t, jsonResponse(200, `{}`))
	client := newClient(t, server.URL, aureus.WithHeader("X-Team", "a"), aureus.WithHeader("User-Agent", "ledger/2"))
	copied := client.With(aureus.WithHeader("X-Call", "b"), aureus.WithAPIKey("other"))
	for _, c := range []*aureus.Client{client, copied} {
		_, err := c.WorkflowStatus(t.Context(), "w")
		require.NoError(t, err)
	}
	first, second := server.all()[0].header, server.all()[1].header
	require.Equal(t, []string{"a", "", "Bearer k"}, []string{first.Get("X-Team"), first.Get("X-Call"), first.Get("Authorization")})
	require.Equal(t, []string{"a", "b", "Bearer other"}, []string{second.Get("X-Team"), second.Get("X-Call"), second.Get("Authorization")})
	require.Equal(t, "ledger/2 aureus-go/"+aureus.Version, first.Get("User-Agent"))

	wrong := client.With(aureus.WithTimeout(-1), aureus.WithHeader("Authorization", "x"))
	_, err := wrong.WorkflowStatus(t.Context(), "w")
	require.ErrorIs(t, err, aureus.ErrInvalid)
	require.ErrorContains(t, err, "timeout")
	require.ErrorContains(t, err, "Authorization")
	require.Len(t, server.all(), 2)

	require.NoError(t, client.Close())
	_, err = copied.WorkflowStatus(t.Context(), "w")
	require.ErrorIs(t, err, aureus.ErrClosed)
	require.Nil(t, (*aureus.Client)(nil).With())
}

func TestWithCredentials_EachAttempt_AsksAgain(t *testing.T) {
	server := record(t, jsonResponse(200, `{}`))
	keys := []string{"first", "second"}
	client := newClient(t, server.URL, aureus.WithCredentials(func(context.Context) (string, error) {
		if len(keys) == 0 {
			return "", errors.New("vault says hunter2 is wrong")
		}
		key := keys[0]
		keys = keys[1:]
		return key, nil
	}))
	for range 2 {
		_, err := client.WorkflowStatus(t.Context(), "w")
		require.NoError(t, err)
	}
	_, err := client.WorkflowStatus(t.Context(), "w")
	require.ErrorIs(t, err, aureus.ErrUnauthenticated)
	require.NotContains(t, err.Error(), "hunter2")
	require.Equal(t, "Bearer second", server.all()[1].header.Get("Authorization"))
	require.Len(t, server.all(), 2, "without credentials nothing is sent")
}

func TestNewClient_KeyWithoutEncryption_IsRefused(t *testing.T) {
	for _, address := range []string{"http://aureus.example.com", "http://10.0.0.1:3000", "http://localhost.evil.example", "http://127.0.0.1.evil.example"} {
		_, err := aureus.NewClient(address, aureus.WithAPIKey("k"))
		require.ErrorContains(t, err, "without encryption", address)
	}
	t.Setenv("AUREUS_API_KEY", "from-env")
	_, err := aureus.NewClient("http://aureus.example.com")
	require.ErrorContains(t, err, "WithInsecureHTTP", "the same for a key of the environment")

	for address, options := range map[string][]aureus.Option{
		"http://aureus.example.com":  {aureus.WithInsecureHTTP("Aureus.example.com")},
		"https://aureus.example.com": nil,
		"http://[::1]:3000":          nil,
		"http://127.8.9.1":           nil,
		"http://aureus.example.org":  {aureus.WithAPIKey("")},
	} {
		client, err := aureus.NewClient(address, options...)
		require.NoError(t, err, address)
		require.NoError(t, client.Close())
	}
}

func TestWithTLS_Configuration_IsUsed(t *testing.T) {
	server := httptest.NewTLSServer(jsonResponse(200, `{}`))
	defer server.Close()
	server.Config.ErrorLog = nil

	_, err := newClient(t, server.URL).WorkflowStatus(t.Context(), "w")
	require.ErrorIs(t, err, aureus.ErrUnavailable, "a certificate of an unknown authority")

	transport, ok := server.Client().Transport.(*http.Transport)
	require.True(t, ok)
	_, err = newClient(t, server.URL, aureus.WithTLS(&tls.Config{RootCAs: transport.TLSClientConfig.RootCAs, MinVersion: tls.VersionTLS12})).WorkflowStatus(t.Context(), "w")
	require.NoError(t, err)

	for name, options := range map[string][]aureus.Option{
		"no configuration":          {aureus.WithTLS(nil)},
		"together with a client":    {aureus.WithTLS(&tls.Config{MinVersion: tls.VersionTLS12}), aureus.WithHTTPClient(http.DefaultClient)},
		"no concurrency":            {aureus.WithConcurrency(0)},
		"nothing to compress":       {aureus.WithGzip(0)},
		"negative attempts":         {aureus.WithRetry(aureus.RetryPolicies{Reads: aureus.RetryPolicy{MaxAttempts: -1}})},
		"FirstDelay above MaxDelay": {aureus.WithRetry(aureus.RetryPolicies{Reads: aureus.RetryPolicy{MaxAttempts: 2, FirstDelay: 2, MaxDelay: 1}})},
		"a negative breaker":        {aureus.WithBreaker(aureus.BreakerPolicy{Failures: -1})},
		"no credentials":            {aureus.WithCredentials(nil)},
	} {
		_, err := aureus.NewClient(server.URL, options...)
		require.Error(t, err, name)
	}
}

func TestWithProxy_Requests_GoThroughIt(t *testing.T) {
	proxy := record(t, jsonResponse(200, `{}`))
	address, err := url.Parse(proxy.URL)
	require.NoError(t, err)
	client := newClient(t, "http://aureus.example.com", aureus.WithInsecureHTTP("aureus.example.com"), aureus.WithConcurrency(4),
		aureus.WithProxy(func(*http.Request) (*url.URL, error) { return address, nil }))
	_, err = client.WorkflowStatus(t.Context(), "w")
	require.NoError(t, err)
	require.Len(t, proxy.all(), 1)
}

func TestWithGzip_LargeBodies_AreCompressed(t *testing.T) {
	server := record(t, func(w http.ResponseWriter, q *http.Request) { jsonResponse(200, `{"accepted":1,"rejected":[]}`)(w, q) })
	client := newClient(t, server.URL, aureus.WithGzip(100))
	name := strings.Repeat("long ", 100)
	require.NoError(t, client.ReportSpans(t.Context(), []aureus.Span{{Name: name}}))
	got := server.all()[0]
	require.Equal(t, "gzip", got.header.Get("Content-Encoding"))
	reader, err := gzip.NewReader(strings.NewReader(got.body))
	require.NoError(t, err)
	text, err := io.ReadAll(reader)
	require.NoError(t, err)
	require.Contains(t, string(text), name)

	require.NoError(t, client.ReportSpans(t.Context(), []aureus.Span{{Name: "s"}}))
	require.Empty(t, server.all()[1].header.Get("Content-Encoding"), "too small")
}

func TestReportSpans_Concurrent_BuffersAreNotMixed(t *testing.T) {
	server := record(t, batchServer(func(item map[string]any) string {
		if item["name"] != item["trace_id"] {
			return "mixed"
		}
		return ""
	}))
	client := newClient(t, server.URL)
	var running sync.WaitGroup
	for worker := range 8 {
		running.Go(func() {
			spans := make([]aureus.Span, 3000)
			for i := range spans {
				text := strings.Repeat(string(rune('a'+worker)), 20+i%50)
				spans[i] = aureus.Span{Name: text, TraceID: text}
			}
			for range 3 {
				if err := client.ReportSpans(context.Background(), spans); err != nil {
					t.Error(err)
				}
			}
		})
	}
	running.Wait()
	require.Len(t, server.all(), 8*3*2)
}
