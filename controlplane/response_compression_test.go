package controlplane_test

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane"
)

func TestResponses_Long_AreCompressed(t *testing.T) {
	t.Parallel()
	srv := open(t)
	key := newKey(t, srv, controlplane.RoleService, "svc")
	for range 100 {
		require.NoError(t, srv.Client().ReportSpan(t.Context(), aureus.Span{ID: "s", TraceID: "long", Name: strings.Repeat("n", 100), StartTime: "2026-01-01T00:00:00Z"}))
	}
	require.NoError(t, srv.Client().ReportSpan(t.Context(), aureus.Span{ID: "s", TraceID: "short", Name: "n", StartTime: "2026-01-01T00:00:00Z"}))
	listening := httptest.NewServer(srv)
	defer listening.Close()
	get := func(path, accepts string) (*http.Response, []byte) {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, listening.URL+path, http.NoBody)
		require.NoError(t, err)
		r.Header.Set("Authorization", "Bearer "+key)
		r.Header.Set("Accept-Encoding", accepts)
		response, err := http.DefaultTransport.RoundTrip(r)
		require.NoError(t, err)
		body, err := io.ReadAll(response.Body)
		require.NoError(t, err)
		require.NoError(t, response.Body.Close())
		return response, body
	}
	const long = "/api/v1/observability/traces/long"
	plain, want := get(long, "identity")
	require.Empty(t, plain.Header.Get("Content-Encoding"))
	for _, accepts := range []string{"gzip, deflate", "br;q=1.0, GZIP;q=0.5"} { // what the published client sends, among others
		answer, body := get(long, accepts)
		require.Equal(t, "gzip", answer.Header.Get("Content-Encoding"))
		require.Less(t, len(body), len(want)/5)
		text, err := gunzip(body)
		require.NoError(t, err)
		require.Equal(t, string(want), string(text))
	}
	for _, accepts := range []string{"gzip; q=0", "gzip;q=0.0", "deflate", "gzipped"} {
		answer, body := get(long, accepts)
		require.Empty(t, answer.Header.Get("Content-Encoding"))
		require.Equal(t, string(want), string(body))
	}
	short, body := get("/api/v1/observability/traces/short", "gzip")
	require.Empty(t, short.Header.Get("Content-Encoding"))
	require.Contains(t, string(body), `"short"`)
	missing, _ := get("/nowhere", "gzip")
	require.Equal(t, http.StatusNotFound, missing.StatusCode)

	client, err := aureus.NewClient(listening.URL, aureus.WithAPIKey(key))
	require.NoError(t, err)
	defer func() { require.NoError(t, client.Close()) }()
	spans, err := client.Trace(t.Context(), "long")
	require.NoError(t, err)
	require.Len(t, spans, 100)
}

func gunzip(text []byte) ([]byte, error) {
	reader, err := gzip.NewReader(bytes.NewReader(text))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(reader)
}
