package sqlite

import (
	"database/sql"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane/internal/storage"
)

// Even if there is always a reader, the write-ahead log of the control store
// exceeds its limit only by one commit, and by what is written while the readers of
// that moment prevent a reset.
func TestWriteAheadLog_OfTheControlStoreUnderSteadyReaders_StaysWithinItsBound(t *testing.T) {
	db := openStore(t)
	db.log.Limit = 2 << 20
	details := map[string]any{"text": strings.Repeat("x", 4000)}
	add := func(n int) {
		write(t, db, func(tx storage.Tx) error {
			for range n {
				if err := tx.Audit().Append("t", noon, aureus.AuditRecord{Kind: "k", Details: details}); err != nil {
					return err
				}
			}
			return nil
		})
	}
	add(2000)
	done := make(chan struct{})
	var readers sync.WaitGroup
	for range 4 {
		readers.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				if err := db.View(t.Context(), func(tx storage.Tx) error {
					return sqlOf(tx).each(func(*sql.Rows) error { return nil }, `SELECT sequence FROM audit LIMIT 2000`)
				}); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	highest := int64(0)
	for range 150 { // about 15 MiB
		add(20)
		info, err := os.Stat(db.file.Path + "-wal")
		require.NoError(t, err)
		highest = max(highest, info.Size())
	}
	close(done)
	readers.Wait()
	t.Logf("the log was %d bytes at most", highest)
	require.Less(t, highest, int64(8<<20), "of 15 MiB that were written")
}
