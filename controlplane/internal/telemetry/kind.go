package telemetry

import (
	"reflect"
	"strings"

	"github.com/farmountain/aureus-go/aureus"
)

// Kind is what an item is: a span, a metric or an event.
type Kind uint8

// The kinds. The zero Kind is none.
const (
	Spans Kind = iota + 1
	Metrics
	Events
)

// Kinds lists the kinds.
var Kinds = [...]Kind{Spans, Metrics, Events}

// String is the kind's name in paths and tables: spans, metrics or events.
func (k Kind) String() string {
	if k.valid() {
		return kinds[k].table
	}
	return "no kind"
}

func (k Kind) valid() bool { return k >= Spans && k <= Events }

// kindSpec is how a kind is stored: the model it is checked against, its table,
// and the columns after those that all kinds have.
type kindSpec struct {
	model   reflect.Type
	table   string
	columns []string
}

// shared are the columns that all kinds have, in the order in which they are
// written: the writer's own, then the item's.
var shared = []string{"seq", "tenant", "received", "cost", "sec", "nsec", "body"}

var kinds = [...]kindSpec{
	Spans:   {model: reflect.TypeFor[aureus.Span](), table: "spans", columns: []string{"trace_id"}},
	Metrics: {model: reflect.TypeFor[aureus.Metric](), table: "metrics", columns: []string{"name", "tags"}},
	Events: {
		model: reflect.TypeFor[aureus.TelemetryEvent](), table: "events",
		columns: []string{"type", "workflow_id", "task_id", "task_type", "success", "duration", "escalated", "own"},
	},
}

// insert is the statement that stores n rows of the kind.
func (s *kindSpec) insert(n int) string {
	width := len(shared) + len(s.columns)
	row := "(" + strings.Repeat("?,", width-1) + "?)"
	return "INSERT OR ROLLBACK INTO " + s.table + " (" + strings.Join(shared, ",") + "," + strings.Join(s.columns, ",") + ") VALUES " +
		strings.Repeat(row+",", n-1) + row
}
