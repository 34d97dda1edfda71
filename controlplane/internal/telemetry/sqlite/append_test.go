package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/controlplane/internal/dbfile"
	"github.com/farmountain/aureus-go/controlplane/internal/telemetry"
)

func TestAppend_ManyCallers_AllIsStored(t *testing.T) {
	s := openStore(t, telemetry.Options{})
	const callers, calls = 16, 25
	var wg sync.WaitGroup
	for c := range callers {
		wg.Go(func() {
			for i := range calls {
				// 33 rows need the statement for many rows and the one for a single
				// row
				items := make([]telemetry.Item, 0, 33)
				for n := range 33 {
					item, err := telemetry.Read(telemetry.Spans, []byte(span((c*calls+i)*33+n)))
					if err != nil {
						t.Error(err)
						return
					}
					items = append(items, item)
				}
				if err := s.Append(t.Context(), tenant, items); err != nil {
					t.Error(err)
					return
				}
				page, err := s.selectTrace(tenant, "t").read(t.Context(), telemetry.Paging{Limit: 10}, telemetry.MaxLimit)
				if err != nil || len(page.portion) != 10 {
					t.Error("a read during writes", err)
				}
			}
		})
	}
	wg.Wait()
	all := allOf(t, s, tenant, telemetry.Spans)
	require.Len(t, all, callers*calls*33)
	for n, body := range all { // each once, in the order of time
		require.Equal(t, span(n), body)
	}
	require.EqualValues(t, len(all), s.Stats().Kinds["spans"].Rows)
}

// hold keeps the writer of the store waiting, as a backup by another program
// would, until the returned function is called.
func hold(t *testing.T, s *Store) (release func()) {
	t.Helper()
	var path string
	require.NoError(t, s.reader.QueryRowContext(t.Context(), "SELECT file FROM pragma_database_list").Scan(&path))
	db, err := sql.Open("sqlite", dbfile.Address(path, connectionOptions("immediate")))
	require.NoError(t, err)
	tx, err := db.BeginTx(t.Context(), nil)
	require.NoError(t, err)
	release = sync.OnceFunc(func() {
		require.NoError(t, tx.Rollback())
		require.NoError(t, db.Close())
	})
	t.Cleanup(release)
	return release
}

// until waits until ok returns true.
func until(t *testing.T, ok func() bool) {
	t.Helper()
	ctx := timeout(t)
	for !ok() {
		require.NoError(t, ctx.Err())
	}
}

func TestAppend_FullQueue_IsRefusedAtOnce(t *testing.T) {
	s := openStore(t, telemetry.Options{QueueBytes: 800})
	release := hold(t, s)
	results := make(chan error, 3)
	report := func(n int) { results <- s.Append(timeout(t), tenant, read(t, telemetry.Spans, span(n))) }

	go report(1) // is taken by the writer, which waits for the lock
	until(t, s.writes)
	go report(2)
	until(t, func() bool { return s.Stats().Waiting == 1 })
	go report(3)
	until(t, func() bool { return s.Stats().Waiting == 2 })

	require.ErrorIs(t, s.Append(t.Context(), tenant, read(t, telemetry.Spans, span(4))), telemetry.ErrBusy)
	require.EqualValues(t, 1, s.Stats().Busy)

	release()
	for range 3 {
		require.NoError(t, <-results)
	}
	require.Equal(t, []string{span(1), span(2), span(3)}, allOf(t, s, tenant, telemetry.Spans), "the refused item is not stored")
	add(t, s, telemetry.Spans, span(4))
}

func TestAppend_CallLargerThanTheQueue_IsTakenAlone(t *testing.T) {
	s := openStore(t, telemetry.Options{QueueBytes: 10})
	add(t, s, telemetry.Spans, span(1), span(2))
	require.Len(t, allOf(t, s, tenant, telemetry.Spans), 2)
}

func TestAppend_CallerGivesUp_ItsItemsAreNotStored(t *testing.T) {
	s := openStore(t, telemetry.Options{})
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, s.Append(ended, tenant, read(t, telemetry.Spans, span(0))), context.Canceled)

	release := hold(t, s)
	results := make(chan error, 1)
	ctx, items := timeout(t), read(t, telemetry.Spans, span(1))
	go func() { results <- s.Append(ctx, tenant, items) }()
	until(t, s.writes)

	short, giveUp := context.WithCancel(t.Context())
	impatient, others := make(chan error, 1), read(t, telemetry.Spans, span(2))
	go func() { impatient <- s.Append(short, tenant, others) }()
	until(t, func() bool { return s.Stats().Waiting == 1 })
	giveUp()
	require.ErrorIs(t, <-impatient, context.Canceled)

	release()
	require.NoError(t, <-results)
	add(t, s, telemetry.Spans, span(3))
	require.Equal(t, []string{span(1), span(3)}, allOf(t, s, tenant, telemetry.Spans))
}

