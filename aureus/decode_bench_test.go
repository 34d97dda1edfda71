package aureus

import (
	"bytes"
	"encoding/json"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/internal/strictjson"
)

// The benchmark reads a page of 512 spans. The client reads it from the connection, one
// span at a time; the other readers get the whole page.
func BenchmarkDecodeSpans512(b *testing.B) {
	page, err := json.Marshal(benchmarkSpans())
	require.NoError(b, err)
	text := string(page)
	response := func() *http.Response { return responseOf(http.StatusOK, "application/json", text) }
	b.Run("aureus", func(b *testing.B) {
		b.ReportAllocs()
		b.SetBytes(int64(len(page)))
		for b.Loop() {
			count := 0
			err := eachItem("Test", response(), func(Span) bool { count++; return true })
			if err != nil || count != 512 {
				b.Fatal(count, err)
			}
		}
	})
	b.Run("strictjson", func(b *testing.B) {
		b.ReportAllocs()
		b.SetBytes(int64(len(page)))
		for b.Loop() {
			var spans []Span
			if err := strictjson.Unmarshal(page, &spans); err != nil || len(spans) != 512 {
				b.Fatal(err)
			}
		}
	})
	b.Run("encoding-json", func(b *testing.B) {
		b.ReportAllocs()
		b.SetBytes(int64(len(page)))
		for b.Loop() {
			var spans []Span
			if err := json.Unmarshal(page, &spans); err != nil || len(spans) != 512 {
				b.Fatal(err)
			}
		}
	})
}

// The benchmark compares the reader of the client with strictjson and with encoding/json,
// which also accepts JSON that must be refused.
func BenchmarkDecodeModel(b *testing.B) {
	benchmarkModel[GuardDecision](b, "decision", plainDecision)
	benchmarkModel[PolicyContext](b, "question", plainContext)
	benchmarkModel[Approval](b, "approval", plainApproval)
	benchmarkModel[approvalResponse](b, "answer-with-an-approval", plainApprovalAnswer)
	benchmarkModel[checkAnswer](b, "answer-to-a-check", plainCheckAnswer)
	benchmarkModel[batchResponse](b, "answer-to-a-batch", plainBatchAnswer)
	benchmarkModel[AuditRecord](b, "audit-record", plainAuditRecord)
	benchmarkModel[DecisionRecord](b, "decision-record", plainDecisionRecord)
	benchmarkModel[Outcome](b, "outcome", plainOutcome)
	benchmarkModel[Commit](b, "commit", plainCommit)
	benchmarkModel[GateConfig](b, "gate-config", plainGateConfig)
}

func benchmarkModel[T any](b *testing.B, name, text string) {
	b.Helper()
	var compact bytes.Buffer
	require.NoError(b, json.Compact(&compact, []byte(text)))
	body := compact.Bytes()
	for _, reader := range []struct {
		name string
		read func([]byte, any) error
	}{{"aureus", decode}, {"strictjson", strictjson.Unmarshal}, {"encoding-json", json.Unmarshal}} {
		b.Run(name+"/"+reader.name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(body)))
			for b.Loop() {
				if err := reader.read(body, new(T)); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
