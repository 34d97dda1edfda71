package sqlite

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"strings"

	"github.com/farmountain/aureus-go/controlplane/internal/dbfile"
	"github.com/farmountain/aureus-go/controlplane/internal/telemetry"
)

// maxReaders is the number of connections for reading.
const maxReaders = 4

// busyTimeout is how long a statement waits for another process's lock, such as
// a backup's, in milliseconds.
const busyTimeout = "5000"

//go:embed schema/*.sql
var schema embed.FS

// Open opens the store in the file at path. If the file does not exist, Open
// creates it, readable and writable only by its owner. A lock on a second file
// (path with .lock) makes every other Open of the file fail with ErrLocked until
// [Store.Close] or the end of the process. ctx applies only to Open itself.
func Open(ctx context.Context, path string, options telemetry.Options) (_ *Store, err error) {
	if path == "" || strings.Contains(path, ":memory:") {
		return nil, errors.New("telemetry: the store needs a file; neither an empty path nor :memory: is one")
	}
	s := newStore(options)
	if s.file, err = dbfile.Open(path, true); err != nil {
		return nil, notOpened(err)
	}
	defer func() {
		if err != nil {
			_ = s.release() // the first error is more useful
		}
	}()
	if s.writer, err = s.file.Connect(connectionOptions("immediate", "journal_mode(WAL)", "synchronous(NORMAL)", "journal_size_limit(67108864)", "wal_autocheckpoint(4000)", "cache_size(-32768)")); err != nil {
		return nil, fmt.Errorf("telemetry: %w", err)
	}
	s.writer.SetMaxOpenConns(1)
	err = migrate(ctx, s.writer)
	if errors.Is(err, dbfile.ErrNewer) {
		return nil, fmt.Errorf("%w: %w", telemetry.ErrNewer, err)
	}
	if err != nil {
		return nil, storeError("open "+s.file.Path, err)
	}
	if err := s.file.Files.NoteLog(); err != nil {
		return nil, fmt.Errorf("telemetry: %w", err)
	}
	if s.reader, err = s.file.Connect(connectionOptions("deferred", "query_only(1)")); err != nil {
		return nil, fmt.Errorf("telemetry: %w", err)
	}
	s.reader.SetMaxOpenConns(maxReaders)
	s.reader.SetMaxIdleConns(maxReaders)
	if err := s.start(ctx); err != nil {
		return nil, storeError("open "+s.file.Path, err)
	}
	return s, nil
}

// notOpened converts an error of dbfile.Open to an error of package telemetry.
func notOpened(err error) error {
	switch {
	case errors.Is(err, dbfile.ErrLocked):
		return fmt.Errorf("%w: %w", telemetry.ErrLocked, err)
	case errors.Is(err, dbfile.ErrLinked):
		return fmt.Errorf("telemetry: %w", err)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%w: %w: %w", telemetry.ErrUnavailable, telemetry.ErrReadOnly, err)
	}
	return fmt.Errorf("%w: %w", telemetry.ErrUnavailable, err)
}

func connectionOptions(txlock string, pragmas ...string) url.Values {
	return url.Values{"_txlock": {txlock}, "_pragma": append([]string{"busy_timeout(" + busyTimeout + ")"}, pragmas...)}
}

func migrate(ctx context.Context, db *sql.DB) error {
	folder, err := fs.Sub(schema, "schema")
	if err != nil {
		return err
	}
	return dbfile.Migrate(ctx, db, folder, true)
}
