package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"

	"github.com/gofrs/flock"
	"modernc.org/sqlite"

	"github.com/farmountain/aureus-go/controlplane/internal/dbfile"
	"github.com/farmountain/aureus-go/controlplane/internal/storage"
)

const (
	connections = 8
	busyMillis  = 5000
)

// DB is an open store: it implements [storage.Store]. It is safe for concurrent use.
type DB struct {
	sql    *sql.DB
	writer *sql.Conn    // of sql, for every write; while it is open, so is the write-ahead log. Guarded by writing
	lock   *flock.Flock // nil where another process may have it

	options   storage.Options
	file      string
	log       dbfile.Checkpoint // guarded by writing
	files     *dbfile.Files
	condition dbfile.Condition

	writing sync.Mutex // held by whoever commits a batch
	queue   struct {
		sync.Mutex
		jobs      []*job
		largeNext bool // the next commit is a large write's, if one waits
	}
}

// Open opens the file for the one server that owns it, creating it with mode
// 0600 and bringing its schema up to date. storage.ErrLocked says that another process
// has it open.
func Open(ctx context.Context, path string, options storage.Options) (*DB, error) {
	return open(ctx, path, options, true)
}

// OpenBeside opens the file whether or not a server has it open, for a short
// administrative task. A new or an older file is brought up to date only where
// no server has it open.
func OpenBeside(ctx context.Context, path string) (*DB, error) {
	return open(ctx, path, storage.Options{}, false)
}

func open(ctx context.Context, path string, options storage.Options, exclusive bool) (_ *DB, err error) {
	file, err := create(path)
	if err != nil {
		return nil, err
	}
	lock, err := tryLock(file)
	if err != nil && (exclusive || !errors.Is(err, storage.ErrLocked)) {
		return nil, err
	}
	db := &DB{file: file, lock: lock, options: options}
	defer func() {
		if err != nil {
			_ = db.Close() // the first error says more
		}
	}()
	if lock != nil {
		if err := makePrivate(file); err != nil {
			return nil, err
		}
	}
	if db.files, err = dbfile.Note(file); err != nil {
		return nil, fmt.Errorf("opening the store: %w", err)
	}
	connector, err := sqlite.NewConnector(dsn(file))
	if err != nil {
		return nil, fmt.Errorf("opening %s: %w", file, err)
	}
	db.sql = sql.OpenDB(db.files.Guarded(connector))
	db.sql.SetMaxOpenConns(connections)
	db.sql.SetMaxIdleConns(connections)
	if db.writer, err = db.sql.Conn(ctx); err != nil {
		return nil, notOpened(file, err)
	}
	if err := migrate(ctx, db.sql, lock != nil); err != nil {
		return nil, notOpened(file, err)
	}
	if err := db.files.NoteLog(); err != nil {
		return nil, fmt.Errorf("opening %s: %w", file, err)
	}
	return db, nil
}

func notOpened(file string, err error) error {
	if err = classify(err); errors.Is(err, storage.ErrUnavailable) {
		return fmt.Errorf("opening %s: %w; is there room on its disk, and may its folder be written?", file, err)
	}
	return fmt.Errorf("opening %s: %w", file, err)
}

// create makes the file if there is none, and gives its one true path, so that
// two names of one file share one lock. It opens no file that is there: SQLite's
// own locks on it end with any descriptor that this process closes.
func create(path string) (string, error) {
	absolute, err := filepath.Abs(path)
	if err != nil {
		return "", fmt.Errorf("opening the store: %w", err)
	}
	resolved, err := filepath.EvalSymlinks(absolute)
	if !errors.Is(err, fs.ErrNotExist) {
		if err != nil {
			err = fmt.Errorf("opening the store: %w", err)
		}
		return resolved, err
	}
	f, err := os.OpenFile(absolute, os.O_RDWR|os.O_CREATE, 0o600) //nolint:gosec // the operator's own path
	if err != nil {
		return "", fmt.Errorf("opening the store: %w", err)
	}
	if err := f.Close(); err != nil {
		return "", fmt.Errorf("opening the store: %w", err)
	}
	if resolved, err = filepath.EvalSymlinks(absolute); err != nil {
		return "", fmt.Errorf("opening the store: %w", err)
	}
	return resolved, nil
}

// makePrivate takes the file from group and others, and finds out whether it may
// be written. It is for whoever holds the lock.
func makePrivate(file string) error {
	f, err := os.OpenFile(file, os.O_RDWR, 0) //nolint:gosec // the operator's own path
	if err != nil {
		return fmt.Errorf("opening the store: %w", err)
	}
	info, err := f.Stat()
	if err == nil && info.Mode().Perm()&0o077 != 0 { // approvals and hashes of keys are nobody else's business
		err = f.Chmod(0o600)
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("opening the store: %w", err)
	}
	return nil
}

// tryLock takes the operating system's lock on the file beside the store. It
// ends with the process, however that ends.
func tryLock(file string) (*flock.Flock, error) {
	name := file + ".lock"
	lock := flock.New(name)
	held, err := lock.TryLock()
	if err != nil {
		return nil, fmt.Errorf("locking %s: %w", name, err)
	}
	if !held {
		holder := ""
		if pid, err := os.ReadFile(name); err == nil && len(pid) > 0 && len(pid) < 20 { //nolint:gosec // the lock beside that path
			holder = " (process " + strings.TrimSpace(string(pid)) + ")"
		}
		return nil, fmt.Errorf("%s: %w%s; stop it, or use another file", file, storage.ErrLocked, holder)
	}
	if err := os.WriteFile(name, []byte(strconv.Itoa(os.Getpid())+"\n"), 0o600); err != nil {
		_ = lock.Unlock() // the first error says more
		return nil, fmt.Errorf("locking %s: %w", name, err)
	}
	return lock, nil
}

func dsn(file string) string {
	options := url.Values{
		"_busy_timeout": {strconv.Itoa(busyMillis)},
		"_journal_mode": {"WAL"},
		"_synchronous":  {"FULL"},
		"_foreign_keys": {"on"},
		"_txlock":       {"immediate"}, // readers say that they only read
		"_defensive":    {"true"},
		"_dqs":          {"false"},
		"_pragma":       {"journal_size_limit(67108864)"},
	}
	return dbfile.Address(file, options)
}

// Ready implements [storage.Store]: it also fails where the file is not the one
// that was opened.
func (db *DB) Ready(ctx context.Context) error {
	if err := db.files.Check(); err != nil {
		return unavailable(err)
	}
	err := db.condition.Ready(func() {
		_ = db.Update(ctx, func(storage.Tx) error { return nil }) // how it ended is noted
	})
	if err != nil {
		return err
	}
	return db.view(ctx, func(t *transaction) error {
		var one int
		return t.row("SELECT 1 FROM goose_db_version LIMIT 1").Scan(&one)
	})
}

// Close implements [storage.Store].
func (db *DB) Close() error {
	db.writing.Lock()
	defer db.writing.Unlock()
	var errs []error
	if db.writer != nil {
		if err := db.writer.Close(); !errors.Is(err, sql.ErrConnDone) {
			errs = append(errs, err)
		}
	}
	if db.sql != nil {
		errs = append(errs, db.sql.Close())
	}
	if db.lock != nil {
		errs = append(errs, db.lock.Unlock())
	}
	return errors.Join(errs...)
}

// Identity implements [storage.Store].
func (db *DB) Identity(ctx context.Context) (id string, err error) {
	err = db.view(ctx, func(t *transaction) error { return t.row(`SELECT id FROM identity`).Scan(&id) })
	return id, err
}
