package controlplane_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane"
)

// unread is the response writer of a client that does not read until the test allows it.
type unread struct {
	*httptest.ResponseRecorder
	once  sync.Once
	began func()
	until <-chan struct{}
}

func (u *unread) Write(p []byte) (int, error) {
	if u.Code < http.StatusBadRequest {
		u.once.Do(u.began)
		<-u.until
	}
	return u.ResponseRecorder.Write(p)
}

// unreadAnswers sends the same request that many times without reading the responses,
// and returns how many responses the server held at once.
func unreadAnswers(t *testing.T, srv http.Handler, key, path string, times int) (held int, refused *httptest.ResponseRecorder) {
	t.Helper()
	until, settled := make(chan struct{}), make(chan *httptest.ResponseRecorder, times)
	var all sync.WaitGroup
	for range times {
		all.Go(func() {
			r := httptest.NewRequestWithContext(context.WithoutCancel(t.Context()), http.MethodGet, "http://localhost"+path, http.NoBody)
			r.Header.Set("Authorization", "Bearer "+key)
			w := &unread{ResponseRecorder: httptest.NewRecorder(), began: func() { settled <- nil }, until: until}
			srv.ServeHTTP(w, r)
			if w.Code >= http.StatusBadRequest {
				settled <- w.ResponseRecorder
			}
		})
	}
	for range times {
		switch w := <-settled; {
		case w == nil:
			held++
		case refused == nil || w.Code == http.StatusTooManyRequests: // on a slow machine some wait too long for a place
			refused = w
		}
	}
	close(until)
	all.Wait()
	return held, refused
}

// The responses that the server holds for one key are limited in bytes: a client that
// lists large approvals often and does not read the responses is refused.
func TestMemory_LargeAnswersThatNobodyReads_StayWithinTheKeysShare(t *testing.T) {
	const times = 120
	document := strings.Repeat("x", 1<<20)
	srv := open(t, quiet, func(c *controlplane.Config) {
		c.MaxMemory = 64 << 20
		c.Tools = map[string]controlplane.Tool{"read": {RiskTier: aureus.TierLow, Run: func(context.Context, controlplane.ToolCall) (any, error) {
			return document[:1<<20-2], nil
		}}}
	})
	keys := twoTenants(t, srv)
	mallory := client(t, srv, keys.hostile)
	var id string
	for i := range 3 {
		request := transfer(aureus.TierHigh, i)
		request.Arguments = map[string]any{"document": document, "n": i}
		decision, err := mallory.Decide(t.Context(), request)
		require.NoError(t, err)
		id = decision.Approval.ID
	}
	runWorkflow(t, mallory, chain("w", task("a", "read"), task("b", "read"), task("c", "read")), allowed())
	for name, path := range map[string]string{
		"a list of approvals": "/api/v1/policy/approvals", "an approval": "/api/v1/policy/approvals/" + id, "a workflow": "/api/v1/workflows/w/status",
	} {
		t.Run(name, func(t *testing.T) {
			held, refused := unreadAnswers(t, srv, keys.hostile, path, times)
			require.Positive(t, held)
			require.Less(t, held, times)
			answer{status: refused.Code, header: refused.Header(), body: refused.Body.String()}.refusal(t, 429, "RESOURCE_EXHAUSTED")
			require.Equal(t, 200, raw{method: "GET", path: path, key: keys.hostile}.do(t, srv).status, "afterwards the memory is free again")
		})
	}
}
