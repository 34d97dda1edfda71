package guard

import (
	"context"
	"errors"
	"maps"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/internal/approval"
)

// Preview is what a check of the change that a request would make has found, before a
// person is asked about it. Its zero value does not block and shows nothing.
type Preview struct {
	// Blocked says why the change would be blocked if it were tried now. It is empty if
	// the change would pass.
	Blocked string

	// Shown is what the approver sees of the change, such as the fields that it changes
	// and their previous values. Its values must have a JSON form, as those of
	// aureus.Action.Metadata, of which it becomes part. The approval binds it: if a later
	// preview of the same request shows something else, the approval is not for that
	// request, and a person is asked again. So a digest of the state that the change
	// starts from belongs here, and the time does not.
	Shown map[string]any
}

// Previewer is a decider that can say what it would decide without asking a person.
// [*Local] is one, and so is the engine of package policy.
type Previewer interface {
	Decider

	// Preview returns the decision that Decide would return if no approval were open for
	// the request.
	Preview(request aureus.Request) aureus.Decision
}

// WithPreview returns a decider that calls preview before a person is asked to approve a
// request, and again each time that the request is sent afterwards, so also before an
// approval is used. If the preview is blocked, the request is denied with the code
// RULE_DENIED, the rule "preview" and the reason of the preview: nobody is asked, and an
// approval is not used. Otherwise Shown is part of the request that is decided, as the
// value preview in the action's metadata; one that the request itself has there is
// replaced or removed. For requests that the decider allows or denies without a person,
// preview is not called.
//
// If preview fails, there is no decision, nor if the policy changes while a request is
// decided, so that an approval was used without a preview. preview gets the request
// unchanged, must not change it, and must change nothing itself. It may be called
// concurrently. Between the last
// preview and the action the state may change once more: what executes the action has to
// check it again.
func WithPreview(decider Previewer, preview func(ctx context.Context, request aureus.Request) (Preview, error)) Decider {
	return previewing{decider, preview}
}

type previewing struct {
	decider Previewer
	preview func(context.Context, aureus.Request) (Preview, error)
}

// Decide implements [Decider].
func (p previewing) Decide(ctx context.Context, request aureus.Request) (aureus.Decision, error) {
	if p.decider == nil || p.preview == nil {
		return aureus.Decision{}, errors.New("guard: WithPreview needs a decider and a function")
	}
	if ctx.Err() != nil {
		return aureus.Decision{}, context.Cause(ctx)
	}
	request = withPreview(request, nil)
	decision := p.decider.Preview(request)
	if decision.Effect != aureus.RequireApproval {
		return p.decideUnseen(ctx, request)
	}
	found, err := p.preview(ctx, request)
	switch {
	case err != nil:
		return approval.Undecided(decision), err
	case ctx.Err() != nil:
		return approval.Undecided(decision), context.Cause(ctx)
	case found.Blocked != "":
		decision.Effect, decision.ReasonCode, decision.Rule = aureus.Deny, aureus.ReasonRuleDenied, approval.PreviewName
		decision.Reason = found.Blocked
		return decision, nil
	}
	return p.decider.Decide(ctx, withPreview(request, found.Shown))
}

// decideUnseen decides on a request for which, a moment ago, no person was needed or there
// was no decision. If it needs one by now and the decider used an approval, there is no
// decision: preview was not called before.
func (p previewing) decideUnseen(ctx context.Context, request aureus.Request) (aureus.Decision, error) {
	decision, err := p.decider.Decide(ctx, request)
	if err == nil && decision.Effect == aureus.Allow && decision.Approval.ID != "" {
		return approval.Undecided(decision), errors.New("guard: the policy changed while the request was decided, so that an approval was used without a preview; send the request again")
	}
	return decision, err
}

// withPreview returns the request with what is shown in the metadata of its action, and
// without a preview for nil. It does not change the metadata of the given request.
func withPreview(request aureus.Request, shown map[string]any) aureus.Request {
	_, has := request.Action.Metadata[approval.PreviewName]
	if !has && shown == nil {
		return request
	}
	metadata := maps.Clone(request.Action.Metadata)
	if metadata == nil {
		metadata = make(map[string]any, 1)
	}
	delete(metadata, approval.PreviewName)
	if shown != nil {
		metadata[approval.PreviewName] = shown
	}
	request.Action.Metadata = metadata
	return request
}
