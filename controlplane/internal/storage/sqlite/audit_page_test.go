package sqlite

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane/internal/storage"
	"github.com/farmountain/aureus-go/internal/vocab"
)

// A page of large entries ends before its limit, and the next one goes on behind
// it, so that every entry is read once.
func TestAuditPage_LargeEntries_EndsAtTheBytesOfAPage(t *testing.T) {
	const n = 20
	db := openStore(t)
	large := strings.Repeat("x", 1<<20)
	for range n {
		require.NoError(t, db.Update(t.Context(), func(tx storage.Tx) error {
			return tx.Audit().Append("default", noon, aureus.AuditRecord{Kind: vocab.AuditDecision, Details: map[string]any{"text": large}})
		}))
	}
	var read, pages int
	filter := storage.AuditFilter{Limit: n}
	for more := true; more; pages++ {
		var page []aureus.AuditRecord
		require.NoError(t, db.View(t.Context(), func(tx storage.Tx) (err error) {
			page, more, err = tx.Audit().Page("default", filter)
			return err
		}))
		require.NotEmpty(t, page)
		require.LessOrEqual(t, len(page), storage.MaxPageBytes/len(large))
		require.Equal(t, filter.After+1, page[0].Sequence)
		read, filter.After = read+len(page), page[len(page)-1].Sequence
	}
	require.Equal(t, n, read)
	require.Equal(t, 3, pages)
}
