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

// loadUsage reads what the tables hold.
func (s *Store) loadUsage(ctx context.Context) error {
	for _, kind := range Kinds {
		var u usage
		err := s.writer.QueryRowContext(ctx, "SELECT rows, cost, last_seq, trimmed FROM usage WHERE kind = ?", kind.String()).
			Scan(&u.rows, &u.cost, &u.lastSeq, &u.trimmed)
		if err != nil {
			return err
		}
		s.usage[kind] = u
	}
	s.stale = false
	return nil
}

func (s *Store) saveUsage(ctx context.Context, tx *sql.Tx, kind Kind) error {
	u := s.usage[kind]
	_, err := tx.ExecContext(ctx, "UPDATE usage SET rows = ?, cost = ?, last_seq = ?, trimmed = ? WHERE kind = ?",
		u.rows, u.cost, u.lastSeq, u.trimmed, kind.String())
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
func (s *Store) trim(ctx context.Context, tx *sql.Tx, kind Kind, now time.Time) (bool, error) {
	u := &s.usage[kind]
	horizon := int64(-1 << 62)
	if s.options.MaxAge > 0 {
		horizon = now.Add(-s.options.MaxAge).UnixMilli()
	} else if u.rows <= s.options.MaxRows && u.cost <= s.options.MaxBytes {
		return false, nil
	}
	table := kinds[kind].table
	cut, after, err := s.cut(ctx, tx, table, *u, horizon)
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
func (s *Store) cut(ctx context.Context, tx *sql.Tx, table string, u usage, horizon int64) (cut int64, after usage, err error) {
	rows, err := tx.QueryContext(ctx, "SELECT seq, cost, received FROM "+table+" ORDER BY seq LIMIT ?", maxTrim) //nolint:gosec // table is a word of ours
	if err != nil {
		return 0, u, err
	}
	defer rows.Close() //nolint:errcheck // rows.Err tells
	for rows.Next() {
		var seq, cost, received int64
		if err := rows.Scan(&seq, &cost, &received); err != nil {
			return 0, u, err
		}
		if u.rows <= s.options.MaxRows && u.cost <= s.options.MaxBytes && received >= horizon {
			break
		}
		cut = seq
		u.rows--
		u.cost -= cost
	}
	return cut, u, rows.Err()
}
