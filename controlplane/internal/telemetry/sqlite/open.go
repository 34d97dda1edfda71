package sqlite

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/gofrs/flock"
	"github.com/pressly/goose/v3"
	"modernc.org/sqlite"

	"github.com/farmountain/aureus-go/controlplane/internal/dbfile"
	"github.com/farmountain/aureus-go/controlplane/internal/telemetry"
)

// maxReaders bounds the connections that read at the same time.
const maxReaders = 4

// busyTimeout is how long a statement waits for another process's lock, such as
// a backup's, in milliseconds.
const busyTimeout = "5000"

//go:embed schema/*.sql
var schema embed.FS

// Open opens the store in the file at path, and makes the file, readable and
// writable by its owner only, where there is none. A lock beside it (path with
// .lock) keeps every other Open out until [Store.Close], or the end of the
// process: ErrLocked. The context bounds the opening, not the store.
func Open(ctx context.Context, path string, options telemetry.Options) (_ *Store, err error) {
	if path == "" || strings.Contains(path, ":memory:") {
		return nil, errors.New("telemetry: the store needs a file; neither an empty path nor :memory: is one")
	}
	path, err = filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("telemetry: %w", err)
	}
	s := newStore(options)
	s.path = path
	defer func() {
		if err != nil {
			_ = s.release() // the first error says more
		}
	}()
	if s.lock, err = lockFile(path); err != nil {
		return nil, err
	}
	if err := private(path); err != nil {
		return nil, err
	}
	if s.files, err = dbfile.Note(path); err != nil {
		return nil, fmt.Errorf("telemetry: %w", err)
	}
	if s.writer, err = s.connect(address(path, "immediate", "journal_mode(WAL)", "synchronous(NORMAL)", "journal_size_limit(67108864)", "wal_autocheckpoint(4000)", "cache_size(-32768)")); err != nil {
		return nil, fmt.Errorf("telemetry: %w", err)
	}
	s.writer.SetMaxOpenConns(1)
	if err := migrate(ctx, s.writer); err != nil {
		return nil, storeError("open "+path, err)
	}
	if err := s.files.NoteLog(); err != nil {
		return nil, fmt.Errorf("telemetry: %w", err)
	}
	if s.reader, err = s.connect(address(path, "deferred", "query_only(1)")); err != nil {
		return nil, fmt.Errorf("telemetry: %w", err)
	}
	s.reader.SetMaxOpenConns(maxReaders)
	s.reader.SetMaxIdleConns(maxReaders)
	if err := s.start(ctx); err != nil {
		return nil, storeError("open "+path, err)
	}
	return s, nil
}

// connect gives connections to the file that was noted.
func (s *Store) connect(address string) (*sql.DB, error) {
	connector, err := sqlite.NewConnector(address)
	if err != nil {
		return nil, err
	}
	return sql.OpenDB(s.files.Guarded(connector)), nil
}

// lockFile takes the lock beside the file.
func lockFile(path string) (*flock.Flock, error) {
	lock := flock.New(path+".lock", flock.SetPermissions(0o600))
	held, err := lock.TryLock()
	if err != nil {
		return nil, fmt.Errorf("telemetry: lock %s: %w", lock.Path(), err)
	}
	if !held {
		return nil, fmt.Errorf("%w: %s is held; stop the other one, or choose another file", telemetry.ErrLocked, lock.Path())
	}
	return lock, nil
}

// private makes the file where there is none, and takes it from group and
// others where they had it. SQLite gives the files beside it the same mode.
func private(path string) error {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600) //nolint:gosec // the operator's own path
	if errors.Is(err, fs.ErrPermission) {
		return fmt.Errorf("%w: %w: %w", telemetry.ErrUnavailable, telemetry.ErrReadOnly, err)
	}
	if err != nil {
		return fmt.Errorf("%w: %w", telemetry.ErrUnavailable, err)
	}
	defer file.Close() //nolint:errcheck // nothing was written
	info, err := file.Stat()
	if err == nil && info.Mode().Perm()&0o077 != 0 {
		err = file.Chmod(0o600)
	}
	if err != nil {
		return fmt.Errorf("%w: %w", telemetry.ErrUnavailable, err)
	}
	return nil
}

func address(path, txlock string, pragmas ...string) string {
	query := url.Values{"_txlock": {txlock}, "_pragma": append([]string{"busy_timeout(" + busyTimeout + ")"}, pragmas...)}
	return dbfile.Address(path, query)
}

// migrate brings the file to this version's schema, and refuses one that is
// ahead of it.
func migrate(ctx context.Context, db *sql.DB) error {
	var mode string
	if err := db.QueryRowContext(ctx, "PRAGMA journal_mode").Scan(&mode); err != nil {
		return err
	}
	if mode != "wal" {
		return fmt.Errorf("the file system offers journal mode %s instead of WAL; put the file on a local disk", mode)
	}
	sub, err := fs.Sub(schema, "schema")
	if err != nil {
		return err
	}
	provider, err := goose.NewProvider(goose.DialectSQLite3, db, sub)
	if err != nil {
		return err
	}
	current, target, err := provider.GetVersions(ctx)
	if err != nil {
		return err
	}
	if current > target {
		return fmt.Errorf("%w: its schema is %d, this program knows %d", telemetry.ErrNewer, current, target)
	}
	_, err = provider.Up(ctx)
	return err
}
