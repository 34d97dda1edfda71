package telemetry

import (
	"context"
	"database/sql"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gofrs/flock"

	"github.com/farmountain/aureus-go/controlplane/internal/dbfile"
)

// The bounds of a store that is opened with zero Options.
const (
	DefaultMaxRows    = 5_000_000
	DefaultMaxBytes   = 4 << 30
	DefaultQueueBytes = 64 << 20
)

// Options bounds a store. Zero fields mean the defaults.
type Options struct {
	// MaxRows bounds the items kept of each kind. Where there are more, the tenant
	// that has most loses its oldest: with n tenants, each may keep an n-th part,
	// whatever the others report.
	MaxRows int64
	// MaxBytes bounds what the items of each kind take, in bytes: their texts,
	// what is indexed of them, and a fixed amount a row. On disk a kind takes up
	// to about 1.2 times as much, and one transaction more. The file does not
	// shrink.
	MaxBytes int64
	// MaxAge is how long after its arrival an item is kept; 0 is for ever, as
	// far as the other bounds allow. Looked at with each write, and each minute.
	MaxAge time.Duration
	// QueueBytes bounds what waits to be written of one tenant, counted as MaxBytes
	// is; of all, four times as much. A tenant of which nothing waits may always add
	// one call.
	QueueBytes int64
	// OnEvents is told of each tenant that a commit has added events of, after it;
	// nil is nobody. It must return at once.
	OnEvents func(tenant string)
	// LetIn lets in the reads that may take long: it waits for the tenant's turn,
	// which ends with leave, and gives the context to read in; nil lets in all at
	// once.
	LetIn func(ctx context.Context, tenant string) (within context.Context, leave func(), err error)
	// Clock tells the time; nil is time.Now.
	Clock func() time.Time
}

func (o Options) withDefaults() Options {
	if o.MaxRows <= 0 {
		o.MaxRows = DefaultMaxRows
	}
	if o.MaxBytes <= 0 {
		o.MaxBytes = DefaultMaxBytes
	}
	if o.QueueBytes <= 0 {
		o.QueueBytes = DefaultQueueBytes
	}
	if o.LetIn == nil {
		o.LetIn = func(ctx context.Context, _ string) (context.Context, func(), error) { return ctx, func() {}, nil }
	}
	if o.Clock == nil {
		o.Clock = time.Now
	}
	return o
}

// Store keeps telemetry. Make one with [Open]; it is safe for concurrent use.
type Store struct {
	options          Options
	lock             *flock.Flock
	files            *dbfile.Files
	condition        dbfile.Condition
	writer           *sql.DB // one connection, used by the writing goroutine
	reader           *sql.DB
	queue            *queue
	path             string
	checkpoint       dbfile.Checkpoint // the writing goroutine's own
	checkpointFailed atomic.Int64
	done             chan struct{} // closed when the writing goroutine has ended
	closed           atomic.Bool
	closing          sync.Once
	closeError       error

	usage  [Events + 1]usage        // by kind; the writing goroutine's own
	stale  bool                     // usage has to be read again; the writing goroutine's own
	tellMu sync.Mutex               // guards told
	told   [Events + 1]usage        // usage as of the last commit
	latest [Events + 1]atomic.Int64 // the last seq of each kind that is committed
	busy   atomic.Int64

	shares [Events + 1]map[string]*tenantShare // by kind and tenant; the writing goroutine's own

	identity   string
	inserts    inserts // the writing goroutine's own
	statements statements
}

// usage is what a kind's table holds.
type usage struct{ rows, cost, lastSeq, trimmed int64 }

// Stats is the state of a store.
type Stats struct {
	Kinds   map[string]KindStats
	Waiting int   // calls of Append that wait for their commit
	Busy    int64 // calls of Append that were refused because too much was waiting
}

// KindStats is what is kept of one kind.
type KindStats struct {
	Rows    int64
	Bytes   int64 // as Options.MaxBytes counts
	Trimmed int64 // deleted to keep the bounds, since the file was made
}

// Stats tells what the store holds and has refused.
func (s *Store) Stats() Stats {
	s.tellMu.Lock()
	defer s.tellMu.Unlock()
	stats := Stats{Kinds: make(map[string]KindStats, len(Kinds)), Waiting: s.queue.waiting(), Busy: s.busy.Load()}
	for _, kind := range Kinds {
		u := s.told[kind]
		stats.Kinds[kind.String()] = KindStats{Rows: u.rows, Bytes: u.cost, Trimmed: u.trimmed}
	}
	return stats
}

func newStore(options Options) *Store {
	options = options.withDefaults()
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
// that was opened, and whether the last write succeeded. Where it did not,
// something small is written once a second at the most, so that the answer is
// true again when the disk is.
func (s *Store) Ready(ctx context.Context) error {
	if err := s.files.Check(); err != nil {
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
	if s.lock != nil {
		keep(s.lock.Unlock())
	}
	return first
}