func TestClose_ItemsWait_AreCommitted(t *testing.T) {
	path := t.TempDir() + "/t.db"
	s := openFile(t, path, telemetry.Options{})
	const callers = 50
	acknowledged := make(chan int, callers*1000)
	var wg sync.WaitGroup
	for c := range callers {
		wg.Go(func() {
			for i := range 1000 {
				n := c*1000 + i
				item, err := telemetry.Read(telemetry.Spans, []byte(span(n)))
				if err != nil {
					t.Error(err)
				}
				err = s.Append(context.Background(), tenant, []telemetry.Item{item})
				if errors.Is(err, telemetry.ErrClosed) {
					return
				}
				if err != nil {
					t.Error(err)
					return
				}
				acknowledged <- n
			}
		})
	}
	until(t, func() bool { return len(acknowledged) > callers })
	require.NoError(t, s.Close())
	wg.Wait()
	close(acknowledged)

	s = openFile(t, path, telemetry.Options{})
	there := map[string]bool{}
	for _, body := range allOf(t, s, tenant, telemetry.Spans) {
		there[body] = true
	}
	n := 0
	for id := range acknowledged {
		require.True(t, there[span(id)], "span %d was acknowledged", id)
		n++
	}
	require.Len(t, there, n, "no other item is stored")
}

func TestClose_MoreThanOneTransactionWaits_AllIsCommitted(t *testing.T) {
	path := t.TempDir() + "/t.db"
	s := openFile(t, path, telemetry.Options{QueueBytes: 10 * maxCommit})
	release := hold(t, s)
	results := make(chan error, 5)
	for n := range 5 {
		items := read(t, telemetry.Spans, span(n))
		items[0] = items[0].WithCost(maxCommit) // so that each needs its own transaction
		go func() { results <- s.Append(timeout(t), tenant, items) }()
		until(t, func() bool { return s.writes() && s.Stats().Waiting == n })
	}
	closed := make(chan error, 1)
	go func() { closed <- s.Close() }()
	until(t, s.closed.Load)
	release()
	require.NoError(t, <-closed)
	for range 5 {
		require.NoError(t, <-results)
	}
	s = openFile(t, path, telemetry.Options{})
	require.Len(t, allOf(t, s, tenant, telemetry.Spans), 5)
}

func TestAppend_FullDisk_IsAnError(t *testing.T) {
	s := openStore(t, telemetry.Options{})
	add(t, s, telemetry.Spans, span(1))
	var pages int
	require.NoError(t, s.writer.QueryRowContext(t.Context(), "PRAGMA page_count").Scan(&pages))
	_, err := s.writer.ExecContext(t.Context(), fmt.Sprintf("PRAGMA max_page_count = %d", pages))
	require.NoError(t, err)
	before := s.Stats()

	large := `{"id":"2","trace_id":"t","name":"` + strings.Repeat("x", telemetry.MaxKey) + `","start_time":"2026-01-02T03:04:05.000000002Z"}`
	items := read(t, telemetry.Spans, span(3))
	for range 10 {
		items = append(items, read(t, telemetry.Spans, large)...)
	}
	err = s.Append(t.Context(), tenant, items)
	require.ErrorIs(t, err, telemetry.ErrUnavailable)
	require.ErrorIs(t, err, telemetry.ErrDiskFull)
	require.Equal(t, []string{span(1)}, allOf(t, s, tenant, telemetry.Spans), "no part of the batch is stored")
	require.Equal(t, before, s.Stats())

	_, err = s.writer.ExecContext(t.Context(), "PRAGMA max_page_count = 1000000")
	require.NoError(t, err)
	require.NoError(t, s.Append(t.Context(), tenant, items), "the store recovers by itself")
	require.Len(t, allOf(t, s, tenant, telemetry.Spans), 12)
	require.EqualValues(t, 12, s.Stats().Kinds["spans"].Rows)
}

func TestAppend_ReadOnlyFile_IsAnError(t *testing.T) {
	s := openStore(t, telemetry.Options{})
	_, err := s.writer.ExecContext(t.Context(), "PRAGMA query_only = 1")
	require.NoError(t, err)
	err = s.Append(t.Context(), tenant, read(t, telemetry.Spans, span(1)))
	require.ErrorIs(t, err, telemetry.ErrUnavailable)
	require.ErrorIs(t, err, telemetry.ErrReadOnly)
	_, err = s.writer.ExecContext(t.Context(), "PRAGMA query_only = 0")
	require.NoError(t, err)
	add(t, s, telemetry.Spans, span(1))
	require.Len(t, allOf(t, s, tenant, telemetry.Spans), 1)
}

func TestAppend_WriterPanics_CallersGetAnError(t *testing.T) {
	s := openStore(t, telemetry.Options{})
	item := read(t, telemetry.Events, `{"type":"custom","timestamp":"t","data":{}}`)[0].WithColumns(make(chan int)) // the wrong number of columns
	require.Error(t, s.Append(t.Context(), tenant, []telemetry.Item{item}))
	add(t, s, telemetry.Spans, span(1))
	require.Len(t, allOf(t, s, tenant, telemetry.Spans), 1)
}

// writes reports whether the writer has begun a transaction.
func (s *Store) writes() bool { return s.writer.Stats().InUse == 1 }
