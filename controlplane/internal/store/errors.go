package store

import (
	"database/sql"
	"errors"
	"fmt"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/farmountain/aureus-go/controlplane/internal/dbfile"
)

// The errors that callers branch on.
var (
	ErrUnavailable = errors.New("the store cannot be used now") // disk full, read-only, busy, closed, its file gone: nothing was changed
	ErrLocked      = errors.New("another process has the store open")
	ErrNotFound    = errors.New("not found")
	ErrConflict    = errors.New("the state does not allow this")
	ErrDigest      = errors.New("the digest is not that of the approval")
	ErrRequester   = errors.New("who asked for an approval cannot decide it")

	ErrDecisionUsed    = errors.New("the decision has used another approval")
	ErrDecisionOfOther = errors.New("the decision is another subject's")
)

// classify marks failures of the file, its disk or its connection as
// ErrUnavailable; errors of the caller's own stay as they are.
func classify(err error) error {
	if err == nil || errors.Is(err, ErrUnavailable) {
		return err
	}
	if errors.Is(err, sql.ErrConnDone) || errors.Is(err, sql.ErrTxDone) || errors.Is(err, dbfile.ErrGone) {
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	engine, ok := errors.AsType[*sqlite.Error](err)
	if !ok {
		return err
	}
	switch engine.Code() & 0xff {
	case sqlite3.SQLITE_CONSTRAINT, sqlite3.SQLITE_MISMATCH, sqlite3.SQLITE_RANGE, sqlite3.SQLITE_ERROR, sqlite3.SQLITE_MISUSE, sqlite3.SQLITE_TOOBIG:
		return err
	}
	return fmt.Errorf("%w: %w", ErrUnavailable, err)
}
