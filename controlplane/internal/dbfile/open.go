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
	// ErrLocked says that another process, or this one, holds the lock of the file.
	ErrLocked = errors.New("the database's file is locked")
	// ErrNewer says that a newer version of this program has written the file.
	ErrNewer = errors.New("it was written by a newer one")
)

// Opened is a database's file that this process has opened, without a connection yet.
type Opened struct {
	Path  string // absolute, without symbolic links
	Files *Files

	lock *flock.Flock // nil where another process has it
}

// Open makes the file at path if there is none, readable and writable by its owner
// only, and takes the lock of the operating system on the file beside it (with the
// suffix .lock), which ends with the process. Where another process has the lock,
// the error matches ErrLocked; not exclusive opens the file all the same.
//
// Symbolic links are resolved, so that two names of one file share one lock; a file
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

// Owner reports whether this process has the lock.
func (o *Opened) Owner() bool { return o.lock != nil }

// Unlock gives the lock back. Close the connections first.
func (o *Opened) Unlock() error {
	if o == nil || o.lock == nil {
		return nil
	}
	return o.lock.Unlock()
}

// Connect gives connections to the file, as long as it is the one that was opened.
func (o *Opened) Connect(options url.Values) (*sql.DB, error) {
	connector, err := sqlite.NewConnector(Address(o.Path, options))
	if err != nil {
		return nil, err
	}
	return sql.OpenDB(o.Files.Guarded(connector)), nil
}

// create makes the file if there is none, and gives its path without symbolic links.
// It does not open a file that is there: SQLite's own locks on it end with any
// descriptor that this process closes.
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

// makePrivate takes the file from group and others, and finds out whether it may be
// written. It is for whoever holds the lock.
func makePrivate(file string) error {
	f, err := os.OpenFile(file, os.O_RDWR, 0) //nolint:gosec // the operator's own path
	if err != nil {
		return err
	}
	info, err := f.Stat()
	if err == nil && info.Mode().Perm()&0o077 != 0 { // approvals and hashes of keys are nobody else's business
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
		if pid, err := os.ReadFile(name); err == nil && len(pid) > 0 && len(pid) < 20 { //nolint:gosec // the lock beside that path
			holder = " (process " + strings.TrimSpace(string(pid)) + ")"
		}
		return nil, fmt.Errorf("%w: %s is held%s; stop the other one, or use another file", ErrLocked, name, holder)
	}
	if err := os.WriteFile(name, []byte(strconv.Itoa(os.Getpid())+"\n"), 0o600); err != nil {
		return nil, errors.Join(fmt.Errorf("locking %s: %w", name, err), lock.Unlock())
	}
	return lock, nil
}

// Migrate brings the schema of the file up to date with the migrations, or only
// checks it where this process is not the owner. A file of a later version is
// refused with ErrNewer and not changed, and one that is not in WAL mode, too.
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
		return fmt.Errorf("the file has version %d of the schema and this program knows up to %d: %w", have, want, ErrNewer)
	case have == want:
		return nil
	case !owner:
		return errors.New("the file has an older schema and a server has it open; stop the server and try again")
	}
	if _, err := provider.Up(ctx); err != nil {
		return fmt.Errorf("bringing the schema from version %d to %d: %w", have, want, err)
	}
	return nil
}
