package aureustest

import (
	"net/http"
	"slices"

	"github.com/farmountain/aureus-go/aureus"
)

// Requests is what was asked of and reported to a [Server], each list in the
// order of arrival. Of each it holds the newest 10,000 items and, counted in
// bytes as they came, 64 MiB.
type Requests struct {
	Calls      []Call
	Decisions  []Decided // evaluations, by Decide and EvaluatePolicy
	Checks     []Checked
	Commits    []Validated
	Validators []Registered // the ones in force, by the time of their first registration

	// Events holds what was reported and, as on a control plane, an event of
	// each decision and gate result within a workflow's task.
	Events  []aureus.TelemetryEvent
	Metrics []aureus.Metric
	Spans   []aureus.Span

	Records  []aureus.DecisionRecord // decisions that were made elsewhere, by guard.Local say, and reported
	Gates    []aureus.GateRecord     // results of gates that judged elsewhere, and reported
	Outcomes []aureus.Outcome

	Dropped int // items that were forgotten for newer ones
}

// Call is a request as it stood on the wire, also one that a fault befell, and
// each attempt of one.
type Call struct {
	Method, Path, Query string // the path whole
	IdempotencyKey      string
	Fault               string // the fault that befell it, or empty
}

// Decided is one evaluation.
type Decided struct {
	Request  aureus.Request
	Decision aureus.Decision
}

// Checked is one permission check.
type Checked struct {
	Principal aureus.Principal
	Action    aureus.Action
	Allowed   bool
}

// Validated is one commit that a gate judged.
type Validated struct {
	Commit aureus.Commit
	Gate   aureus.GateConfig
	Result aureus.GateResult
}

// Registered is one validator.
type Registered struct {
	ID      string
	Config  map[string]any
	Version int // from 1
}

// Requests is what has arrived until now. What a client reports in the
// background is here once its Recorder has been closed.
func (s *Server) Requests() Requests {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := &s.requests
	return Requests{
		Calls: r.calls.all(), Decisions: r.decisions.all(), Checks: r.checks.all(), Commits: r.commits.all(),
		Validators: slices.Clone(r.validators),
		Events:     r.events.all(), Metrics: r.metrics.all(), Spans: r.spans.all(),
		Records: r.records.all(), Gates: r.gates.all(), Outcomes: r.outcomes.all(),
		Dropped: r.calls.dropped + r.decisions.dropped + r.checks.dropped + r.commits.dropped + r.events.dropped +
			r.metrics.dropped + r.spans.dropped + r.records.dropped + r.gates.dropped + r.outcomes.dropped,
	}
}

// record is what a server remembers. The server's lock guards it.
type record struct {
	calls      kept[Call]
	decisions  kept[Decided]
	checks     kept[Checked]
	commits    kept[Validated]
	validators []Registered
	events     kept[aureus.TelemetryEvent]
	metrics    kept[aureus.Metric]
	spans      kept[aureus.Span]
	records    kept[aureus.DecisionRecord]
	gates      kept[aureus.GateRecord]
	outcomes   kept[aureus.Outcome]

	log kept[aureus.DecisionRecord] // decisions and records together, as they came
}

const (
	maxKept      = 10_000
	maxKeptBytes = 64 << 20
)

// kept is the newest items of a kind.
type kept[T any] struct {
	items   []T
	sizes   []int
	bytes   int
	dropped int
}

// add appends an item that came in that many bytes.
func (k *kept[T]) add(item T, size int) {
	k.items, k.sizes = append(k.items, item), append(k.sizes, size)
	k.bytes += size
	n := 0
	for len(k.items)-n > maxKept || (k.bytes > maxKeptBytes && len(k.items)-n > 1) {
		k.bytes -= k.sizes[n]
		n++
	}
	if n > 0 {
		clear(k.items[:n]) // let go of what they point to
		k.items, k.sizes = k.items[n:], k.sizes[n:]
		k.dropped += n
	}
}

func (k *kept[T]) all() []T { return slices.Clone(k.items) }

// arrived notes a request and gives the fault that befalls it, or the zero one.
func (s *Server) arrived(r *http.Request, below string) Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	fault := s.nextFault(below)
	s.requests.calls.add(Call{
		Method: r.Method, Path: r.URL.Path, Query: r.URL.RawQuery, IdempotencyKey: r.Header.Get("Idempotency-Key"), Fault: fault.name,
	}, len(r.URL.Path)+len(r.URL.RawQuery))
	return fault
}
