package telemetry

import (
	"reflect"

	"github.com/farmountain/aureus-go/aureus"
)

// Kind is the kind of an item: a span, a metric or an event.
type Kind uint8

// The kinds. The zero Kind is not valid.
const (
	Spans Kind = iota + 1
	Metrics
	Events
)

// Kinds lists the kinds.
var Kinds = [...]Kind{Spans, Metrics, Events}

// String returns the name of the kind in paths and tables: spans, metrics or events.
func (k Kind) String() string {
	if k.Valid() {
		return kinds[k].name
	}
	return "no kind"
}

// Valid reports whether the kind is one of [Kinds].
func (k Kind) Valid() bool { return k >= Spans && k <= Events }

// kindSpec describes a kind: the model that its items are checked against, and the
// columns that it has in addition to those of all kinds.
type kindSpec struct {
	model   reflect.Type
	name    string
	columns []string
}

var kinds = [...]kindSpec{
	Spans:   {model: reflect.TypeFor[aureus.Span](), name: "spans", columns: []string{"trace_id"}},
	Metrics: {model: reflect.TypeFor[aureus.Metric](), name: "metrics", columns: []string{"name", "tags"}},
	Events: {
		model: reflect.TypeFor[aureus.TelemetryEvent](), name: "events",
		columns: []string{"type", "workflow_id", "task_id", "task_type", "success", "duration", "escalated", "own"},
	},
}

// Columns returns the names of the columns that the kind has in addition to those of
// all kinds, in the order of [Item.Columns].
func (k Kind) Columns() []string { return kinds[k].columns }
