package sqlite

import (
	"context"
	"database/sql"
	"sync"
	"sync/atomic"

	"github.com/farmountain/aureus-go/controlplane/internal/dbfile"
	"github.com/farmountain/aureus-go/controlplane/internal/telemetry"
)

// Store is an open file: it implements [telemetry.Store]. Make one with [Open].
type Store struct {
	options          telemetry.Options
	file             *dbfile.Opened
	condition        dbfile.Condition
	writer           *sql.DB // one connection, used by the writing goroutine
	reader           *sql.DB
	queue            *queue
	checkpoint       dbfile.Checkpoint // the writing goroutine's own
	checkpointFailed atomic.Int64
	done             chan struct{} // closed when the writing goroutine has ended
	closed           atomic.Bool
	closing          sync.Once
	closeError       error

	usage  [telemetry.Events + 1]usage        // by kind; the writing goroutine's own
	stale  bool                               // usage has to be read again; the writing goroutine's own
	tellMu sync.Mutex                         // guards told
	told   [telemetry.Events + 1]usage        // usage as of the last commit
	latest [telemetry.Events + 1]atomic.Int64 // the last seq of each kind that is committed
	busy   atomic.Int64

	shares [telemetry.Events + 1]map[string]*tenantShare // by kind and tenant; the writing goroutine's own

	identity   string
	inserts    inserts // the writing goroutine's own
	statements statements
}

// usage is what a kind's table holds.
type usage struct{ rows, cost, lastSeq, trimmed int64 }

// Stats implements [telemetry.Store].
func (s *Store) Stats() telemetry.Stats {
	s.tellMu.Lock()
	defer s.tellMu.Unlock()
	stats := telemetry.Stats{Kinds: make(map[string]telemetry.KindStats, len(telemetry.Kinds)), Waiting: s.queue.waiting(), Busy: s.busy.Load()}
	for _, kind := range telemetry.Kinds {
		u := s.told[kind]
		stats.Kinds[kind.String()] = telemetry.KindStats{Rows: u.rows, Bytes: u.cost, Trimmed: u.trimmed}
	}
	return stats
}

func newStore(options telemetry.Options) *Store {
	options = options.WithDefaults()
	return &Store{options: options, queue: newQueue(options.QueueBytes), done: make(chan struct{}), stale: true}
}

// start reads what the file holds and begins to write.
func (s *Store) start(ctx context.Context) error {
	if err := s.loadUsage(ctx); err != nil {
		return err
	}
	if err := s.writer.QueryRowContext(ctx, "SELECT id FROM identity").Scan(&s.identity); err != nil {
		return err
	}
	if err := s.inserts.prepare(ctx, s.writer); err != nil {
		return err
	}
	s.publish()
	go s.write()
	return nil
}

// Ready reports whether the store takes writes: whether its file is still the one
// that was opened, and whether the last write succeeded. If it did not,
// something small is written once a second at the most, so that the answer is
// true again when the disk is.
func (s *Store) Ready(ctx context.Context) error {
	if err := s.file.Files.Check(); err != nil {
		return storeError("look at the file", err)
	}
	return s.condition.Ready(func() {
		_ = s.submit(ctx, &request{}) // how it ended is noted
	})
}

// Close refuses what comes from now on, commits what was accepted before, ends
// the writing goroutine and lets go of the file. Later calls return what the
// first returned.
func (s *Store) Close() error {
	s.closing.Do(func() {
		s.closed.Store(true)
		s.queue.close()
		<-s.done
		s.closeError = s.release()
	})
	return s.closeError
}

// release lets go of what Open has taken, in part or whole.
func (s *Store) release() error {
	var first error
	keep := func(err error) {
		if first == nil && err != nil {
			first = storeError("close", err)
		}
	}
	s.statements.close()
	s.inserts.close()
	if s.reader != nil {
		keep(s.reader.Close())
	}
	if s.writer != nil {
		keep(s.writer.Close())
	}
	keep(s.file.Unlock())
	return first
}
