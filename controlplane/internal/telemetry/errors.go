package telemetry

import (
	"errors"
	"fmt"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/farmountain/aureus-go/controlplane/internal/dbfile"
)

// The errors of the store, for errors.Is.
var (
	ErrBusy         = errors.New("telemetry: too much is waiting to be written")               // come back in a second
	ErrClosed       = errors.New("telemetry: the store is closed")                             //
	ErrLocked       = errors.New("telemetry: another process, or this one, has the file open") //
	ErrNewer        = errors.New("telemetry: the file was made by a newer version")            // Open refuses it untouched
	ErrUnavailable  = errors.New("telemetry: the file cannot be read or written")              // nothing was stored; matched by the next two as well
	ErrDiskFull     = errors.New("telemetry: the disk is full")                                //
	ErrReadOnly     = errors.New("telemetry: the file is read-only")                           //
	ErrCursor       = errors.New("telemetry: the cursor is not one of this store")             //
	ErrTooManyTypes = fmt.Errorf("telemetry: more than %d task types in one summary", maxTaskTypes)
)

// storeError names what an error of the driver means to a caller.
func storeError(doing string, err error) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, dbfile.ErrGone) {
		return fmt.Errorf("%w: %s: %w", ErrUnavailable, doing, err)
	}
	failure, ok := errors.AsType[*sqlite.Error](err)
	if !ok {
		return fmt.Errorf("telemetry: %s: %w", doing, err)
	}
	switch failure.Code() & 0xff {
	case sqlite3.SQLITE_FULL:
		return fmt.Errorf("%w: %w: %s: %w", ErrUnavailable, ErrDiskFull, doing, err)
	case sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM:
		return fmt.Errorf("%w: %w: %s: %w", ErrUnavailable, ErrReadOnly, doing, err)
	default:
		return fmt.Errorf("%w: %s: %w", ErrUnavailable, doing, err)
	}
}
