package guard

import (
	"context"
	"errors"
	"fmt"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/internal/panicsite"
)

// Decider is a policy decision point (PDP): it answers whether a principal may
// take an action. [*Local] and [*aureus.Client] are Deciders. An error means
// that there is no decision: the returned Decision must not be used as one.
// Implementations are safe for concurrent use.
type Decider interface {
	Decide(ctx context.Context, request aureus.Request) (aureus.Decision, error)
}

// DeciderFunc is a function that is a [Decider]. Decide of a nil function returns an
// error.
type DeciderFunc func(ctx context.Context, request aureus.Request) (aureus.Decision, error)

// Decide calls f.
func (f DeciderFunc) Decide(ctx context.Context, request aureus.Request) (aureus.Decision, error) {
	if f == nil {
		return aureus.Decision{}, errors.New("guard: the decider is a nil function")
	}
	return f(ctx, request)
}

// The errors of this package, for [errors.Is]. A refusal whose reason code
// concerns an approval also matches the error of that code, such as
// aureus.ReasonApprovalRejected.Err().
var (
	ErrDenied           = errors.New("denied")
	ErrApprovalRequired = errors.New("a person has to approve this first")
	ErrUndecided        = errors.New("it could not be decided")
)

// Refusal is the error for a decision that is not an allow. It matches
// [ErrDenied] or [ErrApprovalRequired] and, if it concerns an approval, the
// sentinel of package aureus for its reason code.
type Refusal struct{ Decision aureus.Decision }

func (r *Refusal) Error() string {
	d := r.Decision
	text := "denied"
	if d.Effect == aureus.RequireApproval {
		text = "needs approval"
	}
	if d.ActionID != "" {
		text = fmt.Sprintf("%s %s", d.ActionID, text)
	}
	if d.Reason != "" {
		text += ": " + d.Reason
	}
	if d.Approval.ID != "" {
		text += fmt.Sprintf(" (approval %s, %s)", d.Approval.ID, d.Approval.Status)
	}
	return "guard: " + text
}

// Unwrap returns the sentinels that the refusal matches.
func (r *Refusal) Unwrap() []error {
	sentinel := ErrDenied
	if r.Decision.Effect == aureus.RequireApproval {
		sentinel = ErrApprovalRequired
	}
	if approval := r.Decision.ReasonCode.Err(); approval != nil {
		return []error{sentinel, approval}
	}
	return []error{sentinel}
}

// Decide asks the decider and fails closed: for a nil decider, a cancelled
// context, a panic, an error or an unknown effect it returns an error that
// matches [ErrUndecided] and a decision that is not an allow. The error for a
// panic names the type of the panic value and the line that panicked, but not the
// value, which may hold a secret. Code that enforces decisions must ask through
// Decide or [Check], not call the decider itself.
func Decide(ctx context.Context, decider Decider, request aureus.Request) (decision aureus.Decision, err error) {
	defer func() {
		if p := recover(); p != nil {
			decision, err = aureus.Decision{}, fmt.Errorf("guard: %w: the decider panicked with a value of type %T at %s", ErrUndecided, p, panicsite.Line())
		}
	}()
	if decider == nil {
		return aureus.Decision{}, fmt.Errorf("guard: %w: there is no decider", ErrUndecided)
	}
	if err := ctx.Err(); err != nil {
		return aureus.Decision{}, fmt.Errorf("guard: %w: %w", ErrUndecided, context.Cause(ctx))
	}
	decision, err = decider.Decide(ctx, request)
	switch {
	case err != nil:
		return asDenial(decision), fmt.Errorf("guard: %w: %w", ErrUndecided, err)
	case ctx.Err() != nil:
		return asDenial(decision), fmt.Errorf("guard: %w: %w", ErrUndecided, context.Cause(ctx))
	case decision.Effect > aureus.RequireApproval:
		return asDenial(decision), fmt.Errorf("guard: %w: the effect %d is unknown", ErrUndecided, decision.Effect)
	}
	return decision, nil
}

// Check asks the decider and returns nil only for an allow. For any other
// decision the error is a [*Refusal]; if there is no decision, it matches
// [ErrUndecided].
func Check(ctx context.Context, decider Decider, request aureus.Request) error {
	decision, err := Decide(ctx, decider, request)
	if err != nil {
		return err
	}
	if decision.Effect != aureus.Allow {
		return &Refusal{Decision: decision}
	}
	return nil
}

func asDenial(d aureus.Decision) aureus.Decision {
	d.Effect = aureus.Deny
	return d
}

// Approvals opens approvals and uses them. A [Local] needs it for actions that
// require a person's approval. [*aureus.Client] implements it, and the control
// plane implements it over its own store. An implementation that also has the
// method RecordOutcomes of [*aureus.Client] can release the approval of a request
// that was not carried out; see [Local.RecordOutcomes].
type Approvals interface {
	// AskApproval opens an approval for the digest of the request, or joins the
	// approval that is already open for the same digest and policy version. It
	// computes the digest itself and fails with aureus.ReasonApprovalMismatch.Err() if
	// that differs from ask.Digest. It fails with aureus.ReasonTooManyPending.Err()
	// if too many approvals are pending already.
	AskApproval(ctx context.Context, ask aureus.ApprovalAsk) (aureus.ApprovalTicket, error)

	// ConsumeApproval uses an approved approval for one decision. It cannot be used
	// again unless an outcome reports that nothing was done. If it cannot be used,
	// the error is that of an aureus.ReasonApproval… code, which says why.
	ConsumeApproval(ctx context.Context, id string, use aureus.ApprovalUse) error

	// Approval returns the approval with that id, or aureus.ReasonApprovalUnknown.Err().
	Approval(ctx context.Context, id string) (aureus.Approval, error)
}
