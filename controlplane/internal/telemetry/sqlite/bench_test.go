package sqlite

import (
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/controlplane/internal/telemetry"
	"github.com/farmountain/aureus-go/internal/jsonvalue"
)

// benchSpan returns the n-th span, which has an ordinary size. Each trace has eight
// spans.
func benchSpan(n int64) []byte {
	return fmt.Appendf(nil, `{"id":"%016x","trace_id":"%032x","parent_id":"00f067aa0ba902b7","name":"GET /accounts/{id}",`+
		`"start_time":"2026-01-02T03:04:05.%06dZ","end_time":"2026-01-02T03:04:06Z","duration":12.5,`+
		`"tags":{"http.request.method":"GET","http.response.status_code":"200","service.name":"ledger","url.path":"/accounts/42"}}`,
		n, uint64(n/8)*0x9e3779b97f4a7c15, n%1e6)
}

func benchItems(b *testing.B, from int64, count int) []telemetry.Item {
	b.Helper()
	items := make([]telemetry.Item, count)
	for i := range items {
		var err error
		items[i], err = telemetry.Read(telemetry.Spans, benchSpan(from+int64(i)))
		require.NoError(b, err)
	}
	return items
}

func BenchmarkRead(b *testing.B) {
	text := benchSpan(1)
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := telemetry.Read(telemetry.Spans, text); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkAppend512 stores a batch of 512 spans that were read before.
func BenchmarkAppend512(b *testing.B) {
	s := openStore(b, telemetry.Options{})
	n := int64(0)
	b.ReportAllocs()
	for b.Loop() {
		b.StopTimer()
		items := benchItems(b, n, 512)
		n += 512
		b.StartTimer()
		if err := s.Append(b.Context(), tenant, items); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(512*float64(b.N)/b.Elapsed().Seconds(), "spans/s")
}

// BenchmarkReadAndAppend512 splits, reads and stores a batch of 512 spans.
func BenchmarkReadAndAppend512(b *testing.B) {
	s := openStore(b, telemetry.Options{})
	n := int64(0)
	b.ReportAllocs()
	for b.Loop() {
		b.StopTimer()
		body := []byte{'['}
		for range 512 {
			body = append(append(body, benchSpan(n)...), ',')
			n++
		}
		body[len(body)-1] = ']'
		b.StartTimer()
		texts, err := jsonvalue.Split(body, 512)
		if err != nil {
			b.Fatal(err)
		}
		items := make([]telemetry.Item, len(texts))
		for i, text := range texts {
			if items[i], err = telemetry.Read(telemetry.Spans, text); err != nil {
				b.Fatal(err)
			}
		}
		if err := s.Append(b.Context(), tenant, items); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(512*float64(b.N)/b.Elapsed().Seconds(), "spans/s")
}

// BenchmarkAppendOne stores one span in each call, with concurrent callers. Each
// call returns after its commit.
func BenchmarkAppendOne(b *testing.B) {
	for _, callers := range []int{1, 64} {
		b.Run(fmt.Sprintf("callers=%d", callers), func(b *testing.B) {
			s := openStore(b, telemetry.Options{})
			items := benchItems(b, 0, 1<<16)
			var n atomic.Int64
			b.SetParallelism((callers + 1) / 2) // on two processors
			b.ReportAllocs()
			b.ResetTimer()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					i := n.Add(1) % int64(len(items))
					if err := s.Append(b.Context(), tenant, items[i:i+1]); err != nil {
						b.Error(err)
						return
					}
				}
			})
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "spans/s")
		})
	}
}

// BenchmarkTrace reads traces of eight spans out of 100,000 spans.
func BenchmarkTrace(b *testing.B) {
	s := openStore(b, telemetry.Options{})
	for n := int64(0); n < 100_000; n += 1000 {
		require.NoError(b, s.Append(b.Context(), tenant, benchItems(b, n, 1000)))
	}
	var n atomic.Int64
	b.ReportAllocs()
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			id := fmt.Sprintf("%032x", uint64(n.Add(1)%12_500)*0x9e3779b97f4a7c15)
			page, err := s.selectTrace(tenant, id).read(b.Context(), telemetry.Paging{}, telemetry.MaxLimit)
			if err != nil || len(page.portion) != 8 {
				b.Error("not the trace", err)
				return
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "traces/s")
}

// BenchmarkSummary computes the summary of 100,000 steps.
func BenchmarkSummary(b *testing.B) {
	s := openStore(b, telemetry.Options{})
	for n := 0; n < 100_000; n += 1000 {
		items := make([]telemetry.Item, 0, 1000)
		for i := n; i < n+1000; i++ {
			item, err := telemetry.Read(telemetry.Events, []byte(event("step_end", fmt.Sprintf("w%d", i/10), "t", i*10, fmt.Sprintf(`{"success":%t,"duration":12.5}`, i%3 > 0))))
			require.NoError(b, err)
			items = append(items, item)
		}
		require.NoError(b, s.Append(b.Context(), tenant, items))
	}
	b.ReportAllocs()
	b.ResetTimer()
	for b.Loop() {
		if _, err := s.Summary(b.Context(), tenant, telemetry.Range{}); err != nil {
			b.Fatal(err)
		}
	}
}
