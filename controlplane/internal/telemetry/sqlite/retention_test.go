package sqlite

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/controlplane/internal/telemetry"
)

func TestOpen_LowerLimits_DeleteTheOldest(t *testing.T) {
	path := filepath.Join(t.TempDir(), "t.db")
	s := openFile(t, path, telemetry.Options{})
	for i := range 100 {
		add(t, s, telemetry.Spans, span(i))
	}
	require.NoError(t, s.Close())
	s = openFile(t, path, telemetry.Options{MaxRows: 10})
	add(t, s, telemetry.Metrics, metric("m", "t"))
	require.Len(t, allOf(t, s, tenant, telemetry.Spans), 10)
	add(t, s, telemetry.Spans, span(100))
	require.Equal(t, span(91), allOf(t, s, tenant, telemetry.Spans)[0])
	require.Equal(t, span(100), allOf(t, s, tenant, telemetry.Spans)[9])
}

func TestRetention_AllDeleted_ArrivalNumbersAreNotReused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "t.db")
	s := openFile(t, path, telemetry.Options{MaxBytes: 1})
	add(t, s, telemetry.Spans, span(1), span(2))
	require.Empty(t, allOf(t, s, tenant, telemetry.Spans))
	require.NoError(t, s.Close())
	s = openFile(t, path, telemetry.Options{})
	add(t, s, telemetry.Spans, span(3))
	page, err := s.selectTrace(tenant, "t").read(t.Context(), telemetry.Paging{}, telemetry.MaxLimit)
	require.NoError(t, err)
	require.EqualValues(t, 3, page.portion[0].Seq)
}

// Items that are too old are deleted every minute, even if nothing is written.
func TestRetention_NoWrites_OldItemsAreDeleted(t *testing.T) {
	path := filepath.Join(t.TempDir(), "t.db")
	synctest.Test(t, func(t *testing.T) {
		s, err := Open(t.Context(), path, telemetry.Options{MaxAge: time.Hour})
		require.NoError(t, err)
		require.NoError(t, s.Append(t.Context(), tenant, read(t, telemetry.Spans, span(1))))
		time.Sleep(59 * time.Minute)
		synctest.Wait()
		require.EqualValues(t, 1, s.Stats().Kinds["spans"].Rows)
		time.Sleep(3 * time.Minute)
		synctest.Wait()
		require.EqualValues(t, 0, s.Stats().Kinds["spans"].Rows)
		require.NoError(t, s.Close())
	})
}

// MaxBytes also limits the size of the file: it stays below twice MaxBytes,
// whatever the items look like.
func TestRetention_ManyItems_FileStaysSmall(t *testing.T) {
	const bound = 2 << 20
	long := strings.Repeat("x", telemetry.MaxKey)
	for name, text := range map[string]func(n int) string{
		"small items": func(n int) string {
			return fmt.Sprintf(`{"id":"%x","trace_id":"%032x","name":"n","start_time":"2026-01-02T03:04:05.%09dZ"}`, n, n*7919%100_003, n)
		},
		"items with a long key": func(n int) string {
			return fmt.Sprintf(`{"id":"1","trace_id":"%d%s","name":"n","start_time":"t"}`, n*7919%100_003, long[6:])
		},
		"large items": func(n int) string {
			return fmt.Sprintf(`{"id":"%d","trace_id":"t","name":%q,"start_time":"t"}`, n, strings.Repeat(long, 5))
		},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "t.db")
			s := openFile(t, path, telemetry.Options{MaxBytes: bound})
			n, written := 0, int64(0)
			for written < 2*bound {
				var items []telemetry.Item
				for range 20 {
					items = append(items, read(t, telemetry.Spans, text(n))...)
					written += items[len(items)-1].Cost()
					n++
				}
				require.NoError(t, s.Append(t.Context(), tenant, items))
			}
			require.LessOrEqual(t, s.Stats().Kinds["spans"].Bytes, int64(bound))
			require.NoError(t, s.Close())
			info, err := os.Stat(path)
			require.NoError(t, err)
			t.Logf("%d bytes on disk, %.2f times MaxBytes; %d rows", info.Size(), float64(info.Size())/bound, n)
			require.Less(t, info.Size(), int64(bound)*2)
		})
	}
}
