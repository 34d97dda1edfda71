package aureus

import (
	"encoding/json"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/internal/strictjson"
)

// A page of 512 spans: as the client reads it from the connection, one span at
// a time, and held whole for the readers that go by reflection.
func BenchmarkDecodeSpans512(b *testing.B) {
	page, err := json.Marshal(benchmarkSpans())
	require.NoError(b, err)
	text := string(page)
	answer := func() *http.Response { return answerOf(http.StatusOK, "application/json", text) }
	b.Run("aureus", func(b *testing.B) {
		b.ReportAllocs()
		b.SetBytes(int64(len(page)))
		for b.Loop() {
			count := 0
			err := eachItem("Test", answer(), func(Span) bool { count++; return true })
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
