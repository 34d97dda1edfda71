package main

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// keyedRequest is a request with an Idempotency-Key, and the response to it.
type keyedRequest struct{ path, body, key, answer string }

// send sends the request. replayed is true if the server repeated an earlier
// response.
func (a *keyedRequest) send(ctx context.Context, listenAddress string) (status int, answer string, replayed bool, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, listenAddress+a.path, strings.NewReader(a.body))
	if err != nil {
		return 0, "", false, err
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Idempotency-Key", a.key)
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, "", false, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	return response.StatusCode, string(body), response.Header.Get("Idempotency-Replayed") == "true", err
}

func (a *keyedRequest) name(n string) *keyedRequest {
	return &keyedRequest{path: a.path, body: strings.ReplaceAll(a.body, "NAME", n), key: n}
}

var keyedChanges = []keyedRequest{
	{path: "/api/v1/policy/approval", body: `{"principal":{"id":"NAME","type":"agent","permissions":[]},"action":{"id":"wipe","name":"Wipe","risk_tier":"high","required_permissions":[]},"reason":"x"}`},
	{path: "/api/v1/crv/validators", body: `{"validator_id":"NAME","config":{"type":"max_size","parameters":{"max":10}}}`},
	{path: "/api/v1/observability/events/batch", body: `[{"type":"custom","timestamp":"2026-03-01T00:00:00Z","workflow_id":"NAME","data":{}}]`},
}

// A response that was sent before the server is killed at any moment is
// repeated by the next process.
func TestIdempotencyKeys_SurviveSIGKILL(t *testing.T) {
	db := filepath.Join(t.TempDir(), "aureus.db")
	serve := func() *serverProcess { return start(t, nil, "serve", "--db", db, "--dev", "--addr", "127.0.0.1:0") }
	server := serve()
	for round := range 3 {
		var mu sync.Mutex
		var answered []*keyedRequest
		var count atomic.Int64
		var clients sync.WaitGroup
		for client := range 4 {
			clients.Go(func() {
				for n := 0; ; n++ {
					a := keyedChanges[n%len(keyedChanges)].name(fmt.Sprintf("r%d-c%d-%d", round, client, n))
					status, answer, _, err := a.send(context.Background(), server.url)
					if err != nil {
						return // the server was killed
					}
					if status != http.StatusOK {
						t.Errorf("%s: %d %s", a.key, status, answer)
						return
					}
					a.answer = answer
					mu.Lock()
					answered = append(answered, a)
					mu.Unlock()
					count.Add(1)
				}
			})
		}
		target := 20 + rand.Int64N(80)
		require.Eventually(t, func() bool { return count.Load() >= target }, wait, tick)
		require.NoError(t, server.cmd.Process.Kill()) // SIGKILL
		require.Error(t, server.cmd.Wait())
		clients.Wait()

		server = serve()
		for _, a := range answered {
			status, answer, replayed, err := a.send(t.Context(), server.url)
			require.NoError(t, err)
			require.Equal(t, http.StatusOK, status, answer)
			require.True(t, replayed, "the response to %s is lost", a.key)
			require.Equal(t, a.answer, answer)
		}
		other := *answered[0]
		other.body = answered[len(answered)-1].body
		status, answer, _, err := other.send(t.Context(), server.url)
		require.NoError(t, err)
		require.Equal(t, http.StatusUnprocessableEntity, status)
		require.Contains(t, answer, "IDEMPOTENCY_KEY_REUSED")
	}
	http.DefaultClient.CloseIdleConnections()
	server.stop(t, syscall.SIGTERM)
}
