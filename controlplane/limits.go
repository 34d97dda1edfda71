package controlplane

import (
	"context"

	"github.com/farmountain/aureus-go/controlplane/internal/governor"
	"github.com/farmountain/aureus-go/controlplane/internal/storage"
	"github.com/farmountain/aureus-go/controlplane/internal/web"
)

// The limits of what is under way at once where the configuration names none. A
// tenant may take half of each, and a key half of that; the last fifth of each
// share is reserved for decisions and operators. See docs/limits.md.
const (
	DefaultMaxMemory   = 512 << 20 // bytes
	DefaultMaxRequests = 1000
	DefaultMaxStreams  = 400
	DefaultMaxRuns     = 100
)

// parkedRuns is how many times MaxRuns may wait for their next attempt.
const parkedRuns = 5

// The limits of runs that have not ended, those that wait for a person included.
// There is always room for as many as may work at once.
const (
	openRunsOfSubject = 500
	openRunBytes      = 128 << 20 // bytes of the requests of one subject's runs
	openRunsOfTenant  = 2000      // beyond it a subject may have at most openRunsBeyond
	openRunsBeyond    = 20
)

func (c *Config) runQuota() storage.RunQuota {
	return storage.RunQuota{
		Subject: max(openRunsOfSubject, int64(c.MaxRuns)), Bytes: openRunBytes,
		Tenant: max(openRunsOfTenant, 4*int64(c.MaxRuns)), Beyond: openRunsBeyond,
	}
}

func (c *Config) governor(processors int) *governor.Governor {
	return governor.New(governor.Limits{
		Requests: int64(c.MaxRequests), Streams: int64(c.MaxStreams), Runs: int64(c.MaxRuns), Parked: int64(c.MaxRuns) * parkedRuns,
		Bytes: c.MaxMemory, LargestBody: max(c.MaxBody, c.MaxBatchBody), Processors: int64(processors),
	})
}

// longReads gives each tenant its turns to read for long.
func (s *Server) longReads(pool *governor.Pool) func(context.Context, string) (context.Context, func(), error) {
	return func(ctx context.Context, tenant string) (context.Context, func(), error) {
		within, leave, err := governor.Read(ctx, pool, tenant, s.longRead)
		return within, leave, web.CapacityError(err)
	}
}
