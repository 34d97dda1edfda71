package controlplane

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/farmountain/aureus-go/controlplane/internal/governor"
	"github.com/farmountain/aureus-go/controlplane/internal/storage"
	"github.com/farmountain/aureus-go/controlplane/internal/telemetry"
	"github.com/farmountain/aureus-go/internal/wire"
)

// The bounds of what is under way at once where the configuration names none.
// A tenant may take half of each, and a key half of that; the last fifth of each
// share is for decisions and operators. See docs/limits.md.
const (
	DefaultMaxMemory   = 512 << 20 // bytes
	DefaultMaxRequests = 1000
	DefaultMaxStreams  = 400
	DefaultMaxRuns     = 100
)

const (
	parkedRuns = 5 // times as many runs as may work may wait for their next attempt
	// longWork is the length of a body, in bytes, from which on processing it has
	// to wait for its turn: it may keep a processor busy for some time.
	longWork = 64 << 10
	// longGzip is the same for a compressed body: a thousand times as much may come
	// out of it.
	longGzip = 4 << 10
	// extraRequests is how many requests may be under way beyond those that hold a
	// slot: those not authenticated yet, and those that need no key. Neither reads a
	// body or waits for anything.
	extraRequests = 1000
)

// The bounds of runs that have not ended, those that wait for a person among
// them. What may work at once always has room.
const (
	openRunsOfSubject = 500
	openRunBytes      = 128 << 20 // that the requests of one subject's take
	openRunsOfTenant  = 2000      // beyond which a subject has at most openRunsBeyond
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

// maxLongRead is how long one read of a store may take: a summary, or a page of a
// list, of a check of the audit log or of an export.
const maxLongRead = 30 * time.Second

// letInTo gives each tenant its turns to read for long.
func (s *Server) letInTo(pool *governor.Pool) func(context.Context, string) (context.Context, func(), error) {
	return func(ctx context.Context, tenant string) (context.Context, func(), error) {
		within, leave, err := governor.Read(ctx, pool, tenant, s.longRead)
		if errors.Is(err, governor.ErrNoTurn) {
			err = crowded(err)
		}
		return within, leave, err
	}
}

// governed is how a route is counted.
type governed struct {
	maxBody int64
	urgent  bool           // a decision: it may use what is reserved, whoever asks
	long    bool           // processing may take long whatever the length of the body
	reports telemetry.Kind // what is reported there, or none
}

// governedAs reads from the pattern how its requests are counted.
func governedAs(pattern string, maxBody int64) governed {
	method, path, _ := strings.Cut(pattern, " ")
	var reports telemetry.Kind
	for _, kind := range telemetry.Kinds {
		if method == http.MethodPost && strings.HasPrefix(path, "/api/v1/observability/"+kind.String()) {
			reports = kind
		}
	}
	return governed{
		reports: reports,
		maxBody: maxBody,
		urgent:  strings.HasPrefix(path, "/api/v1/policy/"),
		long:    strings.HasPrefix(path, "/api/v1/crv/"),
	}
}

// enter counts a request of the caller in. What it holds is given back when the
// account is closed. A body that is declared too long is refused before any of
// it is asked for.
func (g governed) enter(s *Server, w http.ResponseWriter, r *http.Request, c caller) (*governor.Account, error) {
	if r.ContentLength > g.maxBody {
		if g.reports != 0 {
			_ = s.refuse(c, g.reports, nil) // counted as one that was read
		}
		return nil, tooLargeBody(g.maxBody)
	}
	account, err := s.governor.Enter(governor.Owner{Tenant: c.tenant, Key: c.keyID}, g.urgent || c.role.atLeast(RoleOperator))
	if err != nil {
		return nil, crowded(err)
	}
	info := infoOf(r)
	info.account, info.long = account, g.long
	control := http.NewResponseController(w)
	if r.ContentLength == 0 {
		_ = control.SetReadDeadline(time.Time{}) // there is nothing to read, and the answer may take as long as it takes
	}
	body := governor.NewBody(r.Body, control)
	r.Body = &boundedBody{ReadCloser: http.MaxBytesReader(w, body, g.maxBody), limit: g.maxBody}
	return account, nil
}

// crowded is the answer where there is no room: 429 where the caller's own share
// is used up, 503 where everybody's is.
func crowded(err error) error {
	if errors.Is(err, governor.ErrNoTurn) {
		return problem(http.StatusServiceUnavailable, wire.CodeOverloaded, "other requests were processed for so long that this one was not begun",
			withRemediation("Try again in a moment."), withRetryAfter(time.Second))
	}
	refused, ok := errors.AsType[*governor.RefusedError](err)
	switch {
	case !ok:
		return err
	case refused.Never:
		return problem(http.StatusRequestEntityTooLarge, wire.CodeTooLarge, "the body takes more memory, once it is read, than one key may have",
			withRemediation("Send less at once."))
	case refused.Level == governor.LevelTotal:
		return problem(http.StatusServiceUnavailable, wire.CodeOverloaded, "too much is under way",
			withRemediation("Try again in a moment."), withRetryAfter(time.Second))
	}
	return problem(http.StatusTooManyRequests, wire.CodeExhausted, "this "+string(refused.Level)+" has as much under way as it may have at once",
		withRemediation("Wait for the end of other requests of this "+string(refused.Level)+", and try again."), withRetryAfter(time.Second))
}
