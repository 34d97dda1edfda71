package otelbridge_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/internal/strictjson"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// intake is a server with the endpoints that receive spans and metrics, in batches
// (docs/spec/telemetry.md#batches) and one at a time. Its zero value accepts
// everything.
type intake struct {
	// before may respond instead of the intake; it then returns true.
	before func(w http.ResponseWriter, r *http.Request, request int) bool
	// refuse returns the reason to reject an item, or "" to accept it.
	refuse func(item json.RawMessage) string

	mu       sync.Mutex
	requests int
	spans    []aureus.Span
	metrics  []aureus.Metric
}

func (s *intake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.requests++
	request := s.requests
	s.mu.Unlock()
	if s.before != nil && s.before(w, r, request) {
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	path, batch := strings.CutSuffix(r.URL.Path, "/batch")
	items := []json.RawMessage{body}
	if batch {
		if err := json.Unmarshal(body, &items); err != nil {
			http.Error(w, `{"error":"not an array","code":"VALIDATION_ERROR"}`, http.StatusBadRequest)
			return
		}
	}
	response := struct {
		Accepted int                `json:"accepted"`
		Rejected []aureus.Rejection `json:"rejected"`
	}{Rejected: []aureus.Rejection{}}
	for i, item := range items {
		reason := ""
		if s.refuse != nil {
			reason = s.refuse(item)
		}
		if reason == "" {
			reason = s.store(path, item)
		}
		if reason != "" {
			response.Rejected = append(response.Rejected, aureus.Rejection{Index: i, Reason: reason})
			continue
		}
		response.Accepted++
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(response)
}

// store parses and keeps an item. Like the control plane, it rejects duplicate
// names in an object.
func (s *intake) store(path string, item json.RawMessage) (reason string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch path {
	case "/api/v1/observability/spans":
		var span aureus.Span
		if err := strictjson.Unmarshal(item, &span); err != nil {
			return err.Error()
		}
		s.spans = append(s.spans, span)
	case "/api/v1/observability/metrics":
		var metric aureus.Metric
		if err := strictjson.Unmarshal(item, &metric); err != nil {
			return err.Error()
		}
		s.metrics = append(s.metrics, metric)
	default:
		return "unknown path"
	}
	return ""
}

func (s *intake) gotSpans() []aureus.Span {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]aureus.Span(nil), s.spans...)
}

func (s *intake) gotMetrics() []aureus.Metric {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]aureus.Metric(nil), s.metrics...)
}

func (s *intake) gotRequests() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.requests
}

// start serves the intake until the test ends and returns a client for it.
func (s *intake) start(tb testing.TB) (*aureus.Client, *httptest.Server) {
	tb.Helper()
	server := httptest.NewServer(s)
	tb.Cleanup(server.Close)
	return connect(tb, server.URL), server
}

func connect(tb testing.TB, url string, options ...aureus.Option) *aureus.Client {
	tb.Helper()
	client, err := aureus.NewClient(url, append([]aureus.Option{aureus.WithAPIKey("key-that-must-not-show")}, options...)...)
	require.NoError(tb, err)
	tb.Cleanup(func() { require.NoError(tb, client.Close()) })
	return client
}
