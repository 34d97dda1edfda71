package storage

import (
	"context"
	"errors"

	"github.com/farmountain/aureus-go/aureus"
)

// VerifyPage is how many entries are checked in one transaction: a check of a
// long log neither holds it in memory nor keeps the write-ahead log from being
// written back.
const VerifyPage = 1000

// VerifyAudit recomputes the tenant's chain, from the last archive to the end, and
// finds the first entry that is changed, missing or added: that entry's sequence,
// or the place of the missing one. An empty log is valid, unless something in the
// store says that there were entries.
//
// The chain also has to hold the head that is expected, if one is given: who
// writes the file can make a new chain that fits in itself, and only what is kept
// elsewhere tells. It fails with ErrArchived where the expected entry is archived
// and is not the last one of an archive.
//
// It reads page by page, each in a [Store.ViewLong] of its own; what is appended
// meanwhile is checked as well.
func VerifyAudit(ctx context.Context, s Store, tenant string, expected ...Head) (aureus.AuditVerification, error) {
	c := chainCheck{tenant: tenant, expected: expected}
	for ended := false; !ended; {
		if err := ctx.Err(); err != nil {
			return aureus.AuditVerification{}, context.Cause(ctx)
		}
		var next chainCheck
		err := s.ViewLong(ctx, tenant, func(t Tx) (err error) {
			next = c
			ended, err = next.page(t.Audit())
			return err
		})
		if err != nil {
			return aureus.AuditVerification{}, err
		}
		c = next
	}
	c.result.Valid = c.result.FirstInvalid == 0
	return c.result, nil
}

// chainCheck is a verification under way.
type chainCheck struct {
	tenant   string
	expected []Head
	result   aureus.AuditVerification
	after    int64  // the sequence of the last row that was read
	previous string // its hash
}

func (c *chainCheck) invalid(sequence int64) {
	if c.result.FirstInvalid == 0 || sequence < c.result.FirstInvalid {
		c.result.FirstInvalid = sequence
	}
}

// page checks the next entries, and at the end whether it is the end.
func (c *chainCheck) page(log Audit) (ended bool, err error) {
	if err := c.startBehindArchive(log); err != nil {
		return false, err
	}
	from, n := c.after, 0
	if err := log.Rows(c.tenant, c.after, VerifyPage, func(row AuditRow) error {
		n++
		c.entry(row)
		return nil
	}); err != nil {
		return false, err
	}
	differs, err := log.Differing(c.tenant, from, c.after)
	if err != nil {
		return false, err
	}
	if differs > 0 {
		c.invalid(differs)
	}
	if n == VerifyPage {
		return false, nil
	}
	return true, c.end(log)
}

func (c *chainCheck) entry(row AuditRow) {
	e := &row.Entry
	c.result.Entries++
	switch {
	case e.Sequence != c.result.Entries:
		c.invalid(c.result.Entries)
	case e.PreviousHash != c.previous, e.Hash == "", e.Hash != row.Hash(c.tenant):
		c.invalid(e.Sequence)
	}
	for _, head := range c.expected {
		if head.Sequence == e.Sequence && head.Hash != e.Hash {
			c.invalid(e.Sequence)
		}
	}
	c.after, c.previous = e.Sequence, e.Hash
}

// startBehindArchive goes on behind the last archive, where that has moved beyond
// what was checked. What is archived and not yet deleted is not looked at.
func (c *chainCheck) startBehindArchive(log Audit) error {
	archive, err := log.LastArchive(c.tenant)
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	if err != nil || archive.Sequence <= c.after {
		return err
	}
	if !archive.Signed() {
		c.invalid(archive.Sequence)
	}
	for _, head := range c.expected {
		if head.Sequence > archive.Sequence || head.Sequence <= c.after {
			continue
		}
		of, err := log.ArchiveAt(c.tenant, head.Sequence)
		if errors.Is(err, ErrNotFound) {
			return ErrArchived
		}
		if err != nil {
			return err
		}
		if of.Hash != head.Hash {
			c.invalid(head.Sequence)
		}
	}
	c.result.Archived, c.result.ArchiveKey = archive.Sequence, archive.KeyText()
	c.result.Entries, c.after, c.previous = archive.Sequence, archive.Sequence, archive.Hash
	return nil
}

// end holds the end of the log against its head, against the latest entry that
// other tables know of, and against what is expected.
func (c *chainCheck) end(log Audit) error {
	head, err := log.Head(c.tenant)
	if err != nil {
		return err
	}
	c.result.Head = head.Hash
	last := c.result.Entries
	switch {
	case last < head.Sequence:
		c.invalid(last + 1)
	case last > head.Sequence: // entries that the head does not know
		c.invalid(head.Sequence + 1)
	case c.previous != head.Hash:
		c.invalid(max(last, 1))
	}
	known, err := log.Witnessed(c.tenant)
	if err != nil {
		return err
	}
	for _, expected := range c.expected {
		known = max(known, expected.Sequence)
	}
	if known > last {
		c.invalid(last + 1)
	}
	return nil
}
