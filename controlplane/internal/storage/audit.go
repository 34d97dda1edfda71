package storage

import (
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/internal/strictjson"
)

// MaxPageBytes limits the bytes that one page of a list holds: documents of
// approvals, details of audit entries, or texts of validators. A page always holds
// one item, even a larger one.
const MaxPageBytes = 8 << 20

// AuditFilter selects entries. A zero field does not filter, except Limit: if it is
// 0, no entry is selected.
type AuditFilter struct {
	Principal, Action, Kind, Decision string // as in the entry, byte by byte
	TraceID                           string // the detail trace_id of the entry
	DecisionID                        aureus.DecisionID
	From, To                          time.Time // limits for the time of the entry, in nanoseconds; both inclusive
	After                             int64     // entries with a higher sequence
	Newest                            bool      // the newest entries first
	Before                            int64     // entries with a lower sequence
	Limit                             int
}

// AuditTail selects the entries that a follower of the audit log receives.
type AuditTail struct {
	Decisions bool   // entries of the kind decision
	Approvals bool   // entries whose kind begins with approval_; if neither is set, entries of every kind
	Principal string // entries about this principal; if empty, about every principal
	Limit     int
}

// TailSteps is how many entries one call of [Audit.Tail] examines at most, so that
// a call takes a limited time even if few entries are selected.
const TailSteps = 10_000

// Head identifies an entry of a chain, usually the last one.
type Head struct {
	Sequence int64
	Hash     string
}

// Audit is the audit log: one chain of entries for each tenant, each with the
// hash of the one before.
type Audit interface {
	// Append adds an entry to the tenant's chain, in the transaction of the change
	// that it describes. It sets the sequence, the time and the hashes. Inputs of the
	// entry are stored beside the chain: the entry contains a salted hash of them only,
	// and they can be deleted.
	Append(tenant string, at time.Time, e aureus.AuditRecord) error
	// List is like Page, but does not report whether others follow.
	List(tenant string, f AuditFilter) ([]aureus.AuditRecord, error)
	// Page returns entries in the order of the chain, or the newest first, up to the filter's limit and
	// [MaxPageBytes], but at least one. more reports whether others follow.
	Page(tenant string, f AuditFilter) (entries []aureus.AuditRecord, more bool, err error)
	// Tail returns the selected entries of the tenant's chain whose sequences are
	// greater than after. It examines at most [TailSteps] entries. reached is the
	// sequence of the last examined entry, where the next call begins. last is the
	// sequence of the last entry of the chain; if reached equals last, no entry is
	// left.
	Tail(tenant string, f AuditTail, after int64) (entries []aureus.AuditRecord, reached, last int64, err error)
	// Last returns the sequence of the tenant's last entry, or 0 if it has none.
	Last(tenant string) (int64, error)
	// LastBefore finds the tenant's first entry that is not older than the given
	// time, and returns the entry before it, or the last entry if all are older. It
	// fails with ErrNotFound if there is no such entry.
	LastBefore(tenant string, before time.Time) (Head, error)

	// WithInputs sets the inputs of the entries, which must be in the order of the chain,
	// as far as they are stored.
	WithInputs(tenant string, entries []aureus.AuditRecord) error
	// Inputs calls visit, in order, for the stored inputs of the entries whose sequences
	// are greater than after and at most upTo. visit must not use the transaction.
	Inputs(tenant string, after, upTo int64, visit func(InputsRow) error) error
	// PruneInputs deletes at most limit inputs that were stored before the time, of the
	// tenant, or of all tenants if it is empty. It returns their number: 0 means that
	// none is left.
	PruneInputs(tenant string, before time.Time, limit int) (int64, error)

	// Rows calls visit, in order, for at most limit entries whose sequences are
	// greater than after. visit must not use the transaction.
	Rows(tenant string, after int64, limit int, visit func(AuditRow) error) error
	// Head returns the head that was stored with the last entry, or a zero Head if
	// the tenant has no entry.
	Head(tenant string) (Head, error)
	// FirstDifference returns the lowest sequence, greater than from and at most
	// upTo, whose entry is missing or differs from the decision or outcome that was
	// stored with it, or 0 if there is none. It compares, for a decision, the kind, the
	// id, the principal, the action, the effect (the entry's Decision) and the subject
	// (its By); for an outcome, the kind, the id and the status (its Decision).
	FirstDifference(tenant string, from, upTo int64) (int64, error)
	// MinLength returns the minimum number of entries that the chain must have: the
	// highest sequence that a decision or an outcome of the tenant was stored with,
	// or the number of its keys if that is higher, because each key was stored with
	// an entry.
	MinLength(tenant string) (int64, error)

	// LastArchive returns the latest archive of the tenant, or ErrNotFound.
	LastArchive(tenant string) (Archive, error)
	// ArchiveAt returns the archive that ends with that entry, or ErrNotFound.
	ArchiveAt(tenant string, sequence int64) (Archive, error)
	// AddArchive stores an archive, after which its entries may be deleted. It fails
	// with ErrConflict if the chain has no such entry with that hash, or if that
	// entry or a later one is already archived.
	AddArchive(a Archive) error
	// PruneArchived deletes at most limit archived entries, the oldest first, or inputs
	// of archived entries, and returns their number: 0 means that none is left.
	PruneArchived(tenant string, limit int) (int64, error)
}

// AuditRow is an entry as it is stored. Its hash is computed from these values. The
// id of the decision and the digest are texts, because a manipulated row may hold
// any text.
type AuditRow struct {
	Entry      aureus.AuditRecord // without DecisionID, ActionDigest and Details
	DecisionID string
	Digest     string // of the action
	Details    string // compact JSON with sorted names; empty for none
}

// Record returns the entry in the form of the API.
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

// Hash computes the hash that the entry must have. It returns an empty text if the
// row cannot be read as an entry.
func (r AuditRow) Hash(tenant string) string {
	e, err := r.Record()
	if err != nil {
		return ""
	}
	return chainHash(tenant, strconv.FormatInt(e.Sequence, 10), &e, r.Details)
}

// HashOf computes the hash that the entry must have in the tenant's log. The numbers in
// its details must be as they were read from JSON, such as json.Number.
func HashOf(tenant string, e *aureus.AuditRecord) (string, error) {
	details, err := detailsText(e)
	if err != nil {
		return "", err
	}
	return chainHash(tenant, strconv.FormatInt(e.Sequence, 10), e, details), nil
}

// detailsText returns the details as compact JSON with sorted names, or an empty text if
// there are none.
func detailsText(e *aureus.AuditRecord) (string, error) {
	if len(e.Details) == 0 {
		return "", nil
	}
	text, err := strictjson.MarshalText(e.Details)
	if err != nil {
		return "", fmt.Errorf("writing the details of an audit entry: %w", err)
	}
	return string(text), nil
}

// nextRow returns the row of an entry that follows the head in the tenant's chain.
// It sets the sequence, the time and the hashes.
func nextRow(tenant string, at time.Time, head Head, e aureus.AuditRecord) (AuditRow, error) {
	details, err := detailsText(&e)
	if err != nil {
		return AuditRow{}, err
	}
	e.Sequence, e.PreviousHash = head.Sequence+1, head.Hash
	e.Timestamp = aureus.TimestampOf(time.Unix(0, at.UnixNano())) // as it is read from a row
	e.Hash = chainHash(tenant, strconv.FormatInt(e.Sequence, 10), &e, details)
	return AuditRow{Entry: e, DecisionID: e.DecisionID.String(), Digest: e.ActionDigest.String(), Details: details}, nil
}
