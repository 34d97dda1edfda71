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

// walk visits the rows of the selection in order, at most most, each with one
// column, until visit says false. ended says that it came to the end of the
// selection, or to most.
//
// It asks for the rest of the instant that the selection begins in, and then
// for all later instants: with the three of time and arrival in one comparison,
// SQLite would read all rows of that instant again for each portion, and there
// may be many without a time.
func walk[T string | int64](ctx context.Context, q *selection, column string, most int, visit func(telemetry.Position, T) bool) (ended bool, err error) {
	ctx, leave, err := q.store.options.LetIn(ctx, q.tenant)
	if err != nil {
		return false, err
	}
	defer leave()
	choose := "SELECT sec, nsec, seq, " + column + " FROM " + q.from
	args := slices.Clip(q.args)
	left, ended := most, true
	step := func(query string, args ...any) error {
		rows, err := q.store.query(ctx, query, q.cacheable, args...)
		if err != nil {
			return err
		}
		defer rows.Close() //nolint:errcheck // rows.Err tells
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
		from.Nsec++ // what is later by the least there is, or more
	}
	if err == nil && left > 0 {
		err = step(choose+laterInstants, append(args, from.Sec, from.Nsec, q.upTo.Sec, q.upTo.Nsec, q.latest, left)...)
	}
	return ended, readError(ctx, err)
}

// readError is storeError for a read, which its context may have interrupted.
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

// statements are the prepared queries, by their text. There are only as many as
// the package has forms of queries.
type statements struct {
	mu       sync.Mutex
	prepared map[string]*sql.Stmt
}

// query runs a query, prepared if its text is one of a few.
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

// keep remembers the statement, unless another call was faster.
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
		_ = stmt.Close() // the connections go next
	}
	s.prepared = nil
}
