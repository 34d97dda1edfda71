package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"
	"sync"

	"github.com/farmountain/aureus-go/controlplane/internal/dbfile"
	"github.com/farmountain/aureus-go/controlplane/internal/seal"
	"github.com/farmountain/aureus-go/controlplane/internal/storage"
)

const (
	connections = 8
	busyMillis  = 5000
)

// DB is an open store: it implements [storage.Store]. It is safe for concurrent use.
type DB struct {
	sql    *sql.DB
	writer *sql.Conn // a connection of sql, used for every write and guarded by writing; it keeps the write-ahead log from being deleted

	options   storage.Options
	file      *dbfile.Opened
	log       dbfile.Checkpoint // guarded by writing
	condition dbfile.Condition

	writing chan struct{} // holds a token during a commit
	queue   struct {
		sync.Mutex
		jobs      []*job
		largeNext bool // whether the next commit is for a large write, if one waits
	}
}

// Open opens the file for a server and applies missing migrations. It creates the file
// with mode 0600 if it does not exist. It fails with storage.ErrLocked if another
// process has the file open.
func Open(ctx context.Context, path string, options storage.Options) (*DB, error) {
	return open(ctx, path, options, true)
}

// OpenBeside opens the file for a short administrative task, even if a server has it
// open. It applies missing migrations only if no server has the file open, and
// otherwise fails if one is missing.
func OpenBeside(ctx context.Context, path string) (*DB, error) {
	return open(ctx, path, storage.Options{}, false)
}

func open(ctx context.Context, path string, options storage.Options, exclusive bool) (_ *DB, err error) {
	opened, err := dbfile.Open(path, exclusive)
	if errors.Is(err, dbfile.ErrLocked) {
		return nil, fmt.Errorf("%w: %w", storage.ErrLocked, err)
	}
	if err != nil {
		return nil, fmt.Errorf("opening the store: %w", err)
	}
	db := &DB{file: opened, options: options, writing: make(chan struct{}, 1)}
	defer func() {
		if err != nil {
			_ = db.Close() // the first error is more useful
		}
	}()
	if db.sql, err = opened.Connect(connectionOptions()); err != nil {
		return nil, fmt.Errorf("opening %s: %w", opened.Path, err)
	}
	db.sql.SetMaxOpenConns(connections)
	db.sql.SetMaxIdleConns(connections)
	if db.writer, err = db.sql.Conn(ctx); err != nil {
		return nil, notOpened(opened.Path, err)
	}
	if err := migrate(ctx, db.sql, opened.Owner()); err != nil {
		return nil, notOpened(opened.Path, err)
	}
	if err := opened.Files.NoteLog(); err != nil {
		return nil, fmt.Errorf("opening %s: %w", opened.Path, err)
	}
	if db.options.SigningKey, err = storage.OpenSigningKey(ctx, db, KeyFile(opened.Path), options.SigningKeyFile); err != nil {
		return nil, fmt.Errorf("opening %s: %w", opened.Path, err)
	}
	return db, nil
}

// KeyFile returns the path of the signing key beside a database.
func KeyFile(db string) string {
	const ending = ".key"
	if file := strings.TrimSuffix(db, filepath.Ext(db)) + ending; file != db {
		return file
	}
	return db + ending
}

// KeyFile returns the path of the signing key beside the database.
func (db *DB) KeyFile() string { return KeyFile(db.file.Path) }

// SigningKey implements [storage.Store].
func (db *DB) SigningKey() *seal.Key { return db.options.SigningKey }

func notOpened(file string, err error) error {
	if err = classify(err); errors.Is(err, storage.ErrUnavailable) {
		return fmt.Errorf("opening %s: %w; is there room on its disk, and is its folder writable?", file, err)
	}
	return fmt.Errorf("opening %s: %w", file, err)
}

func connectionOptions() url.Values {
	return url.Values{
		"_busy_timeout": {strconv.Itoa(busyMillis)},
		"_journal_mode": {"WAL"},
		"_synchronous":  {"FULL"},
		"_foreign_keys": {"on"},
		"_txlock":       {"immediate"}, // views are begun as read-only
		"_defensive":    {"true"},
		"_dqs":          {"false"},
		"_pragma":       {"journal_size_limit(67108864)"},
	}
}

// Ready implements [storage.Store]: it also fails if the file is not the one
// that was opened.
func (db *DB) Ready(ctx context.Context) error {
	if err := db.file.Files.Check(); err != nil {
		return unavailable(err)
	}
	err := db.condition.Ready(func() {
		_ = db.Update(ctx, func(storage.Tx) error { return nil }) // condition records the result
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
	db.writing <- struct{}{}
	defer func() { <-db.writing }()
	var errs []error
	if db.writer != nil {
		if err := db.writer.Close(); !errors.Is(err, sql.ErrConnDone) {
			errs = append(errs, err)
		}
	}
	if db.sql != nil {
		errs = append(errs, db.sql.Close())
	}
	return errors.Join(append(errs, db.file.Unlock())...)
}

// Identity implements [storage.Store].
func (db *DB) Identity(ctx context.Context) (id string, err error) {
	err = db.view(ctx, func(t *transaction) error { return t.row(`SELECT id FROM identity`).Scan(&id) })
	return id, err
}
