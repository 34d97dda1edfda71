package telemetry

import (
	"context"
	"time"

	"github.com/farmountain/aureus-go/aureus"
)

// Store keeps telemetry. It is safe for concurrent use. Every tenant sees its own
// items only.
//
// A backend gives items back in the order of their times and, if these are equal,
// of their arrival; an item without a readable time comes after all others, in the
// order of arrival. Package telemetrytest tests it.
type Store interface {
	// Append stores the items, all or none, under the tenant, and returns when they
	// are committed. ErrBusy means that too much is waiting, ErrClosed that the
	// store is closed, ErrUnavailable that it could not be written; in each case
	// nothing was stored. A context that ends while the items wait takes them back,
	// if they are not being written just then: then the error is the context's, and
	// whether they are stored is not known.
	Append(ctx context.Context, tenant string, items []Item) error

	// Trace is the spans of a trace by start time; its page holds up to MaxLimit
	// spans where paging names no limit. An unknown trace has none.
	Trace(ctx context.Context, tenant, traceID string, paging Paging) (*Page, error)
	// Metrics is the metrics that the query selects, by time.
	Metrics(ctx context.Context, tenant string, query MetricQuery, paging Paging) (*Page, error)
	// Events is the events that the query selects, by time.
	Events(ctx context.Context, tenant string, query EventQuery, paging Paging) (*Page, error)
	// Summary derives the figures of a summary from the events of the range; see
	// docs/spec/telemetry.md#summary. StartTime and EndTime are left to the caller.
	Summary(ctx context.Context, tenant string, within Range) (aureus.Summary, error)

	// Latest is the place of the latest event that is committed, of any tenant, and
	// 0 without any.
	Latest() int64
	// Tail is the events of the tenant that arrived behind the place after, in order
	// of arrival, at most a portion of the backend's. An empty type or workflow
	// selects all. Every event up to the place reached has been looked at, at most
	// TailSteps: the next call begins there. If reached is Latest, there is
	// nothing behind it.
	Tail(ctx context.Context, tenant, eventType, workflow string, after int64) (list []Arrived, reached int64, err error)
	// Identity is a text that this store alone has: places in another store are of
	// no use here.
	Identity() string

	// Stats says what the store holds and has refused.
	Stats() Stats
	// Ready is nil if the last write succeeded. While it did not, something small
	// is written, at most once a second.
	Ready(ctx context.Context) error
	// Close refuses what comes from now on, commits what was accepted before and
	// closes the store. Later calls return what the first returned.
	Close() error
}

// TailSteps is how many places one call of [Store.Tail] goes through at most, so
// that a call is bounded also if few of them are selected.
const TailSteps = 10_000

// Arrived is an event and its place in the order of arrival.
type Arrived struct {
	Seq            int64
	Type, Workflow string
	Body           string
}

// MetricQuery selects metrics. Empty fields select everything; every given tag
// must match.
type MetricQuery struct {
	Name  string
	Range Range
	Tags  map[string]string
}

// EventQuery selects events. Empty fields select everything.
type EventQuery struct {
	Type               aureus.TelemetryEventType
	WorkflowID, TaskID string
	Own                *bool // only those that the control plane itself made, or only the others
	Range              Range
}

// The bounds of a store that is opened with zero Options.
const (
	DefaultMaxRows    = 5_000_000
	DefaultMaxBytes   = 4 << 30
	DefaultQueueBytes = 64 << 20
)

// Options bounds a store. Zero fields mean the defaults.
type Options struct {
	// MaxRows bounds the items kept of each kind. If there are more, the tenant
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

// WithDefaults is the options with their defaults in the place of zero fields.
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

// KindStats is what is kept of one kind.
type KindStats struct {
	Rows    int64
	Bytes   int64 // as Options.MaxBytes counts
	Trimmed int64 // deleted to keep the bounds, since the file was made
}
