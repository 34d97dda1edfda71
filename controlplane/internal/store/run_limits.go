package store

import (
	"errors"
	"fmt"
)

// ErrTooManyRuns says that a subject or its tenant has as many runs that have not
// ended as it may have.
var ErrTooManyRuns = errors.New("too many workflows have not ended")

// RunQuota bounds the runs that have not ended: those under way, those that wait
// for a person, and those that are parked. A subject counts its own only, so that
// none can fill another's; beyond the tenant's bound, every subject has room for
// Beyond.
type RunQuota struct {
	Subject int64 // that one subject has
	Bytes   int64 // that the requests of one subject's take
	Tenant  int64 // in a tenant
	Beyond  int64 // that one subject has where the tenant has Tenant
}

// RoomForRun reports whether the subject may have one more run whose request
// takes so many bytes: nil, or an error that matches ErrTooManyRuns and names the
// bound.
func (t *Tx) RoomForRun(tenant, subject string, size int, quota RunQuota) error {
	var all, own, bytes int64
	if err := t.row(`SELECT count(*), count(*) FILTER (WHERE subject = ?2), coalesce(sum(octet_length(request)) FILTER (WHERE subject = ?2), 0)
		FROM runs WHERE tenant = ?1 AND ended = 0`, tenant, subject).Scan(&all, &own, &bytes); err != nil {
		return err
	}
	switch {
	case own >= quota.Subject:
		return fmt.Errorf("%w: this service has %d already", ErrTooManyRuns, own)
	case bytes+int64(size) > quota.Bytes:
		return fmt.Errorf("%w: the requests of this service's take %d bytes already, and %d are their bound", ErrTooManyRuns, bytes, quota.Bytes)
	case all >= quota.Tenant && own >= quota.Beyond:
		return fmt.Errorf("%w: the tenant has %d already", ErrTooManyRuns, all)
	}
	return nil
}
