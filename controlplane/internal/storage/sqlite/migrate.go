package sqlite

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"

	"github.com/pressly/goose/v3"
)

//go:embed migrations/*.sql
var migrations embed.FS

// migrate brings the schema up to date, or only checks it where another
// process owns the file. A file of a later version is refused: this program
// does not know what it means.
func migrate(ctx context.Context, db *sql.DB, owner bool) error {
	var mode string
	if err := db.QueryRowContext(ctx, "PRAGMA journal_mode").Scan(&mode); err != nil {
		return err
	}
	if mode != "wal" {
		return fmt.Errorf("the file system offers the journal mode %s instead of wal; put the file on a local disk", mode)
	}
	folder, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return err
	}
	provider, err := goose.NewProvider(goose.DialectSQLite3, db, folder,
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
		return fmt.Errorf("the file has version %d of the schema and this program knows up to %d: it was written by a newer one", have, want)
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
