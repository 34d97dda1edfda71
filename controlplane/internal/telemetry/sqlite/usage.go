package sqlite

import (
	"context"
	"database/sql"
	"time"

	"github.com/farmountain/aureus-go/controlplane/internal/telemetry"
)

// maxTrim is how many rows of a kind one transaction deletes at most. It is more than
// a transaction usually adds. If a limit was lowered, several transactions may be
// needed.
const maxTrim = 50_000

// bounds holds the limits of a table.
type bounds struct {
	rows, cost int64
	age        time.Duration // 0 means no limit
	portion    int           // how many rows one transaction deletes at most
}

func boundsOf(o telemetry.Options) bounds {
	return bounds{rows: o.MaxRows, cost: o.MaxBytes, age: o.MaxAge, portion: maxTrim}
}

// loadUsage reads the usage of all kinds and the shares of all tenants.
func (s *Store) loadUsage(ctx context.Context) (err error) {
	for _, kind := range telemetry.Kinds {
		if s.usage[kind], err = s.readUsage(ctx, kind.String()); err != nil {
			return err
		}
	}
	if err := s.loadShares(ctx); err != nil {
		return err
	}
	s.stale = false
	return nil
}

func (s *Store) readUsage(ctx context.Context, table string) (u usage, err error) {
	err = s.writer.QueryRowContext(ctx, "SELECT rows, cost, last_seq, trimmed FROM usage WHERE kind = ?", table).
		Scan(&u.rows, &u.cost, &u.lastSeq, &u.trimmed)
	return u, err
}

func saveUsage(ctx context.Context, tx *sql.Tx, table string, u usage) error {
	_, err := tx.ExecContext(ctx, "UPDATE usage SET rows = ?, cost = ?, last_seq = ?, trimmed = ? WHERE kind = ?",
		u.rows, u.cost, u.lastSeq, u.trimmed, table)
	return err
}

// publish makes the usage and the latest seq after a commit available to readers.
func (s *Store) publish() {
	s.publishedMu.Lock()
	s.published = s.usage
	s.publishedMu.Unlock()
	for _, kind := range telemetry.Kinds {
		s.latest[kind].Store(s.usage[kind].lastSeq)
	}
}

// tenantShare is the share of one tenant in a table.
type tenantShare struct {
	rows, cost int64
	changed    bool // whether it differs from the stored one
}

func (t *tenantShare) add(rows, cost int64) {
	t.rows, t.cost, t.changed = t.rows+rows, t.cost+cost, true
}

func (t *tenantShare) weight(b bounds) float64 {
	return max(float64(t.rows)/float64(b.rows), float64(t.cost)/float64(b.cost))
}

func (s *Store) share(kind telemetry.Kind, tenant string) *tenantShare {
	t := s.shares[kind][tenant]
	if t == nil {
		t = &tenantShare{}
		s.shares[kind][tenant] = t
	}
	return t
}

func (s *Store) loadShares(ctx context.Context) error {
	for _, kind := range telemetry.Kinds {
		s.shares[kind] = map[string]*tenantShare{}
	}
	rows, err := s.writer.QueryContext(ctx, "SELECT kind, tenant, rows, cost FROM shares")
	if err != nil {
		return err
	}
	defer rows.Close() //nolint:errcheck // rows.Err returns the error
	for rows.Next() {
		var table, tenant string
		t := &tenantShare{}
		if err := rows.Scan(&table, &tenant, &t.rows, &t.cost); err != nil {
			return err
		}
		for _, kind := range telemetry.Kinds {
			if kind.String() == table {
				s.shares[kind][tenant] = t
			}
		}
	}
	return rows.Err()
}

