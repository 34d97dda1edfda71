package sqlite

import (
	"context"
	"database/sql"
	"slices"
	"time"

	"github.com/farmountain/aureus-go/controlplane/internal/telemetry"
)

// insertRows is how many rows one statement stores.
const insertRows = 32

// inserts holds the prepared statements of the writing goroutine, for one row and
// for insertRows rows of each kind, and the memory for the arguments of rows.
type inserts struct {
	one, many [telemetry.Events + 1]*sql.Stmt
	args      []any
}

// prepare prepares the statements. It must be called before a transaction begins,
// because a transaction holds the only connection.
func (i *inserts) prepare(ctx context.Context, db *sql.DB) (err error) {
	for _, kind := range telemetry.Kinds {
		if i.one[kind], err = db.PrepareContext(ctx, insertOf(kind, 1)); err != nil { //nolint:sqlclosecheck // inserts.close does
			return err
		}
		if i.many[kind], err = db.PrepareContext(ctx, insertOf(kind, insertRows)); err != nil { //nolint:sqlclosecheck // inserts.close does
			return err
		}
	}
	return nil
}

func (i *inserts) close() {
	for _, stmt := range slices.Concat(i.one[:], i.many[:]) {
		if stmt != nil {
			_ = stmt.Close() // the connection is closed next
		}
	}
}

// insert stores the items of one kind, and reports whether there were any.
func (s *Store) insert(ctx context.Context, tx *sql.Tx, kind telemetry.Kind, batch []*request, now time.Time) (bool, error) {
	u := &s.usage[kind]
	before := u.rows
	w := rowWriter{tx: tx, one: s.inserts.one[kind], many: s.inserts.many[kind], args: s.inserts.args[:0]}
	for _, r := range batch {
		for _, item := range r.items {
			if item.Kind() != kind {
				continue
			}
			u.lastSeq++
			u.rows++
			u.cost += item.Cost()
			s.share(kind, r.tenant).add(1, item.Cost())
			w.args = append(w.args, u.lastSeq, r.tenant, now.UnixMilli(), item.Cost(), item.At().Sec, item.At().Nsec, item.Body())
			w.args = append(w.args, item.Columns()...)
			w.rows++
			if w.rows == insertRows {
				if err := w.flush(ctx, w.many); err != nil {
					return false, err
				}
			}
		}
	}
	err := w.flush(ctx, w.one)
	clear(w.args[:cap(w.args)]) // so that the items can be garbage collected
	s.inserts.args = w.args[:0]
	return u.rows > before, err
}

// rowWriter collects the arguments of rows.
type rowWriter struct {
	tx        *sql.Tx
	one, many *sql.Stmt
	args      []any
	rows      int
}

// flush stores the collected rows: all at once if prepared is the statement for
// many rows, and otherwise one by one.
func (w *rowWriter) flush(ctx context.Context, prepared *sql.Stmt) error {
	if w.rows == 0 {
		return nil
	}
	stmt := w.tx.StmtContext(ctx, prepared)
	defer stmt.Close() //nolint:errcheck // it is only the transaction's copy of the prepared statement
	width := len(w.args)
	if prepared == w.one {
		width /= w.rows
	}
	for args := w.args; len(args) > 0; args = args[width:] {
		if _, err := stmt.ExecContext(ctx, args[:width]...); err != nil {
			return err
		}
	}
	w.args, w.rows = w.args[:0], 0
	return nil
}
