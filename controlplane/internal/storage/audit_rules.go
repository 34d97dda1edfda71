package storage

import (
	"errors"
	"time"

	"github.com/farmountain/aureus-go/aureus"
)

// auditRules implements [Audit].
type auditRules struct {
	AuditRows

	added  func(tenant string)
	outbox *outboxRules
}

// Append implements [Audit].
func (l *auditRules) Append(tenant string, at time.Time, e aureus.AuditRecord) error {
	head, err := l.Head(tenant)
	if err != nil {
		return err
	}
	return l.appendAfter(tenant, at, head, e)
}

func (l *auditRules) appendAfter(tenant string, at time.Time, head Head, e aureus.AuditRecord) error {
	e, err := l.addInputs(tenant, at, head, e)
	if err != nil {
		return err
	}
	row, err := nextRow(tenant, at, head, e)
	if err != nil {
		return err
	}
	if err := l.Add(tenant, at, row); err != nil {
		return err
	}
	if l.added != nil {
		l.added(tenant)
	}
	return l.outbox.announceEntry(tenant, row.Entry)
}

// List implements [Audit].
func (l *auditRules) List(tenant string, f AuditFilter) ([]aureus.AuditRecord, error) {
	entries, _, err := l.Page(tenant, f)
	return entries, err
}

// errPageFull is returned by a visit function to stop reading rows for a page.
var errPageFull = errors.New("the page is full")

// Page implements [Audit].
func (l *auditRules) Page(tenant string, f AuditFilter) (entries []aureus.AuditRecord, more bool, err error) {
	limit, size := f.Limit, 0
	f.Limit++
	err = l.Select(tenant, f, func(row AuditRow) error {
		size += len(row.Details)
		if len(entries) == limit || len(entries) > 0 && size > MaxPageBytes {
			return errPageFull
		}
		entry, err := row.Record()
		entries = append(entries, entry)
		return err
	})
	if more = errors.Is(err, errPageFull); more {
		err = nil
	}
	return entries, more, err
}

// Tail implements [Audit].
func (l *auditRules) Tail(tenant string, f AuditTail, after int64) (entries []aureus.AuditRecord, reached, last int64, err error) {
	if last, err = l.Last(tenant); err != nil {
		return nil, after, 0, err
	}
	if last <= after {
		return nil, after, last, nil
	}
	reached = min(last, after+TailSteps)
	err = l.SelectTail(tenant, f, after, reached, func(row AuditRow) error {
		entry, err := row.Record()
		entries = append(entries, entry)
		return err
	})
	if len(entries) == f.Limit {
		reached = entries[f.Limit-1].Sequence
	}
	return entries, reached, last, err
}

// Last implements [Audit].
func (l *auditRules) Last(tenant string) (int64, error) {
	head, err := l.Head(tenant)
	return head.Sequence, err
}

// AddArchive implements [Audit].
func (l *auditRules) AddArchive(a Archive) error {
	hash, err := l.Hash(a.Tenant, a.Sequence)
	if errors.Is(err, ErrNotFound) || err == nil && hash != a.Hash {
		return ErrConflict
	}
	if err != nil {
		return err
	}
	last, err := l.LastArchive(a.Tenant)
	switch {
	case errors.Is(err, ErrNotFound):
	case err != nil:
		return err
	case last.Sequence >= a.Sequence:
		return ErrConflict
	}
	return l.AuditRows.AddArchive(a)
}
