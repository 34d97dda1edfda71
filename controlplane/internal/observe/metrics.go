package observe

import (
	"bytes"
	"fmt"
	"net/http"
	"strconv"
	"sync/atomic"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane/internal/telemetry"
	"github.com/farmountain/aureus-go/controlplane/internal/web"
)

// writeMetrics writes figures about the server and about the tenant of the key, in
// the text format of Prometheus (0.0.4). Their number is fixed: nothing that a client
// names becomes a label.
func (s *Service) writeMetrics(w http.ResponseWriter, _ *http.Request, c web.Caller) error {
	var b bytes.Buffer
	head := func(name, kind, help string) {
		fmt.Fprintf(&b, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, kind)
	}
	const reports = "aureus_reports_total"
	counts := s.reports.of(c.Tenant)
	head(reports, "counter", "Telemetry items that the tenant reported since the start: accepted, refused for what they are, or deferred because the store did not take them.")
	for _, kind := range telemetry.Kinds {
		for _, outcome := range []struct {
			name  string
			count *atomic.Int64
		}{{"accepted", &counts.accepted[kind]}, {"refused", &counts.refused[kind]}, {"deferred", &counts.deferred[kind]}} {
			fmt.Fprintf(&b, "%s{kind=%q,outcome=%q} %d\n", reports, kind, outcome.name, outcome.count.Load())
		}
	}
	head("aureus_open_requests", "gauge", "Requests that are answered now, this one too.")
	fmt.Fprintf(&b, "aureus_open_requests %d\n", s.OpenRequests())
	head("aureus_stream_clients", "gauge", "Clients that follow the stream.")
	fmt.Fprintf(&b, "aureus_stream_clients %d\n", s.Streams())
	head("aureus_build_info", "gauge", "The version that runs.")
	fmt.Fprintf(&b, "aureus_build_info{version=%q} 1\n", aureus.Version)

	w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
	w.Header().Set("Content-Length", strconv.Itoa(b.Len()))
	_, _ = w.Write(b.Bytes()) // fails where the client is gone
	return nil
}

// Count is how many items of the kind the tenant reported since the start with
// that outcome: accepted, refused or deferred.
func (s *Service) Count(tenant string, kind telemetry.Kind, outcome string) int64 {
	counts := s.reports.of(tenant)
	return map[string]*atomic.Int64{
		"accepted": &counts.accepted[kind], "refused": &counts.refused[kind], "deferred": &counts.deferred[kind],
	}[outcome].Load()
}
