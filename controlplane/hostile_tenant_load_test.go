package controlplane_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/controlplane"
	"github.com/farmountain/aureus-go/controlplane/internal/governor"
)

// trickle is a body that sends one byte per second until its context ends.
type trickle struct {
	ctx context.Context
}

func (b *trickle) Read(p []byte) (int, error) {
	second := time.NewTimer(time.Second)
	defer second.Stop()
	select {
	case <-second.C:
		p[0] = ' '
		return 1, nil
	case <-b.ctx.Done():
		return 0, context.Cause(b.ctx)
	}
}

// TestLoad_HostileTenant_DecisionsOfOthersAreServed prints the latency of one tenant's
// decisions, first alone and then under each kind of load from another tenant. It does
// not assert any latency, only that every decision gets a response.
func TestLoad_HostileTenant_DecisionsOfOthersAreServed(t *testing.T) {
	if os.Getenv("AUREUS_LOAD") == "" {
		t.Skip("it measures for about half a minute: run it with AUREUS_LOAD=1 and -v")
	}
	srv := open(t, quiet)
	listening := httptest.NewServer(srv)
	defer listening.Close()
	keys := twoTenants(t, srv)
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 300}}
	defer client.CloseIdleConnections()
	post := func(ctx context.Context, key, path, body string, header http.Header) (int, error) {
		r, err := http.NewRequestWithContext(ctx, http.MethodPost, listening.URL+path, strings.NewReader(body))
		if err != nil {
			return 0, err
		}
		r.Header = header.Clone()
		if r.Header == nil {
			r.Header = http.Header{}
		}
		r.Header.Set("Authorization", "Bearer "+key)
		response, err := client.Do(r)
		if err != nil {
			return 0, err
		}
		return response.StatusCode, response.Body.Close()
	}
	evaluate := func(arguments string) string {
		return `{"principal":{"id":"agent-1","type":"agent","permissions":[]},"action":` + lookJSON + `,"current_state":"idle","audit_log":[],"arguments":` + arguments + `}`
	}
	big := evaluate(`{"list":[` + strings.TrimSuffix(strings.Repeat(`{"a":0},`, 40_000), ",") + `]}`)
	spans := "[" + strings.TrimSuffix(strings.Repeat(`{"id":"s","trace_id":"t","name":"n","start_time":"t"},`, 2000), ",") + "]"
	text := bomb(64 << 20)
	share := controlplane.Governor(srv)
	for _, load := range []struct {
		name    string
		clients int
		pool    *governor.Pool // the measurement begins when the tenant's share of this pool is used up
		do      func(ctx context.Context)
	}{
		{"alone", 0, nil, nil},
		{"30 gzip bombs of 64 MiB at a time", 30, nil, func(ctx context.Context) {
			_, _ = post(ctx, keys.hostile, "/api/v1/observability/spans/batch", text, http.Header{"Content-Encoding": {"gzip"}})
		}},
		{"evaluates of 300 kB, 15 at a time", 15, nil, func(ctx context.Context) {
			_, _ = post(ctx, keys.hostile, "/api/v1/policy/evaluate", big, nil)
		}},
		{"telemetry, batches of 2,000, 20 at a time", 20, nil, func(ctx context.Context) {
			_, _ = post(ctx, keys.hostile, "/api/v1/observability/spans/batch", spans, nil)
		}},
		{"1,000 slow bodies at a time", 1000, share.Requests, func(ctx context.Context) {
			r, err := http.NewRequestWithContext(ctx, http.MethodPost, listening.URL+"/api/v1/observability/spans", &trickle{ctx})
			if err != nil {
				return
			}
			r.Header.Set("Authorization", "Bearer "+keys.hostile)
			if response, err := client.Do(r); err == nil {
				_ = response.Body.Close()
			}
			_, _ = (&trickle{ctx}).Read(make([]byte, 1)) // a refused client waits before it tries again
		}},
		{"100 streams that match nothing", 150, share.Streams, func(ctx context.Context) {
			ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
			defer cancel()
			r, err := http.NewRequestWithContext(ctx, http.MethodGet, listening.URL+"/api/v1/stream?workflow_id=none", http.NoBody)
			if err != nil {
				return
			}
			r.Header.Set("Authorization", "Bearer "+keys.hostile)
			response, err := client.Do(r)
			if err != nil {
				return
			}
			<-ctx.Done()
			_ = response.Body.Close()
		}},
	} {
		ctx, cancel := context.WithCancel(t.Context())
		var hostile sync.WaitGroup
		for range load.clients {
			hostile.Go(func() {
				for ctx.Err() == nil {
					load.do(ctx)
				}
			})
		}
		if load.pool != nil {
			require.Eventually(t, func() bool { return load.pool.InUse() >= load.pool.Room(false) }, time.Minute, time.Millisecond)
		}
		took := make([]time.Duration, 0, 300)
		for len(took) < 300 {
			begun := time.Now()
			status, err := post(t.Context(), keys.victim, "/api/v1/policy/evaluate", evaluate("{}"), nil)
			require.NoError(t, err)
			require.Equal(t, http.StatusOK, status)
			took = append(took, time.Since(begun))
		}
		cancel()
		hostile.Wait()
		slices.Sort(took)
		t.Logf("%-44s p50 %8.2f ms   p95 %8.2f ms", load.name, float64(took[150].Microseconds())/1000, float64(took[285].Microseconds())/1000)
	}
}