// saveShares stores the shares that have changed, and deletes those without rows.
func (s *Store) saveShares(ctx context.Context, tx *sql.Tx, kind telemetry.Kind) error {
	for tenant, t := range s.shares[kind] {
		if !t.changed {
			continue
		}
		t.changed = false
		query, args := "INSERT OR REPLACE INTO shares (kind, tenant, rows, cost) VALUES (?, ?, ?, ?)", []any{kind.String(), tenant, t.rows, t.cost}
		if t.rows == 0 {
			query, args = "DELETE FROM shares WHERE kind = ? AND tenant = ?", args[:2]
			delete(s.shares[kind], tenant)
		}
		if _, err := tx.ExecContext(ctx, query, args...); err != nil {
			return err
		}
	}
	return nil
}

// minTrim is how many rows in succession are deleted from one tenant, if that many
// must be deleted, so that tenants with equal shares do not lose single rows in turn.
const minTrim = 100

// trim deletes the rows that are too old, and then the oldest rows, by arrival, of the
// tenant with the largest share, until the limits are kept. One call deletes at most
// b.portion rows.
func (s *Store) trim(ctx context.Context, tx *sql.Tx, kind telemetry.Kind, b bounds, now time.Time) (trimmed bool, err error) {
	u, left := &s.usage[kind], b.portion
	if b.age > 0 {
		horizon := now.Add(-b.age).UnixMilli()
		n, err := s.cut(ctx, tx, kind, "", left, func(received int64, _ int) bool { return received < horizon })
		if err != nil {
			return false, err
		}
		left, trimmed = left-n, n > 0
	}
	for left > 0 && (u.rows > b.rows || u.cost > b.cost) {
		tenant, second := s.heaviest(kind, b)
		share := s.share(kind, tenant)
		n, err := s.cut(ctx, tx, kind, tenant, left, func(_ int64, gone int) bool {
			return (u.rows > b.rows || u.cost > b.cost) && (gone < minTrim || share.weight(b) > second)
		})
		if err != nil || n == 0 {
			return trimmed, err
		}
		left, trimmed = left-n, true
	}
	return trimmed, nil
}

// heaviest returns the tenant with the largest share, and the second-largest share.
func (s *Store) heaviest(kind telemetry.Kind, b bounds) (tenant string, second float64) {
	first := -1.0
	for name, t := range s.shares[kind] {
		switch w := t.weight(b); {
		case w > first:
			tenant, first, second = name, w, first
		case w > second:
			second = w
		}
	}
	return tenant, second
}

// cut deletes the oldest rows, by arrival, of the tenant, or of all tenants if tenant
// is empty: at most limit, and as long as goes returns true. goes gets the time of
// arrival of the next row, and the number of rows deleted before it.
func (s *Store) cut(ctx context.Context, tx *sql.Tx, kind telemetry.Kind, tenant string, limit int, goes func(received int64, gone int) bool) (n int, err error) {
	table, which, args := kind.String(), "", []any{}
	if tenant != "" {
		table, which, args = table+" INDEXED BY "+table+"_by_arrival", " WHERE tenant = ?", []any{tenant}
	}
	last := int64(0)
	read := func() error {
		rows, err := tx.QueryContext(ctx, "SELECT seq, tenant, cost, received FROM "+table+which+" ORDER BY seq LIMIT ?", append(args, limit)...) //nolint:gosec // the parts are constants of this package
		if err != nil {
			return err
		}
		defer rows.Close() //nolint:errcheck // rows.Err returns the error
		for rows.Next() {
			var seq, cost, received int64
			var of string
			if err := rows.Scan(&seq, &of, &cost, &received); err != nil {
				return err
			}
			if !goes(received, n) {
				break
			}
			last = seq
			n++
			s.usage[kind].rows--
			s.usage[kind].cost -= cost
			s.usage[kind].trimmed++
			s.share(kind, of).add(-1, -cost)
		}
		return rows.Err()
	}
	if err := read(); err != nil || n == 0 {
		return 0, err
	}
	clause := " WHERE seq <= ?"
	if tenant != "" {
		clause = which + " AND seq <= ?"
	}
	_, err = tx.ExecContext(ctx, "DELETE FROM "+table+clause, append(args, last)...) //nolint:gosec // the parts are constants of this package
	return n, err
}
