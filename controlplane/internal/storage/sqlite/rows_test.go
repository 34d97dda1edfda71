package sqlite

import "github.com/farmountain/aureus-go/controlplane/internal/storage"

// sqlOf returns the SQL transaction of tx.
func sqlOf(tx storage.Tx) *transaction { return storage.RowsOf(tx).(*transaction) }
