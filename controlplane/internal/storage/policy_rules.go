package storage

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/internal/vocab"
)

// policyRules implements [Policies].
type policyRules struct {
	PolicyRows

	audit *auditRules
}

// BundleName returns the name and version of a bundle in the form that decisions name
// it.
func BundleName(name string, version int64) string { return fmt.Sprintf("%s/%d", name, version) }

// PutBundle implements [Policies].
func (p *policyRules) PutBundle(b Bundle) (changed bool, err error) {
	details := map[string]any{"bundle": BundleName(b.Name, b.Version), "digest": b.Digest.String(), "signed": len(b.Signature) > 0}
	last, err := p.Bundle(b.Tenant)
	switch {
	case errors.Is(err, ErrNotFound):
	case err != nil:
		return false, err
	case last.Version == b.Version && bytes.Equal(last.Text, b.Text):
		return false, nil
	case last.Name != b.Name, last.Version >= b.Version:
		return false, ErrConflict
	default:
		details["replaces"] = BundleName(last.Name, last.Version)
	}
	if err := p.AddBundle(b); err != nil {
		return false, err
	}
	if err := p.DropTexts(b.Tenant, KeptBundles); err != nil {
		return false, err
	}
	return true, p.changed(b.Tenant, b.PutAt, aureus.AuditRecord{Kind: vocab.AuditBundlePut, By: b.PutBy, KeyID: b.KeyID, Details: details})
}

// changed increases the revision of the tenant and adds the entry to its audit log.
func (p *policyRules) changed(tenant string, at time.Time, entry aureus.AuditRecord) error {
	if err := p.Changed(tenant); err != nil {
		return err
	}
	return p.audit.Append(tenant, at, entry)
}

// Bundle implements [Policies].
func (p *policyRules) Bundle(tenant string) (Bundle, error) {
	list, _, err := p.Bundles(tenant, 0, 1)
	switch {
	case err != nil:
		return Bundle{}, err
	case len(list) == 0:
		return Bundle{}, ErrNotFound
	}
	return p.BundleVersion(tenant, list[0].Version)
}

// Bundles implements [Policies].
func (p *policyRules) Bundles(tenant string, before int64, limit int) (list []Bundle, more bool, err error) {
	err = p.PolicyRows.Bundles(tenant, before, limit+1, func(b Bundle) error {
		if len(list) == limit {
			return errPageFull
		}
		list = append(list, b)
		return nil
	})
	if more = errors.Is(err, errPageFull); more {
		err = nil
	}
	return list, more, err
}

// Stops implements [Policies].
func (p *policyRules) Stops(tenant string) ([]Stop, error) {
	list, err := p.PolicyRows.Stops(tenant)
	slices.SortFunc(list, func(a, b Stop) int { return strings.Compare(a.Scope, b.Scope) })
	return list, err
}

// Stop implements [Policies].
func (p *policyRules) Stop(s Stop) (changed bool, err error) {
	list, err := p.Stops(s.Tenant)
	switch {
	case err != nil:
		return false, err
	case slices.ContainsFunc(list, func(known Stop) bool { return known.Scope == s.Scope }):
		return false, nil
	case len(list) >= MaxStops:
		return false, ErrTooManyStops
	}
	if err := p.AddStop(s); err != nil {
		return false, err
	}
	return true, p.changed(s.Tenant, s.At, aureus.AuditRecord{
		Kind: vocab.AuditPolicyStopped, By: s.By, KeyID: s.KeyID, Details: map[string]any{"scope": s.Scope, "reason": s.Reason},
	})
}

// Resume implements [Policies].
func (p *policyRules) Resume(tenant string, now time.Time, by Actor, scope string) error {
	deleted, err := p.DeleteStop(tenant, scope)
	switch {
	case err != nil:
		return err
	case !deleted:
		return ErrNotFound
	}
	return p.changed(tenant, now, aureus.AuditRecord{
		Kind: vocab.AuditPolicyResumed, By: by.Subject, KeyID: by.KeyID, Details: map[string]any{"scope": scope},
	})
}

// Room implements [Policies].
func (p *policyRules) Room(tenant string, now time.Time, list []Reservation) (exceeded []Exceeded, err error) {
	for i, r := range list {
		since := now.Add(-r.Window)
		n, used, err := p.Used(tenant, r.Budget, r.Key, since)
		if err != nil {
			return nil, err
		}
		if n < MaxReservations && used <= r.Limit-r.Amount {
			continue
		}
		wait, err := p.roomAfter(tenant, now, r, n, used)
		if err != nil {
			return nil, err
		}
		exceeded = append(exceeded, Exceeded{Index: i, Used: used, RetryAfter: wait})
	}
	return exceeded, nil
}

// roomAfter returns the time until so many of the n reservations have left the window
// that the budget has room for r; 0 if the amount alone is above the limit.
func (p *policyRules) roomAfter(tenant string, now time.Time, r Reservation, n int, used int64) (wait time.Duration, err error) {
	if r.Amount > r.Limit {
		return 0, nil
	}
	at, err := p.Freed(tenant, r.Budget, r.Key, now.Add(-r.Window), n-(MaxReservations-1), used-(r.Limit-r.Amount))
	if err != nil || at.IsZero() {
		return 0, err
	}
	return at.Add(r.Window).Sub(now), nil
}

// Reserve implements [Policies].
func (p *policyRules) Reserve(tenant string, now time.Time, decision aureus.DecisionID, list []Reservation) error {
	for _, r := range list {
		if err := p.AddReservation(tenant, now, decision, r); err != nil {
			return err
		}
	}
	return nil
}
