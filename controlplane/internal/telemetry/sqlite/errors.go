package sqlite

import (
	"errors"
	"fmt"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/farmountain/aureus-go/controlplane/internal/dbfile"
	"github.com/farmountain/aureus-go/controlplane/internal/telemetry"
)

// storeError converts an error of the driver to an error of package telemetry.
func storeError(doing string, err error) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, dbfile.ErrGone) {
		return fmt.Errorf("%w: %s: %w", telemetry.ErrUnavailable, doing, err)
	}
	failure, ok := errors.AsType[*sqlite.Error](err)
	if !ok {
		return fmt.Errorf("telemetry: %s: %w", doing, err)
	}
	switch failure.Code() & 0xff {
	case sqlite3.SQLITE_FULL:
		return fmt.Errorf("%w: %w: %s: %w", telemetry.ErrUnavailable, telemetry.ErrDiskFull, doing, err)
	case sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM:
		return fmt.Errorf("%w: %w: %s: %w", telemetry.ErrUnavailable, telemetry.ErrReadOnly, doing, err)
	default:
		return fmt.Errorf("%w: %s: %w", telemetry.ErrUnavailable, doing, err)
	}
}
