package dbfile

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/gofrs/flock"
	"github.com/pressly/goose/v3"
	"modernc.org/sqlite"
)

// The errors of opening, for errors.Is.
var (
	// ErrLocked means that another process, or this one, holds the lock of the file.
	ErrLocked = errors.New("the database's file is locked")
	// ErrNewer means that a newer version of this program has written the file.
	ErrNewer = errors.New("the file was written by a newer version of this program")
)

// Opened is a database file that is prepared for connections, and locked if this
// process is its owner.
type Opened struct {
	Path  string // absolute, without symbolic links
	Files *Files

	lock *flock.Flock // nil if another process holds the lock
}

// Open creates the file at path if it does not exist, with access for the owning
// user only, and locks it: it takes an operating system lock on a second file with
// the suffix .lock, which ends with the process at the latest. If another process
// holds the lock, Open fails with [ErrLocked] if exclusive is true, and otherwise
// opens the file without the lock; see [Opened.Owner].
//
// Symbolic links are resolved, so that all names of one file share one lock. A file
// with several hard links is refused with [ErrLinked].
func Open(path string, exclusive bool) (_ *Opened, err error) {
	o := &Opened{}
	if o.Path, err = create(path); err != nil {
		return nil, err
	}
	o.lock, err = tryLock(o.Path)
	if err != nil && (exclusive || !errors.Is(err, ErrLocked)) {
		return nil, err
	}
	if o.Owner() {
		err = makePrivate(o.Path)
	} else {
		err = nil
	}
	if err == nil {
		o.Files, err = Note(o.Path)
	}
	if err != nil {
		return nil, errors.Join(err, o.Unlock())
	}
	return o, nil
}

// Owner reports whether this process holds the lock of the file.
func (o *Opened) Owner() bool { return o.lock != nil }

// Unlock releases the lock, if this process holds it. Close the connections first.
func (o *Opened) Unlock() error {
	if o == nil || o.lock == nil {
		return nil
	}
	return o.lock.Unlock()
}

// Connect returns a pool of connections to the file. New connections fail with
// [ErrGone] if the file has been deleted or replaced since Open.
func (o *Opened) Connect(options url.Values) (*sql.DB, error) {
	connector, err := sqlite.NewConnector(Address(o.Path, options))
	if err != nil {
		return nil, err
	}
	return sql.OpenDB(o.Files.Guarded(connector)), nil
}

// create creates the file if it does not exist, and returns its absolute path
// without symbolic links. It does not open an existing file: when a process closes
// any descriptor of a file, it loses SQLite's locks on that file.
func create(path string) (string, error) {
	absolute, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	resolved, err := filepath.EvalSymlinks(absolute)
	if !errors.Is(err, fs.ErrNotExist) {
		return resolved, err
	}
	f, err := os.OpenFile(absolute, os.O_RDWR|os.O_CREATE, 0o600) //nolint:gosec // the operator's own path
	if err != nil {
		return "", err
	}
	if err := f.Close(); err != nil {
		return "", err
	}
	return filepath.EvalSymlinks(absolute)
}

// makePrivate removes the access of group and others to the file. It fails if this
// process may not write the file. Call it only while holding the lock.
func makePrivate(file string) error {
	f, err := os.OpenFile(file, os.O_RDWR, 0) //nolint:gosec // the operator's own path
	if err != nil {
		return err
	}
	info, err := f.Stat()
	if err == nil && info.Mode().Perm()&0o077 != 0 { // the file contains approvals and hashes of keys
		err = f.Chmod(0o600)
	}
	return errors.Join(err, f.Close())
}

func tryLock(file string) (*flock.Flock, error) {
	name := file + ".lock"
	lock := flock.New(name, flock.SetPermissions(0o600))
	held, err := lock.TryLock()
	if err != nil {
		return nil, fmt.Errorf("locking %s: %w", name, err)
	}
	if !held {
		holder := ""
		if pid, err := os.ReadFile(name); err == nil && len(pid) > 0 && len(pid) < 20 { //nolint:gosec // the operator's own path with a suffix
			holder = " (process " + strings.TrimSpace(string(pid)) + ")"
		}
		return nil, fmt.Errorf("%w: %s is held%s; stop the other process, or use another file", ErrLocked, name, holder)
	}
	if err := os.WriteFile(name, []byte(strconv.Itoa(os.Getpid())+"\n"), 0o600); err != nil {
		return nil, errors.Join(fmt.Errorf("locking %s: %w", name, err), lock.Unlock())
	}
	return lock, nil
}

// Migrate applies the migrations that the file does not have yet. If owner is
// false, it changes nothing, and fails if a migration is missing. It also fails,
// without changing the file, if the schema is newer than the migrations (ErrNewer)
// or the file is not in WAL mode.
func Migrate(ctx context.Context, db *sql.DB, migrations fs.FS, owner bool) error {
	var mode string
	if err := db.QueryRowContext(ctx, "PRAGMA journal_mode").Scan(&mode); err != nil {
		return err
	}
	if mode != "wal" {
		return fmt.Errorf("the file system offers the journal mode %s instead of wal; put the file on a local disk", mode)
	}
	provider, err := goose.NewProvider(goose.DialectSQLite3, db, migrations,
		goose.WithDisableGlobalRegistry(true), goose.WithSlog(slog.New(slog.DiscardHandler)))
	if err != nil {
		return fmt.Errorf("reading the migrations: %w", err)
	}
	have, want, err := provider.GetVersions(ctx)
	if err != nil {
		return fmt.Errorf("reading the version of the schema: %w", err)
	}
	switch {
	case have > want:
		return fmt.Errorf("schema version %d, this program supports up to %d: %w", have, want, ErrNewer)
	case have == want:
		return nil
	case !owner:
		return errors.New("the schema is older than this program and another process has the file open; stop that process and try again")
	}
	if _, err := provider.Up(ctx); err != nil {
		return fmt.Errorf("migrating the schema from version %d to %d: %w", have, want, err)
	}
	return nil
}
