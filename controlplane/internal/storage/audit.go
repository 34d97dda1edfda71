package storage

import (
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/internal/strictjson"
)

// MaxPageBytes bounds what one page of a list holds, beyond its first item: the
// documents of approvals, the details of audit entries, the texts of validators.
const MaxPageBytes = 8 << 20

// AuditFilter selects entries; what is zero selects all. Limit has no such value: a
// backend gives no entry where it is 0.
type AuditFilter struct {
	Principal, Action, Kind, Decision string // as in the entry, byte by byte
	TraceID                           string // the detail trace_id of the entry
	DecisionID                        aureus.DecisionID
	From, To                          time.Time // of the entry, in nanoseconds; both inclusive
	After                             int64     // entries with a higher sequence
	Limit                             int
}

// AuditTail selects entries of the audit log that are followed.
type AuditTail struct {
	Decisions bool   // entries of the kind decision
	Approvals bool   // entries whose kind begins with approval_; with neither, every entry
	Principal string // entries about this principal; empty is about any
	Limit     int
}

// TailSteps is how many entries one call of [Audit.Tail] looks at, so that a call
// is bounded also where few of them are selected.
const TailSteps = 10_000

// Head is an entry of a chain, in most cases its last one.
type Head struct {
	Sequence int64
	Hash     string
}

// Audit is the audit log: one chain of entries for each tenant, each with the
// hash of the one before.
type Audit interface {
	// Append adds an entry to the tenant's chain, in the transaction of the change
	// that it describes. It sets the sequence, the time and the hashes.
	Append(tenant string, at time.Time, e aureus.AuditRecord) error
	// List is Page without more.
	List(tenant string, f AuditFilter) ([]aureus.AuditRecord, error)
	// Page gives entries in the order of the chain, at most the filter's limit and
	// [MaxPageBytes], but one at least. more says that there are others behind them.
	Page(tenant string, f AuditFilter) (entries []aureus.AuditRecord, more bool, err error)
	// Tail gives the entries of the tenant's chain behind the sequence after that
	// are selected. Every entry up to reached has been looked at, at most
	// [TailSteps] of them: the next call begins there. last is the sequence of the
	// last entry of the chain; where reached is last, there is nothing behind it.
	Tail(tenant string, f AuditTail, after int64) (entries []aureus.AuditRecord, reached, last int64, err error)
	// Last is the sequence of the last entry of the tenant, and 0 without any.
	Last(tenant string) (int64, error)
	// LastBefore is the last entry of the tenant before the first one that is not
	// older than the time; ErrNotFound where there is none.
	LastBefore(tenant string, before time.Time) (Head, error)

	// Rows calls visit for the entries behind the sequence after, in order, at most
	// limit of them. visit does not use the transaction.
	Rows(tenant string, after int64, limit int, visit func(AuditRow) error) error
	// Head is the head that was stored with the last entry, and zero without any.
	Head(tenant string) (Head, error)
	// Differing is the lowest sequence behind from and up to upTo at which an entry
	// differs from the decision or the outcome that was stored with it, or is
	// missing, and 0 where there is none. Of a decision the kind, the id, principal,
	// action, effect (the entry's Decision) and subject (its By) are compared; of an
	// outcome the kind, the id and the status (its Decision).
	Differing(tenant string, from, upTo int64) (int64, error)
	// Witnessed is a number of entries that the chain must have at least: the highest
	// sequence that a decision or an outcome of the tenant was stored with, or the
	// number of its keys if that is higher, since each key was stored with an entry.
	Witnessed(tenant string) (int64, error)

	// LastArchive is the latest archive of the tenant, or ErrNotFound.
	LastArchive(tenant string) (Archive, error)
	// ArchiveAt is the archive that ends with that entry, or ErrNotFound.
	ArchiveAt(tenant string, sequence int64) (Archive, error)
	// AddArchive stores that the chain up to the archive's entry is in a file. From
	// then on those entries may be deleted. It fails with ErrConflict where the
	// entry is not there with that hash, or something later is archived already.
	AddArchive(a Archive) error
	// PruneArchived deletes at most limit entries that are archived, the oldest
	// first, and gives their number: 0 means that there are no more.
	PruneArchived(tenant string, limit int) (int64, error)
}

// AuditRow is an entry as the database has it. What is hashed is taken from here,
// and the decision's id and the digest are texts, since a changed row may hold
// anything.
type AuditRow struct {
	Entry      aureus.AuditRecord // without DecisionID, ActionDigest and Details
	DecisionID string
	Digest     string // of the action
	Details    string // compact JSON with sorted names; empty for none
}

// Record is the entry as the API shows it.
func (r AuditRow) Record() (aureus.AuditRecord, error) {
	e := r.Entry
	if err := errors.Join(e.DecisionID.UnmarshalText([]byte(r.DecisionID)), e.ActionDigest.UnmarshalText([]byte(r.Digest))); err != nil {
		return e, fmt.Errorf("audit entry %d: %w", e.Sequence, err)
	}
	if r.Details == "" {
		return e, nil
	}
	details, err := strictjson.Parse([]byte(r.Details))
	if err != nil {
		return e, fmt.Errorf("the details of audit entry %d: %w", e.Sequence, err)
	}
	e.Details, _ = details.(map[string]any)
	return e, nil
}

// Hash is what the entry's hash must be, and empty where its row is not that of
// an entry.
func (r AuditRow) Hash(tenant string) string {
	e, err := r.Record()
	if err != nil {
		return ""
	}
	return chainHash(tenant, strconv.FormatInt(e.Sequence, 10), &e, r.Details)
}

// nextRow is the row that follows the head in the tenant's chain for an entry: it
// sets the sequence, the time and the hashes.
func nextRow(tenant string, at time.Time, head Head, e aureus.AuditRecord) (AuditRow, error) {
	details := ""
	if len(e.Details) > 0 {
		text, err := strictjson.MarshalText(e.Details)
		if err != nil {
			return AuditRow{}, fmt.Errorf("writing the details of an audit entry: %w", err)
		}
		details = string(text)
	}
	e.Sequence, e.PreviousHash = head.Sequence+1, head.Hash
	e.Timestamp = aureus.TimestampOf(time.Unix(0, at.UnixNano())) // as a row gives it back
	e.Hash = chainHash(tenant, strconv.FormatInt(e.Sequence, 10), &e, details)
	return AuditRow{Entry: e, DecisionID: e.DecisionID.String(), Digest: e.ActionDigest.String(), Details: details}, nil
}
