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

// writeMetrics answers GET /metrics with counters and gauges of the server and of
// the key's tenant, in the text format of Prometheus (0.0.4). The number of series
// is fixed: no text that a client sent becomes a label.
func (s *Service) writeMetrics(w http.ResponseWriter, _ *http.Request, c web.Caller) error {
	var b bytes.Buffer
	head := func(name, kind, help string) {
		fmt.Fprintf(&b, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, kind)
	}
	const reports = "aureus_reports_total"
	counts := s.reports.of(c.Tenant)
	head(reports, "counter", "Telemetry items that the tenant reported since the start: accepted, refused as invalid, or deferred because the store could not take them now.")
	for _, kind := range telemetry.Kinds {
		for _, outcome := range []struct {
			name  string
			count *atomic.Int64
		}{{"accepted", &counts.accepted[kind]}, {"refused", &counts.refused[kind]}, {"deferred", &counts.deferred[kind]}} {
			fmt.Fprintf(&b, "%s{kind=%q,outcome=%q} %d\n", reports, kind, outcome.name, outcome.count.Load())
		}
	}
	head("aureus_open_requests", "gauge", "Requests being answered now, including this one.")
	fmt.Fprintf(&b, "aureus_open_requests %d\n", s.OpenRequests())
	head("aureus_stream_clients", "gauge", "Clients that follow the stream.")
	fmt.Fprintf(&b, "aureus_stream_clients %d\n", s.Streams())
	head("aureus_build_info", "gauge", "The version of the server.")
	fmt.Fprintf(&b, "aureus_build_info{version=%q} 1\n", aureus.Version)

	w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
	w.Header().Set("Content-Length", strconv.Itoa(b.Len()))
	_, _ = w.Write(b.Bytes()) // it fails if the client has disconnected
	return nil
}
