package policy

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/guard"
	"github.com/farmountain/aureus-go/internal/approval"
)

// Config is the configuration of an [Engine]. The zero value denies every request that
// needs a person's approval.
type Config struct {
	// Approvals opens the approvals that the bundle asks for, and uses them. If it is nil,
	// requests that need one are denied with the code APPROVALS_NOT_AVAILABLE.
	Approvals guard.Approvals

	// Tenant is part of the digest of every approval. It must be the tenant of Approvals.
	// Empty means "default".
	Tenant string

	// Volatile lists the values that a request may exclude from its digest; see
	// [guard.Local.Volatile].
	Volatile []string

	// Budgets counts what decisions use of the bundle's budgets. nil counts in this
	// process: two processes then have twice the budget.
	Budgets Budgets

	// Candidate is a bundle that is decided by too, without any effect. If its decision
	// differs, Decision.Matched lists its reasons, with Shadow set and with its name and
	// version before the name of the rule: "ledger/8:night". Its budgets are those of
	// Budgets, and it reserves nothing.
	Candidate *Bundle

	// RecordInputs switches on Decision.Inputs, for the audit log: each decision then lists
	// the names of what the bundle reads of its request (see [Bundle.Reads]), at most 64,
	// and the values that this list names, such as arguments.amount or claims.department. A
	// name stands for everything inside of it too. The values of others are redacted. The
	// values of one decision have at most 4 KiB, and each at most 1 KiB; others are marked
	// as too large. Name nothing that is secret, or that identifies people without need. nil
	// records nothing.
	RecordInputs []string

	// Now returns the current time. Decide calls it once. nil means time.Now.
	Now func() time.Time

	// Logger gets a line for each of the notes of a bundle that comes into force (see
	// [Bundle.Notes]), such as that budgets are counted in this process alone, and one when
	// [Watch] has replaced a bundle, or could not. nil discards them.
	Logger *slog.Logger
}

// Engine decides by a policy bundle in this process. It is a [guard.Decider]; [New] makes
// one, and a nil or zero Engine never allows. It is safe for concurrent use.
type Engine struct {
	state   atomic.Pointer[state]
	heard   atomic.Int64 // Unix nanoseconds when the bundle was last known to be in force
	config  Config
	records *recording // of inputs; nil: none
	writing sync.Mutex // held while state is replaced
}

// state is what an engine decides by. It never changes.
type state struct {
	bundle *Bundle
	stops  *stops
}

var (
	errNoEngine = errors.New("policy: a nil or zero Engine cannot decide; make one with policy.New")
	errNoBundle = errors.New("policy: the bundle is nil, the zero Bundle, or one whose tests were not run; make one with policy.Parse or policy.ReadFile")
)

// ErrStale matches the error of a decision by a bundle that is older than its max_age.
var ErrStale = errors.New("the bundle is older than its max_age")

// New returns an engine that decides by the bundle, whose notes it logs.
func New(bundle *Bundle, config Config) (*Engine, error) {
	e, err := newEngine(bundle, config)
	if err != nil {
		return nil, err
	}
	logNotes(e.config.Logger, bundle)
	return e, nil
}

// logNotes logs what a reader should know when the bundle comes into force.
func logNotes(log *slog.Logger, bundle *Bundle) {
	for _, note := range bundle.Notes() {
		log.Info("policy bundle: "+note, "bundle", bundle.label)
	}
}

// newEngine is New without lines in the log.
func newEngine(bundle *Bundle, config Config) (*Engine, error) {
	if !bundle.compiled() {
		return nil, errNoBundle
	}
	if config.Candidate != nil && !config.Candidate.compiled() {
		return nil, fmt.Errorf("Config.Candidate: %w", errNoBundle)
	}
	records, err := newRecording(config.RecordInputs)
	if err != nil {
		return nil, fmt.Errorf("policy: Config.RecordInputs: %w", err)
	}
	if config.Budgets == nil {
		config.Budgets = &localBudgets{}
	}
	if config.Logger == nil {
		config.Logger = slog.New(slog.DiscardHandler)
	}
	e := &Engine{config: config, records: records}
	e.state.Store(&state{bundle: bundle})
	e.heard.Store(e.now().UnixNano())
	return e, nil
}

