package sqlite

import (
	"context"
	"database/sql"
)

// statement is an SQL statement: prepared ([sql.Stmt]) or as its text (plain).
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

// statements holds the statements that one transaction has run, by their text. A
// statement is run as text the first time, and prepared the second time; the prepared
// one ends with the transaction. This saves time because preparing a short statement
// costs more than running it, and because a batch, and the updates that share a
// commit, run the same few statements many times.
type statements map[string]statement

// get returns the statement for the text. If it cannot be prepared, get returns it as
// text, and running it then returns the error.
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
