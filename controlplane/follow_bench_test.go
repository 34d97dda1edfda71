package controlplane_test

import (
	"context"
	"log/slog"
	"net/http/httptest"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane"
	"github.com/farmountain/aureus-go/guard"
	"github.com/farmountain/aureus-go/guard/policy"
)

// BenchmarkFollow compares an allow that a follower decides in its process, recorded in
// memory and in a spool, with the same one that a control plane decides over loopback.
func BenchmarkFollow(b *testing.B) {
	server, err := controlplane.Open(b.Context(), controlplane.Config{DB: filepath.Join(b.TempDir(), "aureus.db"), Logger: slog.New(slog.DiscardHandler)})
	require.NoError(b, err)
	b.Cleanup(func() { require.NoError(b, server.Close()) })
	listening := httptest.NewServer(server)
	b.Cleanup(listening.Close)
	client := func(role controlplane.Role) *aureus.Client {
		_, key, err := server.Keys().Add(b.Context(), "bench", controlplane.Key{Subject: string(role), Role: role, SpeaksFor: []string{controlplane.Everyone}})
		require.NoError(b, err)
		c, err := aureus.NewClient(listening.URL, aureus.WithAPIKey(key))
		require.NoError(b, err)
		b.Cleanup(func() { _ = c.Close() })
		return c
	}
	_, err = client(controlplane.RoleAdmin).PutPolicyBundle(b.Context(), ledgerBundle(1), nil, aureus.Digest{})
	require.NoError(b, err)
	service := client(controlplane.RoleService)
	measure := func(b *testing.B, decider guard.Decider) {
		b.Helper()
		request := readAccount()
		b.ReportAllocs()
		for b.Loop() {
			if decision, err := decider.Decide(b.Context(), request); err != nil || decision.Effect != aureus.Allow {
				b.Fatal(decision, err)
			}
		}
	}
	followed := func(b *testing.B, config policy.FollowConfig) {
		b.Helper()
		f, err := policy.Follow(b.Context(), service, "", config)
		require.NoError(b, err)
		measure(b, f)
		b.StopTimer()
		b.ReportMetric(float64(f.Stats().Dropped)/float64(b.N), "dropped/op")
		b.ReportMetric(float64(f.Stats().Spooled)/float64(b.N), "waiting-B/op")
		ended, cancel := context.WithCancel(b.Context())
		cancel()
		_ = f.Close(ended) // the rest is not sent
	}
	b.Run("memory", func(b *testing.B) { followed(b, policy.FollowConfig{}) })
	b.Run("spool", func(b *testing.B) { followed(b, policy.FollowConfig{Spool: b.TempDir(), SpoolLimit: 8 << 30}) })
	b.Run("remote", func(b *testing.B) { measure(b, service) })
	b.Run("stop", func(b *testing.B) { // until decisions are made by a stop that was put, or are not any more
		f, err := policy.Follow(b.Context(), service, "", policy.FollowConfig{Interval: time.Hour})
		require.NoError(b, err)
		operator := client(controlplane.RoleOperator)
		for stops := 1; b.Loop(); stops = 1 - stops {
			if stops == 1 {
				_, err = operator.StopPolicy(b.Context(), "principal:clerk", "drill")
			} else {
				_, err = operator.ResumePolicy(b.Context(), "principal:clerk")
			}
			require.NoError(b, err)
			for f.Stats().Stops != stops {
				time.Sleep(100 * time.Microsecond)
			}
		}
		_ = f.Close(b.Context())
	})
	b.Run("engine", func(b *testing.B) {
		bundle, err := policy.Parse(ledgerBundle(1))
		require.NoError(b, err)
		engine, err := policy.New(bundle, policy.Config{})
		require.NoError(b, err)
		measure(b, engine)
	})
}
