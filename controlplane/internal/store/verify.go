package store

import (
	"context"
	"database/sql"
	"errors"

	"github.com/farmountain/aureus-go/aureus"
)

// verifyPage is how many entries are checked in one transaction: a check of a
// long log neither holds it in memory nor keeps the write-ahead log from being
// written back.
const verifyPage = 1000

// Head is the end of a chain as somebody has written it down.
type Head struct {
	Sequence int64
	Hash     string
}

// ErrArchived says that an entry is archived and no longer in the log.
var ErrArchived = errors.New("the entry is archived")

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
// It reads page by page, each on one state of the store; what is appended
// meanwhile is checked as well.
func (db *DB) VerifyAudit(ctx context.Context, tenant string, expected ...Head) (aureus.AuditVerification, error) {
	c := chainCheck{tenant: tenant, expected: expected}
	for ended := false; !ended; {
		if err := ctx.Err(); err != nil {
			return aureus.AuditVerification{}, context.Cause(ctx)
		}
		err := db.ReadLong(ctx, tenant, func(t *Tx) (err error) {
			ended, err = c.page(t)
			return err
		})
		if err != nil {
			return aureus.AuditVerification{}, err
		}
	}
	c.result.Valid = c.result.FirstInvalid == 0
	return c.result, nil
}

// chainCheck is a check under way.
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
func (c *chainCheck) page(t *Tx) (ended bool, err error) {
	if err := c.startBehindArchive(t); err != nil {
		return false, err
	}
	from, n := c.after, 0
	err = t.each(func(rows *sql.Rows) error {
		row, err := scanAudit(rows)
		if err != nil {
			return err
		}
		n++
		c.entry(row)
		return nil
	}, auditColumns+" WHERE tenant = ? AND sequence > ? ORDER BY sequence LIMIT ?", c.tenant, c.after, verifyPage)
	if err != nil {
		return false, err
	}
	if err := c.others(t, from, c.after); err != nil || n == verifyPage {
		return false, err
	}
	return true, c.end(t)
}

func (c *chainCheck) entry(row auditRow) {
	e := &row.entry
	c.result.Entries++
	switch {
	case e.Sequence != c.result.Entries:
		c.invalid(c.result.Entries)
	case e.PreviousHash != c.previous, e.Hash == "", e.Hash != row.hash(c.tenant):
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
func (c *chainCheck) startBehindArchive(t *Tx) error {
	archive, err := t.LastArchive(c.tenant)
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
		of, err := t.archiveAt(c.tenant, head.Sequence)
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

// others holds entries against the decisions and outcomes that were written down
// with them in other tables.
func (c *chainCheck) others(t *Tx, from, upTo int64) error {
	for _, query := range []string{
		`SELECT coalesce(min(d.sequence), 0) FROM decisions d LEFT JOIN audit a ON a.tenant = d.tenant AND a.sequence = d.sequence
			WHERE d.tenant = ? AND d.sequence > ? AND d.sequence <= ? AND (a.sequence IS NULL OR a.kind <> 'decision' OR a.decision_id <> d.decision_id
				OR a.principal <> d.principal OR a.action <> d.action OR a.decision <> d.effect OR a.by <> d.subject)`,
		`SELECT coalesce(min(o.sequence), 0) FROM outcomes o LEFT JOIN audit a ON a.tenant = o.tenant AND a.sequence = o.sequence
			WHERE o.tenant = ? AND o.sequence > ? AND o.sequence <= ? AND (a.sequence IS NULL OR a.kind <> 'outcome' OR a.decision_id <> o.decision_id
				OR a.decision <> o.status)`,
	} {
		var differs int64
		if err := t.row(query, c.tenant, from, upTo).Scan(&differs); err != nil {
			return err
		}
		if differs > 0 {
			c.invalid(differs)
		}
	}
	return nil
}

// end holds the end of the log against its head, against the latest entry that
// another table knows of, and against what is expected.
func (c *chainCheck) end(t *Tx) error {
	head := Head{}
	err := t.row(`SELECT sequence, hash FROM audit_heads WHERE tenant = ?`, c.tenant).Scan(&head.Sequence, &head.Hash)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
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
	known := int64(0)
	err = t.row(`SELECT max(
			(SELECT coalesce(max(sequence), 0) FROM decisions WHERE tenant = ?1),
			(SELECT coalesce(max(sequence), 0) FROM outcomes WHERE tenant = ?1),
			(SELECT count(*) FROM (SELECT 1 FROM keys WHERE tenant = ?1)))`, c.tenant).Scan(&known)
	if err != nil {
		return err
	}
	for _, expected := range c.expected {
		known = max(known, expected.Sequence)
	}
	if known > last { // each key has an entry of its own, too
		c.invalid(last + 1)
	}
	return nil
}
