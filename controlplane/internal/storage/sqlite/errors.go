package sqlite

import (
	"database/sql"
	"errors"
	"fmt"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/farmountain/aureus-go/controlplane/internal/dbfile"
	"github.com/farmountain/aureus-go/controlplane/internal/storage"
)

// classify wraps failures of the file, its disk or its connection in ErrUnavailable.
// It returns all other errors unchanged.
func classify(err error) error {
	if err == nil || errors.Is(err, storage.ErrUnavailable) {
		return err
	}
	if errors.Is(err, sql.ErrConnDone) || errors.Is(err, sql.ErrTxDone) || errors.Is(err, dbfile.ErrGone) {
		return fmt.Errorf("%w: %w", storage.ErrUnavailable, err)
	}
	engine, ok := errors.AsType[*sqlite.Error](err)
	if !ok {
		return err
	}
	switch engine.Code() & 0xff {
	case sqlite3.SQLITE_CONSTRAINT, sqlite3.SQLITE_MISMATCH, sqlite3.SQLITE_RANGE, sqlite3.SQLITE_ERROR, sqlite3.SQLITE_MISUSE, sqlite3.SQLITE_TOOBIG:
		return err
	}
	return fmt.Errorf("%w: %w", storage.ErrUnavailable, err)
}