// compiled reports whether Parse has made the bundle, and so has run its tests.
func (b *Bundle) compiled() bool { return b != nil && b.actions != nil && !b.untested }

// current returns the state, and the time of the decision.
func (e *Engine) current() (*state, time.Time, error) {
	if e == nil {
		return nil, time.Time{}, errNoEngine
	}
	s := e.state.Load()
	if s == nil {
		return nil, time.Time{}, errNoEngine
	}
	now := e.now()
	if s.bundle.maxAge > 0 && now.UnixNano()-e.heard.Load() > int64(s.bundle.maxAge) {
		return nil, now, fmt.Errorf("policy: %w: nothing has confirmed %s for more than %s", ErrStale, s.bundle.label, formatWindow(s.bundle.maxAge))
	}
	return s, now, nil
}

func (e *Engine) now() time.Time {
	if e.config.Now != nil {
		return e.config.Now()
	}
	return time.Now()
}

// Decide decides on the request by the bundle. A request that needs a person's approval
// opens one, or joins the open one for the same digest, and is allowed once after enough
// people have approved it, unless the bundle has changed what it says about the action
// since. Budgets are reserved for an allow only.
//
// The error is not nil if there is no decision: the context is done, the bundle is older
// than its max_age, the body of the HTTP call could not be read, or Approvals or Budgets
// failed. The returned decision is then a denial.
func (e *Engine) Decide(ctx context.Context, request aureus.Request) (decision aureus.Decision, err error) {
	if ctx.Err() != nil {
		return aureus.Decision{}, context.Cause(ctx)
	}
	s, now, err := e.current()
	if err != nil {
		return aureus.Decision{}, err
	}
	if hasNames(request.Action.Metadata) {
		request = request.Context().Request()
	}
	decision.ID = aureus.NewDecisionID(now)
	if e.config.Candidate == nil && s.allows(ctx, &request, now, &decision) {
		if e.records != nil {
			e.records.record(s.bundle, &request, &decision)
		}
		return decision, nil
	}
	return e.decide(ctx, s, &request, now, decision.ID)
}

// hasNames reports whether the metadata of an action has a name that [aureus.PolicyContext.Request]
// may take from it.
func hasNames(metadata map[string]any) bool {
	for name := range metadata {
		switch name {
		case "tool_name", "approval_token", "workflowId", "taskId":
			return true
		}
	}
	return false
}

// decide evaluates the request, reserves budgets and asks a person.
func (e *Engine) decide(ctx context.Context, s *state, request *aureus.Request, now time.Time, id aureus.DecisionID) (aureus.Decision, error) {
	var v Evaluation
	v.Decision.ID = id
	by := e.evaluator(s)
	err := by.evaluate(ctx, request, now, &v)
	if err == nil && ctx.Err() != nil { // conditions fail then, and those of grants do so silently
		err = context.Cause(ctx)
	}
	if err == nil {
		e.records.record(s.bundle, request, &v.Decision)
	}
	switch {
	case err != nil:
		return approval.Undecided(v.Decision), err
	case v.Decision.Effect == aureus.RequireApproval, len(v.Reservations) > 0:
		return e.complete(ctx, v, now)
	case v.Decision.Effect == aureus.Deny && v.Request.ApprovalToken != "" && v.Decision.ReasonCode != aureus.ReasonInvalidRequest:
		return approval.DenyWithTicket(ctx, e.lookup(), e.digest, v.Request, v.Decision)
	}
	return v.Decision, nil
}

