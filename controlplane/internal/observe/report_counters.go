package observe

import (
	"sync"
	"sync/atomic"

	"github.com/farmountain/aureus-go/controlplane/internal/telemetry"
)

// reportCounters counts the items that each tenant reported. The published client
// ignores the response to a report, so these counters, in GET /metrics, are where
// refusals can be seen. Tenants are never removed; there is one for each tenant
// that has had a key. The zero value is ready for use.
type reportCounters struct{ byTenant sync.Map }

// reportCounts are the counters of one tenant, indexed by kind.
type reportCounts struct {
	accepted, refused, deferred [len(telemetry.Kinds) + 1]atomic.Int64
}

// of returns the counters of the tenant.
func (r *reportCounters) of(tenant string) *reportCounts {
	found, ok := r.byTenant.Load(tenant)
	if !ok {
		found, _ = r.byTenant.LoadOrStore(tenant, new(reportCounts))
	}
	counts, _ := found.(*reportCounts) // the map holds no other type
	return counts
}

// Count returns how many items of the kind the tenant has reported with the
// outcome accepted, refused or deferred since the server started.
func (s *Service) Count(tenant string, kind telemetry.Kind, outcome string) int64 {
	counts := s.reports.of(tenant)
	return map[string]*atomic.Int64{
		"accepted": &counts.accepted[kind], "refused": &counts.refused[kind], "deferred": &counts.deferred[kind],
	}[outcome].Load()
}
