package sqlite

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/controlplane/internal/telemetry"
)

// The test makes SQLite refuse writes. The tests of the command use real disks.
func TestReady_StoreWithoutWrites_IsAnError(t *testing.T) {
	s := openStore(t, telemetry.Options{})
	refuse := func(statement string) {
		_, err := s.writer.ExecContext(t.Context(), statement)
		require.NoError(t, err)
	}
	report := func() error { return s.Append(t.Context(), tenant, read(t, telemetry.Spans, span(1))) }
	require.NoError(t, report())
	require.NoError(t, s.Ready(t.Context()))

	refuse("PRAGMA query_only = 1")
	require.NoError(t, s.Ready(t.Context()), "no write has failed yet")
	require.ErrorIs(t, report(), telemetry.ErrReadOnly)
	require.ErrorIs(t, s.Ready(t.Context()), telemetry.ErrReadOnly)

	refuse("PRAGMA query_only = 0")
	require.Eventually(t, func() bool { return s.Ready(t.Context()) == nil }, 10*time.Second, 10*time.Millisecond, "Ready tries a write itself")

	refuse("PRAGMA query_only = 1")
	require.ErrorIs(t, report(), telemetry.ErrReadOnly)
	refuse("PRAGMA query_only = 0")
	require.NoError(t, report())
	require.NoError(t, s.Ready(t.Context()), "a successful write clears the failure")
}
