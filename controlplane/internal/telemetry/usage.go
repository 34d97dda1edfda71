package telemetry

import (
	"context"
	"database/sql"
	"time"
)

// maxTrim bounds how many rows one transaction deletes of a kind. It is more
// than a transaction usually adds; where bounds were lowered, the rest follows
// with the next ones.
const maxTrim = 50_000

// bounds is how much a table may hold.
type bounds struct {
	rows, cost int64
	age        time.Duration // 0 is for ever
	portion    int           // how many rows one transaction deletes at most
}

func (o Options) bounds() bounds {
	return bounds{rows: o.MaxRows, cost: o.MaxBytes, age: o.MaxAge, portion: maxTrim}
}

// loadUsage reads what the tables hold.
func (s *Store) loadUsage(ctx context.Context) (err error) {
	for _, kind := range Kinds {
		if s.usage[kind], err = s.readUsage(ctx, kind.String()); err != nil {
			return err
		}
	}
	if s.answers, err = s.readUsage(ctx, answersTable); err != nil {
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

// publish makes what was committed known to readers.
func (s *Store) publish() {
	s.tellMu.Lock()
	s.told = s.usage
	s.tellMu.Unlock()
	for _, kind := range Kinds {
		s.latest[kind].Store(s.usage[kind].lastSeq)
	}
}

// trim deletes the oldest rows, by arrival, of what exceeds the bounds.
func (s *Store) trim(ctx context.Context, tx *sql.Tx, table string, u *usage, b bounds, now time.Time) (bool, error) {
	horizon := int64(-1 << 62)
	if b.age > 0 {
		horizon = now.Add(-b.age).UnixMilli()
	} else if u.rows <= b.rows && u.cost <= b.cost {
		return false, nil
	}
	cut, after, err := cut(ctx, tx, table, *u, b, horizon)
	if err != nil || cut == 0 {
		return false, err
	}
	if _, err := tx.ExecContext(ctx, "DELETE FROM "+table+" WHERE seq <= ?", cut); err != nil { //nolint:gosec // table is a word of ours
		return false, err
	}
	after.trimmed += u.rows - after.rows
	*u = after
	return true, nil
}

// cut finds the last row to delete, 0 for none, and what is there after it.
func cut(ctx context.Context, tx *sql.Tx, table string, u usage, b bounds, horizon int64) (cut int64, after usage, err error) {
	rows, err := tx.QueryContext(ctx, "SELECT seq, cost, received FROM "+table+" ORDER BY seq LIMIT ?", b.portion) //nolint:gosec // table is a word of ours
	if err != nil {
		return 0, u, err
	}
	defer rows.Close() //nolint:errcheck // rows.Err tells
	for rows.Next() {
		var seq, cost, received int64
		if err := rows.Scan(&seq, &cost, &received); err != nil {
			return 0, u, err
		}
		if u.rows <= b.rows && u.cost <= b.cost && received >= horizon {
			break
		}
		cut = seq
		u.rows--
		u.cost -= cost
	}
	return cut, u, rows.Err()
}
