package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/farmountain/aureus-go/controlplane/internal/telemetry"
)

// walk calls visit, in order, for at most limit rows of the selection, with the value
// of one column, until visit returns false. ended reports whether it reached the end
// of the selection or the limit.
//
// It uses two queries: one for the remaining rows with the time at which the selection
// begins, and one for all later times. With a single comparison of seconds,
// nanoseconds and seq, SQLite would read all rows of the first time again for each
// portion, and very many rows may have no readable time.
func walk[T string | int64](ctx context.Context, q *selection, column string, limit int, visit func(telemetry.Position, T) bool) (ended bool, err error) {
	ctx, leave, err := q.store.options.LetIn(ctx, q.tenant)
	if err != nil {
		return false, err
	}
	defer leave()
	choose := "SELECT sec, nsec, seq, " + column + " FROM " + q.from
	args := slices.Clip(q.args)
	left, ended := limit, true
	step := func(query string, args ...any) error {
		rows, err := q.store.query(ctx, query, q.cacheable, args...)
		if err != nil {
			return err
		}
		defer rows.Close() //nolint:errcheck // rows.Err returns the error
		for rows.Next() {
			var at telemetry.Position
			var value T
			if err := rows.Scan(&at.Sec, &at.Nsec, &at.Seq, &value); err != nil {
				return err
			}
			if at.Compare(q.upTo) > 0 {
				left = 0
				return nil
			}
			left--
			if !visit(at, value) {
				left, ended = 0, false
				return nil
			}
		}
		return rows.Err()
	}
	from := q.after.Instant
	if q.after.Seq > 0 {
		err = step(choose+sameInstant, append(args, from.Sec, from.Nsec, q.after.Seq, q.latest, left)...)
		from.Nsec++ // the next possible time
	}
	if err == nil && left > 0 {
		err = step(choose+laterInstants, append(args, from.Sec, from.Nsec, q.upTo.Sec, q.upTo.Nsec, q.latest, left)...)
	}
	return ended, readError(ctx, err)
}

// readError is like storeError, for a read. If the context has ended, the error is its
// cause.
func readError(ctx context.Context, err error) error {
	if err != nil && ctx.Err() != nil {
		return fmt.Errorf("telemetry: read: %w", context.Cause(ctx))
	}
	return storeError("read", err)
}

const (
	sameInstant   = " AND sec = ? AND nsec = ? AND seq > ? AND seq <= ? ORDER BY seq LIMIT ?"
	laterInstants = " AND (sec, nsec) >= (?, ?) AND (sec, nsec) <= (?, ?) AND seq <= ? ORDER BY sec, nsec, seq LIMIT ?"
)

// statements holds the prepared queries by their text. The number of different texts
// is small and fixed.
type statements struct {
	mu       sync.Mutex
	prepared map[string]*sql.Stmt
}

// query runs a query. If it is cacheable, it is prepared once.
func (s *Store) query(ctx context.Context, query string, cacheable bool, args ...any) (*sql.Rows, error) {
	if s.closed.Load() {
		return nil, telemetry.ErrClosed
	}
	if !cacheable {
		return s.reader.QueryContext(ctx, query, args...)
	}
	s.statements.mu.Lock()
	stmt, ok := s.statements.prepared[query]
	s.statements.mu.Unlock()
	if !ok {
		prepared, err := s.reader.PrepareContext(ctx, query)
		if err != nil {
			return nil, err
		}
		stmt = s.statements.keep(query, prepared) //nolint:sqlclosecheck // statements.close does
	}
	return stmt.QueryContext(ctx, args...)
}

// keep stores the statement and returns it, or the one that another call has stored
// meanwhile.
func (s *statements) keep(query string, stmt *sql.Stmt) *sql.Stmt {
	s.mu.Lock()
	defer s.mu.Unlock()
	if other, ok := s.prepared[query]; ok {
		_ = stmt.Close()
		return other
	}
	if s.prepared == nil {
		s.prepared = map[string]*sql.Stmt{}
	}
	s.prepared[strings.Clone(query)] = stmt
	return stmt
}

func (s *statements) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, stmt := range s.prepared {
		_ = stmt.Close() // the connections are closed next
	}
	s.prepared = nil
}
