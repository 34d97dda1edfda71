package sqlite

import (
	"context"
	"database/sql"
	"embed"
	"io/fs"

	"github.com/farmountain/aureus-go/controlplane/internal/dbfile"
)

//go:embed migrations/*.sql
var migrations embed.FS

func migrate(ctx context.Context, db *sql.DB, owner bool) error {
	folder, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return err
	}
	return dbfile.Migrate(ctx, db, folder, owner)
}
