package telemetry

import "fmt"

func span(n int) string {
	return fmt.Sprintf(`{"id":"%d","trace_id":"t","name":"n","start_time":"2026-01-02T03:04:05.%09dZ"}`, n, n)
}

// benchSpan returns a span of an ordinary size.
func benchSpan(n int64) []byte {
	return fmt.Appendf(nil, `{"id":"%016x","trace_id":"%032x","parent_id":"00f067aa0ba902b7","name":"GET /accounts/{id}",`+
		`"start_time":"2026-01-02T03:04:05.%06dZ","end_time":"2026-01-02T03:04:06Z","duration":12.5,`+
		`"tags":{"http.request.method":"GET","http.response.status_code":"200","service.name":"ledger","url.path":"/accounts/42"}}`,
		n, uint64(n/8)*0x9e3779b97f4a7c15, n%1e6)
}
