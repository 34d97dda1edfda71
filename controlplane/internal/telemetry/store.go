package telemetry

import (
	"context"
	"time"

	"github.com/farmountain/aureus-go/aureus"
)

// Store stores telemetry. It is safe for concurrent use. A tenant sees only its own
// items.
//
// Queries return items in the order of their times and, if these are equal, of their
// arrival. Items without a readable time come after all others, in the order of
// arrival. Package telemetrytest tests a backend.
type Store interface {
	// Append stores all items or none for the tenant, and returns when they are
	// committed. It fails with ErrBusy if too much is waiting to be written, with
	// ErrClosed if the store is closed, and with ErrUnavailable if it cannot be
	// written; then nothing was stored. If ctx ends first, the error is that of
	// ctx: items that are still waiting are not stored, but those being written may
	// be.
	Append(ctx context.Context, tenant string, items []Item) error

	// Trace returns the spans of a trace, by start time. If paging has no limit, the
	// page holds up to MaxLimit spans. An unknown trace has no spans.
	Trace(ctx context.Context, tenant, traceID string, paging Paging) (*Page, error)
	// Metrics returns the metrics that the query selects, by time.
	Metrics(ctx context.Context, tenant string, query MetricQuery, paging Paging) (*Page, error)
	// Events returns the events that the query selects, by time.
	Events(ctx context.Context, tenant string, query EventQuery, paging Paging) (*Page, error)
	// Summary computes a summary of the events in the range; see
	// docs/spec/telemetry.md#summary. It does not set StartTime and EndTime.
	Summary(ctx context.Context, tenant string, within Range) (aureus.Summary, error)

	// Latest returns the sequence number (Arrived.Seq) of the latest committed event of
	// any tenant, or 0 if there is none.
	Latest() int64
	// Tail returns events of the tenant with sequence numbers greater than after, in
	// the order of arrival. An empty type or workflow selects all. The backend limits
	// the number of events, and one call examines at most TailSteps sequence numbers.
	// reached is the last one examined, where the next call begins. If it equals
	// Latest, no event is left.
	Tail(ctx context.Context, tenant, eventType, workflow string, after int64) (list []Arrived, reached int64, err error)
	// Identity returns a random text that identifies this store. A sequence number of
	// another store must not be used on it.
	Identity() string

	// Stats returns what the store holds, and how much it has refused.
	Stats() Stats
	// Ready returns nil if the last write succeeded. If the last write failed, it tries
	// a small one, at most once a second.
	Ready(ctx context.Context) error
	// Close refuses new items, commits those accepted before, and closes the store.
	// Later calls return the result of the first one.
	Close() error
}

// TailSteps is how many sequence numbers one call of [Store.Tail] examines at most, so
// that a call takes a limited time even if few events are selected.
const TailSteps = 10_000

// Arrived is an event with its sequence number, which increases with each arrival.
type Arrived struct {
	Seq            int64
	Type, Workflow string
	Body           string
}

// MetricQuery selects metrics. An empty field does not filter. All tags must match.
type MetricQuery struct {
	Name  string
	Range Range
	Tags  map[string]string
}

// EventQuery selects events. An empty field does not filter.
type EventQuery struct {
	Type               aureus.TelemetryEventType
	WorkflowID, TaskID string
	Own                *bool // true: only events made by the control plane; false: only the others
	Range              Range
}

// The defaults of [Options].
const (
	DefaultMaxRows    = 5_000_000
	DefaultMaxBytes   = 4 << 30
	DefaultQueueBytes = 64 << 20
)

// Options configures a store. A zero field means its default.
type Options struct {
	// MaxRows limits the items of each kind. If there are more, the tenant with the
	// largest share loses its oldest ones. So each of n tenants can keep an n-th part
	// of the limit, however much the others report.
	MaxRows int64
	// MaxBytes limits the size of the items of each kind, in bytes, see
	// [Item.Cost]. On disk, a kind takes up to about 1.2 times as much, plus one
	// transaction. The file does not shrink.
	MaxBytes int64
	// MaxAge is how long after its arrival an item is kept. 0 means no limit. Older
	// items are deleted with each write, and once a minute.
	MaxAge time.Duration
	// QueueBytes limits the items of one tenant that wait to be written, in bytes
	// as for MaxBytes. The limit of all tenants together is four times as much. A
	// tenant without waiting items may always add the items of one call.
	QueueBytes int64
	// OnEvents, if not nil, is called after a commit for each tenant that has new
	// events. It must return quickly.
	OnEvents func(tenant string)
	// LetIn limits concurrent long reads: it waits until the tenant may read, and
	// returns the context for the read. leave is called after the read. nil means no
	// limit.
	LetIn func(ctx context.Context, tenant string) (within context.Context, leave func(), err error)
	// Clock returns the current time. nil means time.Now.
	Clock func() time.Time
}

// WithDefaults returns the options with defaults in place of zero fields.
func (o Options) WithDefaults() Options {
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

// Stats is the state of a store.
type Stats struct {
	Kinds   map[string]KindStats
	Waiting int   // calls of Append that wait for their commit
	Busy    int64 // calls of Append that were refused because too much was waiting
}

// KindStats describes the stored items of one kind.
type KindStats struct {
	Rows    int64
	Bytes   int64 // as for Options.MaxBytes
	Trimmed int64 // items deleted because of a limit since the file was created
}
