package sqlite

import "github.com/farmountain/aureus-go/controlplane/internal/storage"

// sqlOf is the SQL transaction below tx.
func sqlOf(tx storage.Tx) *transaction { return storage.RowsOf(tx).(*transaction) }
