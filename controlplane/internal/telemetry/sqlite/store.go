package sqlite

import (
	"context"
	"database/sql"
	"sync"
	"sync/atomic"

	"github.com/farmountain/aureus-go/controlplane/internal/dbfile"
	"github.com/farmountain/aureus-go/controlplane/internal/telemetry"
)

// Store implements [telemetry.Store] with an open file. Create one with [Open].
type Store struct {
	options          telemetry.Options
	file             *dbfile.Opened
	condition        dbfile.Condition
	writer           *sql.DB // one connection, used by the writing goroutine
	reader           *sql.DB
	queue            *queue
	checkpoint       dbfile.Checkpoint // used only by the writing goroutine
	checkpointFailed atomic.Int64
	done             chan struct{} // closed when the writing goroutine has ended
	closed           atomic.Bool
	closing          sync.Once
	closeError       error

	usage       [telemetry.Events + 1]usage        // by kind; used only by the writing goroutine
	stale       bool                               // whether usage must be read again; used only by the writing goroutine
	publishedMu sync.Mutex                         // guards published
	published   [telemetry.Events + 1]usage        // usage as of the last commit
	latest      [telemetry.Events + 1]atomic.Int64 // the last committed seq of each kind
	busy        atomic.Int64

	shares [telemetry.Events + 1]map[string]*tenantShare // by kind and tenant; used only by the writing goroutine

	identity   string
	inserts    inserts // used only by the writing goroutine
	statements statements
}

// usage describes the rows of one kind.
type usage struct{ rows, cost, lastSeq, trimmed int64 }

// Stats implements [telemetry.Store].
func (s *Store) Stats() telemetry.Stats {
	s.publishedMu.Lock()
	defer s.publishedMu.Unlock()
	stats := telemetry.Stats{Kinds: make(map[string]telemetry.KindStats, len(telemetry.Kinds)), Waiting: s.queue.waiting(), Busy: s.busy.Load()}
	for _, kind := range telemetry.Kinds {
		u := s.published[kind]
		stats.Kinds[kind.String()] = telemetry.KindStats{Rows: u.rows, Bytes: u.cost, Trimmed: u.trimmed}
	}
	return stats
}

func newStore(options telemetry.Options) *Store {
	options = options.WithDefaults()
	return &Store{options: options, queue: newQueue(options.QueueBytes), done: make(chan struct{}), stale: true}
}

// start reads the usage of the file and starts the writing goroutine.
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

// Ready implements [telemetry.Store]. It fails if the file is not the one that was
// opened, or if the last write failed. After a failed write it tries a small one, at
// most once a second, so that it succeeds again when the disk has recovered.
func (s *Store) Ready(ctx context.Context) error {
	if err := s.file.Files.Check(); err != nil {
		return storeError("check the file", err)
	}
	return s.condition.Ready(func() {
		_ = s.submit(ctx, &request{}) // condition records the result
	})
}

// Close implements [telemetry.Store]. It ends the writing goroutine and unlocks the
// file.
func (s *Store) Close() error {
	s.closing.Do(func() {
		s.closed.Store(true)
		s.queue.close()
		<-s.done
		s.closeError = s.release()
	})
	return s.closeError
}

// release closes what Open has opened, even if Open has failed.
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
