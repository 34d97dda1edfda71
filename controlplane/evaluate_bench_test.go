package controlplane_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane"
)

// BenchmarkEvaluate decides with a client in the process. Each decision and its audit
// entry are on the disk before the response is sent.
func BenchmarkEvaluate(b *testing.B) {
	srv, err := controlplane.Open(b.Context(), controlplane.Config{DB: b.TempDir() + "/aureus.db"})
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = srv.Close() }()
	client := srv.Client()
	evaluate := func() {
		decision, err := client.Decide(b.Context(), transfer(aureus.TierLow, 1))
		if err != nil || decision.Effect != aureus.Allow {
			b.Errorf("%v %v", decision.Effect, err)
		}
	}
	b.Run("one at a time", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			evaluate()
		}
	})
	b.Run("64 at once", func(b *testing.B) {
		b.ReportAllocs()
		b.SetParallelism(32)
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				evaluate()
			}
		})
	})
}

// BenchmarkRecordBatch writes the largest batch for the audit log. Decisions wait while
// it is written.
func BenchmarkRecordBatch(b *testing.B) {
	srv, err := controlplane.Open(b.Context(), controlplane.Config{DB: b.TempDir() + "/aureus.db"})
	require.NoError(b, err)
	defer func() { require.NoError(b, srv.Close()) }()
	records := make([]aureus.DecisionRecord, 2048)
	b.ReportAllocs()
	for b.Loop() {
		for i := range records {
			records[i] = record("agent-1")
		}
		require.NoError(b, srv.Client().RecordDecisions(b.Context(), records))
	}
}
