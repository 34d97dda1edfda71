package sqlite

import (
	"context"
	"database/sql"
)

// statement is one that can be run: prepared, as an [sql.Stmt] is, or as its
// text.
type statement interface {
	ExecContext(ctx context.Context, args ...any) (sql.Result, error)
	QueryContext(ctx context.Context, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, args ...any) *sql.Row
}

type plain struct {
	tx   *sql.Tx
	text string
}

func (p plain) ExecContext(ctx context.Context, args ...any) (sql.Result, error) {
	return p.tx.ExecContext(ctx, p.text, args...)
}

func (p plain) QueryContext(ctx context.Context, args ...any) (*sql.Rows, error) {
	return p.tx.QueryContext(ctx, p.text, args...)
}

func (p plain) QueryRowContext(ctx context.Context, args ...any) *sql.Row {
	return p.tx.QueryRowContext(ctx, p.text, args...)
}

// statements are those that one commit has run. The first time the text of one
// is run as it is; from the second time on it is there prepared, and ends with
// the transaction. Preparing is most of the price of a short statement: a batch
// runs the same few for each of its items, and so do writes that share a commit.
type statements map[string]statement

// get is the statement for the text. One that cannot be prepared is run as it
// is, which says why.
func (s statements) get(ctx context.Context, tx *sql.Tx, text string) statement {
	known, ran := s[text]
	if ran && known == nil {
		if prepared, err := tx.PrepareContext(ctx, text); err == nil {
			known = prepared
		}
	}
	if s != nil {
		s[text] = known
	}
	if known == nil {
		return plain{tx, text}
	}
	return known
}
