package storage

import (
	"context"
	"crypto/ed25519"
	"errors"
	"math"
	"slices"
	"strings"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane/internal/merkle"
	"github.com/farmountain/aureus-go/controlplane/internal/seal"
)

// VerifyPage is how many entries are checked in one transaction, so that checking a
// long log takes little memory, and a backend's write-ahead log can be reset
// meanwhile.
const VerifyPage = 1000

// VerifyAudit recomputes the hashes of the tenant's chain, from the last archive to
// the end, and reports the sequence of the first entry that was changed, deleted or
// inserted, or whose stored inputs are not those that it commits to. An empty log is
// valid, unless other tables refer to entries.
//
// It also checks the signature of the last checkpoint, and that the Merkle tree over the
// entries is the one that was signed. What is wrong there is in the Problems of the
// result.
//
// The chain must also contain each expected head. Somebody who can write the file
// can replace the whole chain by another consistent one; only a head that was
// stored elsewhere reveals this. VerifyAudit fails with ErrArchived if an expected
// entry is archived, unless it is the last one of an archive.
//
// VerifyAudit reads each page in a [Store.ViewLong] of its own, and also checks
// entries that are appended meanwhile.
func VerifyAudit(ctx context.Context, s Store, tenant string, expected ...Head) (aureus.AuditVerification, error) {
	c := chainCheck{tenant: tenant, expected: expected, key: s.SigningKey()}
	for ended := false; !ended; {
		if err := ctx.Err(); err != nil {
			return aureus.AuditVerification{}, context.Cause(ctx)
		}
		var next chainCheck
		err := s.ViewLong(ctx, tenant, func(t Tx) (err error) {
			next = c
			next.tree, next.result.Problems = c.tree.Clone(), slices.Clone(c.result.Problems)
			ended, err = next.page(t)
			return err
		})
		if err != nil {
			return aureus.AuditVerification{}, err
		}
		c = next
	}
	if err := errors.Join(c.checkTiles(ctx, s), c.checkCheckpoints(ctx, s)); err != nil {
		return aureus.AuditVerification{}, err
	}
	c.result.Valid = c.result.FirstInvalid == 0 && len(c.result.Problems) == 0
	return c.result, nil
}

// chainCheck is the state of a verification between two pages.
type chainCheck struct {
	tenant   string
	expected []Head
	result   aureus.AuditVerification
	after    int64  // the sequence of the last row that was read
	previous string // its hash

	inputs map[int64]string // the hashes of the inputs of the entries of the page

	key    *seal.Key
	began  bool                // whether signed was read
	signed merkle.Checkpoint   // the last checkpoint when the verification began; a zero Size if there is none
	tree   merkle.Prefix       // over the rows that were read
	origin string              // of the checkpoints
	keys   []ed25519.PublicKey // the succession of the signing keys
	noTree bool                // whether the tree cannot be compared any more
}

func (c *chainCheck) invalid(sequence int64) {
	if c.result.FirstInvalid == 0 || sequence < c.result.FirstInvalid {
		c.result.FirstInvalid = sequence
	}
}

// page checks the next entries, and after the last one the end of the log. ended
// reports whether the end was checked.
func (c *chainCheck) page(t Tx) (ended bool, err error) {
	log := t.Audit()
	if !c.began {
		if err := c.begin(t); err != nil {
			return false, err
		}
	}
	if err := c.skipArchived(t); err != nil {
		return false, err
	}
	from, n := c.after, 0
	c.inputs = map[int64]string{}
	if err := log.Rows(c.tenant, c.after, VerifyPage, func(row AuditRow) error {
		n++
		c.entry(row)
		return nil
	}); err != nil {
		return false, err
	}
	differs, err := log.FirstDifference(c.tenant, from, c.after)
	if err != nil {
		return false, err
	}
	if differs > 0 {
		c.invalid(differs)
	}
	ended = n < VerifyPage
	if err := c.checkInputs(log, from, ended); err != nil || !ended {
		return false, err
	}
	return true, c.end(log)
}

// checkInputs compares the stored inputs of the entries of a page with the hashes in these
// entries. Inputs that are no longer stored are not missed. After the last page there must
// be none for later entries.
func (c *chainCheck) checkInputs(log Audit, from int64, ended bool) error {
	upTo := c.after
	if ended {
		upTo = math.MaxInt64
	}
	return log.Inputs(c.tenant, from, upTo, func(row InputsRow) error {
		if c.inputs[row.Sequence] != row.Hash(c.tenant) {
			c.invalid(row.Sequence)
		}
		return nil
	})
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
	if strings.Contains(row.Details, inputsHash) {
		record, _ := row.Record() // a row that cannot be read has been found above
		c.inputs[e.Sequence], _ = record.Details[inputsHash].(string)
	}
	c.after, c.previous = e.Sequence, e.Hash
	c.grow(e)
}

// skipArchived continues after the last archive, if it ends later than the entries
// checked so far. Entries that are archived and not yet deleted are not checked.
func (c *chainCheck) skipArchived(t Tx) error {
	log := t.Audit()
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
		at, err := log.ArchiveAt(c.tenant, head.Sequence)
		if errors.Is(err, ErrNotFound) {
			return ErrArchived
		}
		if err != nil {
			return err
		}
		if at.Hash != head.Hash {
			c.invalid(head.Sequence)
		}
	}
	c.result.Archived, c.result.ArchiveKey = archive.Sequence, archive.KeyText()
	c.result.Entries, c.after, c.previous = archive.Sequence, archive.Sequence, archive.Hash
	return c.skipTree(t.Trees(), archive)
}

// end compares the end of the log with its head, with the number of entries that
// other tables refer to, and with the expected heads.
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
	case last > head.Sequence: // entries after the head
		c.invalid(head.Sequence + 1)
	case c.previous != head.Hash:
		c.invalid(max(last, 1))
	}
	known, err := log.MinLength(c.tenant)
	if err != nil {
		return err
	}
	for _, expected := range c.expected {
		known = max(known, expected.Sequence)
	}
	known = max(known, c.signed.Size)
	if known > last {
		c.invalid(last + 1)
	}
	return nil
}