// complete reserves the budgets of a request that nothing denies, and asks a person if
// that is needed. What is reserved is released unless the request is allowed.
func (e *Engine) complete(ctx context.Context, v Evaluation, now time.Time) (decision aureus.Decision, err error) {
	if len(v.Reservations) > 0 {
		exceeded, err := e.config.Budgets.Reserve(ctx, v.Decision.ID, now, v.Reservations)
		if err != nil {
			return approval.Undecided(v.Decision), err
		}
		if len(exceeded) > 0 {
			return v.Exceed(exceeded), nil
		}
	}
	if v.Decision.Effect == aureus.Allow {
		return v.Decision, nil
	}
	if len(v.Reservations) > 0 {
		allowed := false
		defer func() { // also after a panic
			if !allowed {
				err = errors.Join(err, e.config.Budgets.Release(context.WithoutCancel(ctx), v.Decision.ID))
			}
		}()
		decision, err = approval.Ask(ctx, e.lookup(), e.digest, v.Request, v.Decision, v.Terms)
		allowed = err == nil && decision.Effect == aureus.Allow
		return decision, err
	}
	return approval.Ask(ctx, e.lookup(), e.digest, v.Request, v.Decision, v.Terms)
}

func (e *Engine) evaluator(s *state) evaluator {
	return evaluator{bundle: s.bundle, candidate: e.config.Candidate, stops: s.stops, budgets: e.config.Budgets, volatile: e.config.Volatile}
}

// lookup returns Approvals as the interface of package approval, and nil for nil.
func (e *Engine) lookup() approval.Lookup {
	if e.config.Approvals == nil {
		return nil
	}
	return e.config.Approvals
}

func (e *Engine) digest(request aureus.Request) (aureus.Digest, error) {
	return guard.Digest(e.config.Tenant, request)
}

// Evaluate decides on the request as far as the bundle and the stops do: it neither asks
// a person nor reserves a budget. The error is not nil if there is no decision.
func (e *Engine) Evaluate(ctx context.Context, request aureus.Request) (Evaluation, error) {
	if ctx.Err() != nil {
		return Evaluation{}, context.Cause(ctx)
	}
	s, now, err := e.current()
	if err != nil {
		return Evaluation{}, err
	}
	if hasNames(request.Action.Metadata) {
		request = request.Context().Request()
	}
	var v Evaluation
	v.Decision.ID = aureus.NewDecisionID(now)
	by := e.evaluator(s)
	by.complete = true
	err = by.evaluate(ctx, &request, now, &v)
	if err == nil && ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	if err != nil {
		return Evaluation{}, err
	}
	e.records.record(s.bundle, &request, &v.Decision)
	return v, nil
}

// Preview returns the decision that Decide would return if no approval were open for the
// request. It opens no approval, uses none and reserves no budget. For a request that
// needs an approval the effect is RequireApproval, even if Approvals is nil; if the
// request has no digest (see [guard.Digest]), it is denied with the code INVALID_REQUEST.
// Preview does not read the body of an HTTP call: if the digest depends on an unread body,
// the decision has no digest. If there is no decision, the result is a denial without an
// id, whose reason says why.
func (e *Engine) Preview(request aureus.Request) aureus.Decision {
	v, err := e.Evaluate(context.Background(), request)
	if err != nil {
		return aureus.Decision{Reason: err.Error()}
	}
	if v.Decision.Effect == aureus.RequireApproval {
		return approval.Preview(e.digest, v.Request, v.Decision)
	}
	return v.Decision
}

// RecordOutcomes releases the budgets of decisions after which nothing was done, and
// reports the outcomes to Approvals, which releases or commits the approvals that they
// used; see [aureus.Outcome]. Code that enforces decisions calls it. The error is that of
// Budgets or Approvals, or says that Approvals has no method RecordOutcomes.
func (e *Engine) RecordOutcomes(ctx context.Context, outcomes []aureus.Outcome) error {
	if e == nil || e.state.Load() == nil {
		return errNoEngine
	}
	var failures []error
	for n := range outcomes {
		if approval.NotDone(outcomes[n]) {
			failures = append(failures, e.config.Budgets.Release(ctx, outcomes[n].DecisionID))
		}
	}
	if e.config.Approvals == nil {
		return errors.Join(failures...)
	}
	recorder, ok := e.config.Approvals.(interface {
		RecordOutcomes(ctx context.Context, outcomes []aureus.Outcome) error
	})
	if !ok {
		return errors.Join(append(failures, errors.New("policy: Config.Approvals has no method RecordOutcomes, so outcomes cannot be recorded"))...)
	}
	return errors.Join(append(failures, recorder.RecordOutcomes(ctx, outcomes))...)
}
