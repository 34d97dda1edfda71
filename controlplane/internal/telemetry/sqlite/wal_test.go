package sqlite

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/controlplane/internal/telemetry"
)

// Even if there is always a reader, the write-ahead log exceeds its limit only by
// one commit, and by what is written while the readers of that moment prevent a
// reset.
func TestWriteAheadLog_UnderSteadyReaders_StaysWithinItsBound(t *testing.T) {
	s := openStore(t, telemetry.Options{})
	s.checkpoint.Limit = 2 << 20
	_, err := s.writer.ExecContext(t.Context(), "PRAGMA wal_autocheckpoint = 200")
	require.NoError(t, err)
	add(t, s, telemetry.Spans, span(1))
	done := make(chan struct{})
	var readers sync.WaitGroup
	for range maxReaders {
		readers.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				if err := readSome(t.Context(), s); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	text := strings.Repeat("x", 4000)
	highest := int64(0)
	for i := range 150 { // about 15 MiB
		var texts []string
		for n := range 20 {
			texts = append(texts, fmt.Sprintf(`{"id":"%d","trace_id":"%d","name":%q,"start_time":"t"}`, n, i, text))
		}
		add(t, s, telemetry.Spans, texts...)
		info, err := os.Stat(s.file.Path + "-wal")
		require.NoError(t, err)
		highest = max(highest, info.Size())
	}
	close(done)
	readers.Wait()
	t.Logf("the log was %d bytes at most", highest)
	require.Less(t, highest, int64(6<<20), "of 15 MiB that were written")
	require.Zero(t, s.checkpointFailed.Load())
}

// readSome holds a read transaction for as long as it takes to read 2,000 rows.
func readSome(ctx context.Context, s *Store) error {
	rows, err := s.reader.QueryContext(ctx, "SELECT seq FROM spans LIMIT 2000")
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }() // Err returns the error
	read := 0
	for rows.Next() {
		read++
	}
	return rows.Err()
}
