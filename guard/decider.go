package guard

import (
	"context"
	"errors"
	"fmt"
	"path"
	"runtime"
	"strings"

	"github.com/farmountain/aureus-go/aureus"
)

// Decider is a policy decision point (PDP): it answers whether a principal may
// take an action. [*Local] and [*aureus.Client] are Deciders. An error means
// that it could not be decided, whatever the Decision beside it says.
// Implementations are safe for concurrent use.
type Decider interface {
	Decide(ctx context.Context, request aureus.Request) (aureus.Decision, error)
}

// DeciderFunc is a function as a [Decider]. A nil function cannot decide.
type DeciderFunc func(ctx context.Context, request aureus.Request) (aureus.Decision, error)

// Decide calls f.
func (f DeciderFunc) Decide(ctx context.Context, request aureus.Request) (aureus.Decision, error) {
	if f == nil {
		return aureus.Decision{}, errors.New("guard: the decider is a nil function")
	}
	return f(ctx, request)
}

// The errors that callers branch on, for [errors.Is]. What became of an
// approval is told by the sentinels of package aureus, such as
// [aureus.ErrApprovalRejected]: a refusal matches them too.
var (
	ErrDenied           = errors.New("denied")
	ErrApprovalRequired = errors.New("a person has to approve this first")
	ErrUndecided        = errors.New("it could not be decided")
)

// Refusal is the error for a decision that is not an allow. It matches
// [ErrDenied] or [ErrApprovalRequired] and, where it is about an approval, the
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

// Unwrap gives the sentinels that the refusal matches.
func (r *Refusal) Unwrap() []error {
	sentinel := ErrDenied
	if r.Decision.Effect == aureus.RequireApproval {
		sentinel = ErrApprovalRequired
	}
	if approval := aureus.ApprovalError(r.Decision.ReasonCode); approval != nil {
		return []error{sentinel, approval}
	}
	return []error{sentinel}
}

// Decide asks the decider and admits no doubt: a nil decider, a cancelled
// context, a panic, an error and an unknown effect all give an error that
// matches [ErrUndecided] beside a decision that is not an allow. The error for a
// panic says the type of its value and the line that panicked, and not the value,
// which may hold a secret. Whoever enforces a decision asks through this function.
func Decide(ctx context.Context, decider Decider, request aureus.Request) (decision aureus.Decision, err error) {
	defer func() {
		if p := recover(); p != nil {
			decision, err = aureus.Decision{}, fmt.Errorf("guard: %w: the decider panicked with a value of type %T at %s", ErrUndecided, p, panicSite())
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
		return refuse(decision), fmt.Errorf("guard: %w: %w", ErrUndecided, err)
	case ctx.Err() != nil:
		return refuse(decision), fmt.Errorf("guard: %w: %w", ErrUndecided, context.Cause(ctx))
	case decision.Effect > aureus.RequireApproval:
		return refuse(decision), fmt.Errorf("guard: %w: the effect %d is unknown", ErrUndecided, decision.Effect)
	}
	return decision, nil
}

// panicSite is the file, with its folder, and the line where the panic began that
// the calling deferred function has recovered from.
func panicSite() string {
	var callers [32]uintptr
	frames := runtime.CallersFrames(callers[:runtime.Callers(1, callers[:])])
	for began := false; ; {
		frame, more := frames.Next()
		switch {
		case frame.Function == "runtime.gopanic":
			began = true
		case began && !strings.HasPrefix(frame.Function, "runtime."):
			folder, file := path.Split(frame.File)
			return fmt.Sprintf("%s/%s:%d", path.Base(folder), file, frame.Line)
		}
		if !more {
			return "an unknown place"
		}
	}
}

// Check asks the decider and returns nil only for an allow. Every other answer
// is a [*Refusal]; every failure to answer matches [ErrUndecided].
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

func refuse(d aureus.Decision) aureus.Decision {
	d.Effect = aureus.Deny
	return d
}

// Approvals is what a local decider needs for the third answer: to ask a
// person, and to spend an approval. [*aureus.Client] implements it, and the
// control plane does over its own store. One that also has the method
// RecordOutcomes of [*aureus.Client] can give an approval back whose request was
// not carried out; see [Local.RecordOutcomes].
type Approvals interface {
	// AskApproval opens an approval for the digest or joins the live one that was
	// asked for under the same policy version; one of another version does not
	// count. It computes the digest itself and fails with
	// aureus.ErrApprovalMismatch where it differs, and with
	// aureus.ErrTooManyPending beyond the bound of pending ones.
	AskApproval(ctx context.Context, ask aureus.ApprovalAsk) (aureus.ApprovalTicket, error)

	// ConsumeApproval spends an approved approval, once, for one decision: if
	// nobody reports that nothing was done, for good. It
	// fails with the aureus.ErrApproval… that says why it cannot be spent.
	ConsumeApproval(ctx context.Context, id string, use aureus.ApprovalUse) error

	// Approval is the approval with that id, or aureus.ErrApprovalUnknown.
	Approval(ctx context.Context, id string) (aureus.Approval, error)
}
