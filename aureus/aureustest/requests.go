package aureustest

import (
	"net/http"
	"slices"

	"github.com/farmountain/aureus-go/aureus"
)

// Requests is what a [Server] received, each list in the order of arrival. Each list has
// only the newest items: at most 10,000, and at most 64 MiB of their JSON.
type Requests struct {
	Calls      []Call
	Decisions  []Decided // evaluations, by Decide and EvaluatePolicy
	Checks     []Checked
	Commits    []Validated
	Validators []Registered // the latest version of each, in order of first registration

	// Events has the reported events and, as on a control plane, an event of each
	// decision and each gate result that belongs to a task of a workflow.
	Events  []aureus.TelemetryEvent
	Metrics []aureus.Metric
	Spans   []aureus.Span

	Records  []aureus.DecisionRecord // reported decisions, for example of guard.Local
	Gates    []aureus.GateRecord     // reported results of gates
	Outcomes []aureus.Outcome

	Dropped int // number of items that were dropped for newer ones
}

// Call is one HTTP request. Each attempt of a client is a Call, also with a fault.
type Call struct {
	Method, Path, Query string // Path is the whole path
	IdempotencyKey      string
	Fault               string // the name of the fault that was applied, or empty
}

// Decided is one decision of the server, and its request.
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

// Validated is one commit that the server validated.
type Validated struct {
	Commit aureus.Commit
	Gate   aureus.GateConfig
	Result aureus.GateResult
}

// Registered is one registered validator.
type Registered struct {
	ID      string
	Config  map[string]any
	Version int // from 1
}

// Requests returns what has arrived so far. Close the Recorder of the client before this
// call, so that its records have arrived.
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

// record holds the data of [Requests]. The server's lock guards it.
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

	log kept[aureus.DecisionRecord] // decisions and records together, in the order of arrival
}

const (
	maxItems     = 10_000
	maxItemBytes = 64 << 20
)

// kept holds the newest items of one kind.
type kept[T any] struct {
	items   []T
	sizes   []int
	bytes   int
	dropped int
}

// add appends an item whose JSON has size bytes.
func (k *kept[T]) add(item T, size int) {
	k.items, k.sizes = append(k.items, item), append(k.sizes, size)
	k.bytes += size
	n := 0
	for len(k.items)-n > maxItems || (k.bytes > maxItemBytes && len(k.items)-n > 1) {
		k.bytes -= k.sizes[n]
		n++
	}
	if n > 0 {
		clear(k.items[:n]) // so that the garbage collector can free what they point to
		k.items, k.sizes = k.items[n:], k.sizes[n:]
		k.dropped += n
	}
}

func (k *kept[T]) all() []T { return slices.Clone(k.items) }

// arrived records a request and returns the fault for it, or the zero Fault.
func (s *Server) arrived(r *http.Request, below string) Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	fault := s.nextFault(below)
	s.requests.calls.add(Call{
		Method: r.Method, Path: r.URL.Path, Query: r.URL.RawQuery, IdempotencyKey: r.Header.Get("Idempotency-Key"), Fault: fault.name,
	}, len(r.URL.Path)+len(r.URL.RawQuery))
	return fault
}
