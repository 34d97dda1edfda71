package telemetry

import (
	"context"
	"crypto/sha256"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

var anHourAgo = time.Now().Add(-time.Hour).Truncate(time.Millisecond)

// answer is one that was given now, to the request and with the text n.
func answer(n int) Answer {
	text := strconv.Itoa(n)
	return Answer{
		Scope: sha256.Sum256([]byte("scope " + text)), Request: sha256.Sum256([]byte(text)), At: time.Now().Truncate(time.Millisecond),
		Status: 200, Header: map[string][]string{"Content-Type": {"application/json"}}, Body: []byte(text),
	}
}

func keepAnswers(t testing.TB, s *Store, answers ...Answer) {
	t.Helper()
	for _, a := range answers {
		require.NoError(t, s.KeepAnswer(t.Context(), a))
	}
}

func answersOf(t testing.TB, s *Store, since time.Time) []Answer {
	t.Helper()
	all := []Answer{}
	for a, err := range s.Answers(t.Context(), since) {
		require.NoError(t, err)
		all = append(all, a)
	}
	return all
}

// texts are the bodies of the answers that are there.
func texts(t testing.TB, s *Store) []string {
	t.Helper()
	all := []string{}
	for _, a := range answersOf(t, s, time.Time{}) {
		all = append(all, string(a.Body))
	}
	return all
}

func TestAnswersAreThereAfterReopening(t *testing.T) {
	path := filepath.Join(t.TempDir(), "t.db")
	s := openFile(t, path, Options{})
	old, plain, empty := answer(1), answer(2), answer(3)
	old.At = old.At.Add(-5 * time.Minute)
	plain.Status, plain.Header = 201, map[string][]string{"Etag": {`"1"`}, "Link": {"<a>", "<b>"}}
	plain.Body = []byte("\x00 {\"größer\":1}\n")
	empty.Body, empty.Header = nil, nil
	keepAnswers(t, s, old, plain, empty)
	require.NoError(t, s.Close())

	s = openFile(t, path, Options{})
	empty.Body, empty.Header = []byte{}, nil
	stored := answersOf(t, s, old.At)
	require.Len(t, stored, 3)
	require.Empty(t, stored[2].Body)
	require.Empty(t, stored[2].Header)
	for i, want := range []Answer{old, plain} {
		require.True(t, want.At.Equal(stored[i].At))
		stored[i].At = want.At
		require.Equal(t, want, stored[i])
	}
	require.Len(t, answersOf(t, s, old.At.Add(time.Millisecond)), 2)
	require.Empty(t, s.Stats().Kinds["spans"].Rows)
	keepAnswers(t, s, answer(4))
	require.Len(t, answersOf(t, s, old.At), 4, "the order of arrival goes on")
}

func TestTheOldestAnswersGoFirst(t *testing.T) {
	t.Run("by number", func(t *testing.T) {
		s := openStore(t, Options{})
		s.answerBounds.rows = 3
		keepAnswers(t, s, answer(1), answer(2), answer(3), answer(4), answer(5))
		require.Equal(t, []string{"3", "4", "5"}, texts(t, s))
		require.Equal(t, usage{rows: 3, cost: 3, lastSeq: 5, trimmed: 2}, s.answers)
	})
	t.Run("by size", func(t *testing.T) {
		s := openStore(t, Options{})
		s.answerBounds.cost = 10
		large := answer(2)
		large.Body = []byte("8 bytes.")
		keepAnswers(t, s, answer(1), large, answer(3), answer(4))
		require.Equal(t, []string{"8 bytes.", "3", "4"}, texts(t, s))
	})
	t.Run("by age", func(t *testing.T) {
		var now atomic.Pointer[time.Time]
		began := time.Now()
		now.Store(&began)
		s := openStore(t, Options{Clock: func() time.Time { return *now.Load() }})
		keepAnswers(t, s, answer(1))
		later := began.Add(AnswerLife + time.Second)
		now.Store(&later)
		add(t, s, Spans, span(1))
		require.Equal(t, []string{"1"}, texts(t, s), "telemetry does not look at answers")
		second := answer(2)
		second.At = later
		keepAnswers(t, s, second)
		require.Equal(t, []string{"2"}, texts(t, s))
	})
	t.Run("a portion at a time", func(t *testing.T) {
		s := openStore(t, Options{})
		s.answerBounds.portion = 3
		expired := make([]Answer, 10)
		for i := range expired {
			expired[i] = answer(i)
			expired[i].At = anHourAgo
		}
		s.answerBounds.age = 0
		keepAnswers(t, s, expired...)
		s.answerBounds.age = AnswerLife
		keepAnswers(t, s, answer(10))
		require.Equal(t, []string{"3", "4", "5", "6", "7", "8", "9", "10"}, texts(t, s))
		keepAnswers(t, s, answer(11), answer(12), answer(13))
		require.Equal(t, []string{"10", "11", "12", "13"}, texts(t, s))
	})
}

// TestAnswersAreBounded runs the real bounds.
func TestAnswersAreBounded(t *testing.T) {
	s := openStore(t, Options{})
	var writers sync.WaitGroup
	for w := range 100 {
		writers.Go(func() {
			for n := range MaxAnswers/100 + 1 {
				if err := s.KeepAnswer(context.Background(), answer(w*MaxAnswers+n)); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	writers.Wait()
	require.Len(t, texts(t, s), MaxAnswers)
	large := answer(0)
	large.Body = make([]byte, MaxAnswer)
	for range MaxAnswerBytes/MaxAnswer + 30 { // small ones go a portion at a time
		keepAnswers(t, s, large)
	}
	size := 0
	for _, text := range texts(t, s) {
		size += len(text)
	}
	require.LessOrEqual(t, size, MaxAnswerBytes)
	require.Equal(t, int64(size), s.answers.cost)

	large.Body = make([]byte, MaxAnswer+1)
	require.ErrorContains(t, s.KeepAnswer(t.Context(), large), "too large")
}

// In a quiet minute, what has expired goes without another answer.
func TestExpiredAnswersGoByThemselves(t *testing.T) {
	path := filepath.Join(t.TempDir(), "t.db")
	synctest.Test(t, func(t *testing.T) {
		s, err := Open(t.Context(), path, Options{})
		require.NoError(t, err)
		keepAnswers(t, s, answer(1))
		time.Sleep(AnswerLife - time.Minute)
		synctest.Wait()
		require.Equal(t, []string{"1"}, texts(t, s))
		time.Sleep(3 * time.Minute)
		synctest.Wait()
		require.Empty(t, texts(t, s))
		require.NoError(t, s.Close())
	})
}

// Telemetry that fills the queue neither refuses an answer nor goes before it.
func TestAnswersDoNotWaitBehindTelemetry(t *testing.T) {
	s := openStore(t, Options{QueueBytes: 2 * maxCommit})
	release := hold(t, s)
	order := make(chan string, 4)
	report := func(n int) {
		items := read(t, Spans, span(n))
		items[0].cost = maxCommit // each has to have a transaction of its own
		go func() {
			if err := s.Append(context.Background(), tenant, items); err != nil {
				t.Error(err)
			}
			order <- "telemetry"
		}()
	}
	report(1)
	until(t, s.writes)
	report(2)
	until(t, func() bool { return s.Stats().Waiting == 1 })
	report(3)
	until(t, func() bool { return s.Stats().Waiting == 2 })
	require.ErrorIs(t, s.Append(t.Context(), tenant, read(t, Spans, span(4))), ErrBusy)
	go func() {
		if err := s.KeepAnswer(context.Background(), answer(1)); err != nil {
			t.Error(err)
		}
		order <- "answer"
	}()
	until(t, func() bool {
		s.queue.mu.Lock()
		defer s.queue.mu.Unlock()
		return s.queue.answers.requests == 1
	})
	batch, ended := s.queue.peek()
	require.False(t, ended)
	require.Equal(t, []bool{true, false}, batch, "the answer goes with the next transaction, and telemetry does not wait for ever")
	release()
	for range 4 {
		<-order
	}
	require.Equal(t, []string{"1"}, texts(t, s))
}

func (l *lane) copied() (c lane) {
	for tenant, w := range l.tenants {
		for _, r := range w.requests {
			c.push(&request{tenant: tenant, answer: r.answer, cost: r.cost})
		}
	}
	return c
}

// peek says of what would be taken next whether it is an answer.
func (q *queue) peek() (answers []bool, ended bool) {
	q.mu.Lock()
	copied := queue{answers: q.answers.copied(), items: q.items.copied(), wake: make(chan struct{}, 1)}
	q.mu.Unlock()
	batch, ended := copied.take(maxCommit)
	for _, r := range batch {
		answers = append(answers, r.answer != nil)
	}
	return answers, ended
}

func TestAnAnswerOnAFullDisk(t *testing.T) {
	s := openStore(t, Options{})
	keepAnswers(t, s, answer(1))
	var pages int
	require.NoError(t, s.writer.QueryRowContext(t.Context(), "PRAGMA page_count").Scan(&pages))
	limit := func(pages int) {
		_, err := s.writer.ExecContext(t.Context(), fmt.Sprintf("PRAGMA max_page_count = %d", pages))
		require.NoError(t, err)
	}
	limit(pages)
	large := answer(2)
	large.Body = []byte(strings.Repeat("x", 100_000))
	require.ErrorIs(t, s.KeepAnswer(t.Context(), large), ErrDiskFull)
	require.Equal(t, []string{"1"}, texts(t, s))
	limit(1_000_000)
	keepAnswers(t, s, large)
	require.Len(t, texts(t, s), 2)
	require.Equal(t, usage{rows: 2, cost: 100_001, lastSeq: 2}, s.answers, "what was not stored does not count")
}

func TestAnAnswerThatIsNotKept(t *testing.T) {
	s := openStore(t, Options{})
	release := hold(t, s)
	ctx, giveUp := context.WithCancel(t.Context())
	busy := make(chan error, 1)
	items := read(t, Spans, span(1))
	go func() { busy <- s.Append(context.Background(), tenant, items) }()
	until(t, s.writes)
	impatient := make(chan error, 1)
	go func() { impatient <- s.KeepAnswer(ctx, answer(1)) }()
	giveUp()
	require.ErrorIs(t, <-impatient, context.Canceled)
	release()
	require.NoError(t, <-busy)
	require.NoError(t, s.Close())
	require.ErrorIs(t, s.KeepAnswer(t.Context(), answer(2)), ErrClosed)
}

func TestADamagedAnswerIsAnError(t *testing.T) {
	for name, change := range map[string]string{
		"a hash of another length": "UPDATE answers SET scope = x'00'",
		"a header that is no JSON": "UPDATE answers SET header = '{'",
	} {
		t.Run(name, func(t *testing.T) {
			s := openStore(t, Options{})
			keepAnswers(t, s, answer(1), answer(2))
			_, err := s.writer.ExecContext(t.Context(), change)
			require.NoError(t, err)
			n := 0
			for _, err := range s.Answers(t.Context(), time.Time{}) {
				require.Error(t, err)
				n++
			}
			require.Equal(t, 1, n, "it ends there")
		})
	}
}

func BenchmarkKeepAnswer(b *testing.B) {
	s := openStore(b, Options{})
	a := answer(1)
	a.Body = make([]byte, 300)
	b.ReportAllocs()
	for b.Loop() {
		if err := s.KeepAnswer(b.Context(), a); err != nil {
			b.Fatal(err)
		}
	}
}
