package main

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
)

// More idle connections than the limit do not prevent a health check.
func TestListen_IdleConnections_DoNotBlockHealthChecks(t *testing.T) {
	listening, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	healthy := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	go func() { ended <- listen(ctx, listening, nil, healthy, slog.New(slog.DiscardHandler), 4) }()
	idle := make([]net.Conn, 20)
	for i := range idle {
		idle[i], err = (&net.Dialer{}).DialContext(t.Context(), "tcp", listening.Addr().String())
		require.NoError(t, err)
	}
	for i := range 17 { // one address may use three of the four connections
		_, err := idle[i].Read(make([]byte, 1))
		require.Error(t, err, "the connection is closed")
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+listening.Addr().String()+"/healthz", http.NoBody)
	require.NoError(t, err)
	response, err := client.Do(r)
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	require.Equal(t, http.StatusNoContent, response.StatusCode)
	for _, conn := range idle {
		_ = conn.Close() // some are closed already
	}
	cancel()
	require.NoError(t, <-ended)
}
