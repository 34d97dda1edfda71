package sqlite

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/controlplane/internal/telemetry"
)

// The test lets SQLite refuse writes; what real
// disks do is tested with the command.
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
	require.NoError(t, s.Ready(t.Context()), "nobody has found out yet")
	require.ErrorIs(t, report(), telemetry.ErrReadOnly)
	require.ErrorIs(t, s.Ready(t.Context()), telemetry.ErrReadOnly)

	refuse("PRAGMA query_only = 0")
	require.Eventually(t, func() bool { return s.Ready(t.Context()) == nil }, 10*time.Second, 10*time.Millisecond, "without any other write")

	refuse("PRAGMA query_only = 1")
	require.ErrorIs(t, report(), telemetry.ErrReadOnly)
	refuse("PRAGMA query_only = 0")
	require.NoError(t, report())
	require.NoError(t, s.Ready(t.Context()), "a write is news as well")
}
