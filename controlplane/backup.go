package controlplane

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"

	_ "modernc.org/sqlite" // the engine, as a database/sql driver

	"github.com/farmountain/aureus-go/controlplane/internal/dbfile"
)

// Backup copies a control plane's two files, db and the telemetry beside it,
// into the folder to, whether or not a server has them open. Each copy is whole
// and of one moment: the control data first, the telemetry a little later, so that
// the stored responses to Idempotency-Keys, which are in the control data, never
// tell of telemetry that the copy does not have. It is a database like the
// original, so that restoring is opening it, or putting it in the place of the
// original while no server runs. The folder is made if it is not there; a file
// that is there already is never written over.
func Backup(ctx context.Context, db, to string) error {
	if db == "" {
		return errNoDB
	}
	if err := os.MkdirAll(to, 0o700); err != nil {
		return fmt.Errorf("controlplane: backup: %w", err)
	}
	control, telemetry, _, err := (&Config{DB: db}).files()
	if err != nil {
		return err
	}
	for _, source := range []string{control, telemetry} {
		if err := copyDatabase(ctx, source, to); err != nil {
			return fmt.Errorf("controlplane: backup of %s: %w", source, err)
		}
	}
	return syncFolder(to)
}

// copyDatabase writes what a reader of the file sees now into a new file of its
// name in the folder.
func copyDatabase(ctx context.Context, source, folder string) (err error) {
	if source, err = filepath.Abs(source); err != nil {
		return err
	}
	target, err := filepath.Abs(filepath.Join(folder, filepath.Base(source)))
	if err != nil {
		return err
	}
	switch _, err := os.Stat(source); {
	case errors.Is(err, os.ErrNotExist):
		return fmt.Errorf("%w: a server makes it when it first opens the database", err)
	case err != nil:
		return err
	}
	file, err := os.OpenFile(target, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600) //nolint:gosec // the operator's own path
	if err != nil {
		return err
	}
	defer func() {
		if err == nil {
			err = file.Sync()
		}
		if err = errors.Join(err, file.Close()); err != nil {
			_ = os.Remove(target) // a part of a backup is none
		}
	}()
	reader, err := sql.Open("sqlite", dbfile.Address(source, url.Values{"_pragma": {"busy_timeout(10000)"}, "mode": {"rw"}}))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, reader.Close()) }()
	if _, err = reader.ExecContext(ctx, "VACUUM INTO ?", target); err != nil {
		return err
	}
	return becomeAnother(ctx, target)
}

// becomeAnother gives a copy an identity of its own: what happens in it from now
// on is not what happens in the original, and who followed that one is told.
func becomeAnother(ctx context.Context, file string) (err error) {
	db, err := sql.Open("sqlite", dbfile.Address(file, url.Values{"mode": {"rw"}}))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	var has int
	if err := db.QueryRowContext(ctx, "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = 'identity'").Scan(&has); err != nil || has == 0 {
		return err // a file of an older version gets one when it is opened
	}
	_, err = db.ExecContext(ctx, "UPDATE identity SET id = lower(hex(randomblob(6)))")
	return err
}

func syncFolder(folder string) error {
	dir, err := os.Open(folder) //nolint:gosec // the operator's own path
	if err != nil {
		return err
	}
	err = dir.Sync()
	return errors.Join(err, dir.Close())
}
