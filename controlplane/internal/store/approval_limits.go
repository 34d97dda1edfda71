package store

import (
	"fmt"
	"time"

	"github.com/farmountain/aureus-go/aureus"
)

// The bounds of pending approvals. A subject counts its own only, so that none
// can fill another's; the tenant's bound leaves every subject room for
// [MaxPending].
const (
	MaxPending        = 20        // that one subject has for one principal
	MaxPendingSubject = 500       // that one subject has
	MaxPendingBytes   = 128 << 20 // that the documents of one subject's take
	MaxPendingTenant  = 2000      // in a tenant, beyond which a subject has at most MaxPending
)

// roomForPending reports whether the subject may have one more pending approval
// for the principal: nil, or an error that matches aureus.ErrTooManyPending and
// names the bound.
func (t *Tx) roomForPending(tenant string, now time.Time, subject, principal string, size int) error {
	var all, own, same, bytes int64
	if err := t.row(`SELECT count(*), count(*) FILTER (WHERE subject = ?2), count(*) FILTER (WHERE subject = ?2 AND principal_id = ?3),
		coalesce(sum(bytes) FILTER (WHERE subject = ?2), 0) FROM approvals WHERE tenant = ?1 AND status = 'pending' AND expires_at >= ?4`,
		tenant, subject, principal, now.UnixNano()).Scan(&all, &own, &same, &bytes); err != nil {
		return err
	}
	switch {
	case same >= MaxPending:
		return fmt.Errorf("%w: this service has %d for the principal already", aureus.ErrTooManyPending, same)
	case own >= MaxPendingSubject:
		return fmt.Errorf("%w: this service has %d already", aureus.ErrTooManyPending, own)
	case bytes+int64(size) > MaxPendingBytes:
		return fmt.Errorf("%w: those of this service take %d bytes already, and %d are its bound", aureus.ErrTooManyPending, bytes, MaxPendingBytes)
	case all >= MaxPendingTenant && own >= MaxPending:
		return fmt.Errorf("%w: the tenant has %d already", aureus.ErrTooManyPending, all)
	}
	return nil
}
