package controlplane

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"

	_ "modernc.org/sqlite" // registers the driver "sqlite"

	"github.com/farmountain/aureus-go/controlplane/internal/dbfile"
	"github.com/farmountain/aureus-go/controlplane/internal/seal"
	"github.com/farmountain/aureus-go/controlplane/internal/storage/sqlite"
)

// Backup copies the two files of a control plane, db and the telemetry file beside it,
// into the folder to. A server may have them open. Each copy is a consistent snapshot.
// The control data is copied first and the telemetry second, so that the control data of
// a backup never has a stored response to a report whose telemetry is missing. A copy is
// an ordinary database: to restore it, open it, or put it in the place of the original
// while no server runs. Backup creates the folder if necessary and never overwrites a
// file.
//
// A key file beside the database is copied too: without it, a copy cannot be opened. So
// whoever has the backup can sign as this installation. A key file elsewhere, see
// [Config.SigningKeyFile], is not copied; keep a copy of it yourself.
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
	// After the database, so that it has the keys that the copy of the database names.
	if err := copyKey(control, to); err != nil {
		return fmt.Errorf("controlplane: backup of the signing key of %s: %w", control, err)
	}
	return dbfile.SyncFolder(to)
}

// copyKey copies the key file beside the database into a new file in the folder.
func copyKey(db, folder string) error {
	db, err := filepath.Abs(db)
	if err != nil {
		return err
	}
	if db, err = filepath.EvalSymlinks(db); err != nil {
		return err
	}
	file := sqlite.KeyFile(db)
	ring, err := seal.Load(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return ring.CopyTo(filepath.Join(folder, filepath.Base(file)))
}

// copyDatabase copies the present state of a database file into a new file with the
// same name in the folder.
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
		return fmt.Errorf("%w: a server creates the file when it first opens the database", err)
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
			_ = os.Remove(target) // an incomplete copy must not look like a backup
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
	return newIdentity(ctx, target)
}

// newIdentity gives a copy an identity of its own. Clients that followed the event
// stream of the original then notice that they follow another database.
func newIdentity(ctx context.Context, file string) (err error) {
	db, err := sql.Open("sqlite", dbfile.Address(file, url.Values{"mode": {"rw"}}))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	var has int
	if err := db.QueryRowContext(ctx, "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = 'identity'").Scan(&has); err != nil || has == 0 {
		return err // a file of an older version gets an identity when it is opened
	}
	_, err = db.ExecContext(ctx, "UPDATE identity SET id = lower(hex(randomblob(6)))")
	return err
}
