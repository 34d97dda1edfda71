// Package audit serves the audit log of the control plane: reading, exporting and
// verifying it, and recording the decisions, gate results and outcomes that services
// report.
package audit

import (
	"time"

	"github.com/farmountain/aureus-go/controlplane/internal/storage"
	"github.com/farmountain/aureus-go/controlplane/internal/web"
)

// Service is the audit logs of all tenants. Every field must be set. It is safe
// for concurrent use.
type Service struct {
	Store storage.Store
	Now   func() time.Time
}

// Routes are the paths of the service.
func (s *Service) Routes() []web.Route {
	filters := []string{"principal", "action", "decision_id", "decision", "kind", "trace_id", "start_time", "end_time", "limit", "cursor"}
	return []web.Route{
		{Pattern: "GET /api/v1/audit", Role: web.Operator, Query: filters, Handler: s.list},
		{Pattern: "GET /api/v1/audit/verify", Role: web.Operator, Query: []string{"expect_entries", "expect_head"}, Handler: s.verify},
		{Pattern: "GET /api/v1/audit/export", Role: web.Operator, Handler: s.export},
		{Pattern: "POST /api/v1/audit/records/batch", Role: web.Service, Body: web.BatchBody, Replay: web.ReplayDurable, Handler: s.postRecords},
		{Pattern: "POST /api/v1/audit/gates/batch", Role: web.Service, Body: web.BatchBody, Replay: web.ReplayDurable, Handler: s.postGates},
		{Pattern: "POST /api/v1/audit/outcomes/batch", Role: web.Service, Body: web.BatchBody, Replay: web.ReplayDurable, Handler: s.postOutcomes},
	}
}
