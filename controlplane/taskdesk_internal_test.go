package controlplane

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane/internal/store"
)

// A task that goes on with no approval of its own spends none, not even one
// without a name.
func TestATaskWithoutAnApprovalSpendsNone(t *testing.T) {
	srv, err := Open(t.Context(), Config{DB: filepath.Join(t.TempDir(), "aureus.db")})
	require.NoError(t, err)
	defer func() { require.NoError(t, srv.Close()) }()
	for _, id := range []string{"", "apr_0123456789abcdefghijklmnop"} {
		require.ErrorIs(t, srv.db.Write(t.Context(), func(tx *store.Tx) error {
			own := &taskDesk{desk: &desk{server: srv, tx: tx, caller: caller{tenant: "default", subject: "s"}}, runID: "run", taskID: "task"}
			return own.ConsumeApproval(t.Context(), id, aureus.ApprovalUse{})
		}), aureus.ErrApprovalUnknown, id)
	}
}
