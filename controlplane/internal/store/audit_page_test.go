package store

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
)

// A page of large entries ends before its limit, and the next one goes on behind
// it, so that every entry is read once.
func TestAuditPage_LargeEntries_EndsAtTheBytesOfAPage(t *testing.T) {
	const n = 20
	db := openStore(t)
	large := strings.Repeat("x", 1<<20)
	for range n {
		require.NoError(t, db.Write(t.Context(), func(tx *Tx) error {
			return tx.AppendAudit("default", noon, aureus.AuditRecord{Kind: aureus.AuditDecision, Details: map[string]any{"text": large}})
		}))
	}
	var read, pages int
	filter := AuditFilter{Limit: n}
	for more := true; more; pages++ {
		var page []aureus.AuditRecord
		require.NoError(t, db.Read(t.Context(), func(tx *Tx) (err error) {
			page, more, err = tx.AuditPage("default", filter)
			return err
		}))
		require.NotEmpty(t, page)
		require.LessOrEqual(t, len(page), maxPageBytes/len(large))
		require.Equal(t, filter.After+1, page[0].Sequence)
		read, filter.After = read+len(page), page[len(page)-1].Sequence
	}
	require.Equal(t, n, read)
	require.Equal(t, 3, pages)
}
