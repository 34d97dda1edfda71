package crvgate

import (
	"context"
	"fmt"
	"slices"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/internal/jsonvalue"
	"github.com/farmountain/aureus-go/internal/panicsite"
)

// judge is the algorithm of a gate. It completes the change, then runs every validator;
// it stops early only if the change cannot be judged. It appends to results, which is
// empty. The error is the one that stopped it, or the cause if the context has ended;
// otherwise it is nil.
func (g *Gate[T]) judge(ctx context.Context, change *Change[T], results []aureus.ValidationResult) (judgement, error) {
	judged := judgement{results: results}
	if g == nil || len(g.validators)+len(g.rules) == 0 {
		return judged.stop("the gate has no validators"), nil
	}
	if judged = judged.stopIfEnded(ctx); judged.stopped {
		return judged, causeOf(ctx)
	}
	if g.previous != nil || g.describe != nil {
		if reason, err := g.complete(ctx, change); reason != "" {
			return judged.stop(reason), err
		}
	}
	judged = judgeAll(ctx, judged, &g.settings, g.validators, change)
	if len(g.rules) > 0 && !judged.stopped {
		if document, err := freeFormOf(change); err != nil {
			judged = judged.refuseEach(len(g.rules), err)
		} else {
			judged = judgeAll(ctx, judged, &g.settings, g.rules, &document)
		}
	}
	if judged.stopped {
		return judged, causeOf(ctx)
	}
	return judged, nil
}

func causeOf(ctx context.Context) error {
	if ctx == nil {
		return nil
	}
	return context.Cause(ctx)
}

func judgeAll[T any](ctx context.Context, judged judgement, set *settings, validators []Validator[T], change *Change[T]) judgement {
	if set.detectMutation {
		return judgeDetectingMutation(ctx, judged, set.required, validators, change)
	}
	return judgeEach(ctx, judged, set.required, validators, change)
}

// judgeEach runs the validators and adds their results.
func judgeEach[T any](ctx context.Context, judged judgement, required float64, validators []Validator[T], change *Change[T]) judgement {
	before := len(judged.results)
	judged.results = slices.Grow(judged.results, len(validators))[:before+len(validators)] // each element is written before it is read
	ran, ended := 0, false
	for ran < len(validators) && !ended {
		ended = runSome(ctx, validators, change, judged.results[before:], &ran)
	}
	judged.results = judged.results[:before+ran]
	judged = judged.assess(before, required)
	if ended {
		return judged.stopIfEnded(ctx)
	}
	return judged
}

// runSome runs validators from index *ran on, until all have run, the context has ended,
// or one has panicked. The one that panicked has a result too, and the next call starts
// after it. All of them share one deferred recover, which costs less than one for each.
func runSome[T any](ctx context.Context, validators []Validator[T], change *Change[T], results []aureus.ValidationResult, ran *int) (ended bool) {
	defer func() {
		if p := recover(); p != nil {
			results[*ran] = toolError("the validator panicked" + panicsite.Describe(p))
			*ran++
			ended = ctx.Err() != nil
		}
	}()
	given := *change // a local copy, which the compiler copies faster for each call
	for *ran < len(validators) && !ended {
		if validator := validators[*ran]; validator != nil {
			result := validator(ctx, given)
			if isPlainPass(&result) { // writing a new one costs less than copying it
				results[*ran] = aureus.ValidationResult{Valid: true, Confidence: &certain}
			} else {
				results[*ran] = result
			}
		} else {
			results[*ran] = toolError("the validator is nil")
		}
		*ran++
		ended = ctx.Err() != nil
	}
	return ended
}

// isPlainPass reports whether a result is exactly that of Pass.
func isPlainPass(result *aureus.ValidationResult) bool {
	return result.Valid && result.Confidence == &certain && result.Reason == "" &&
		result.Metadata == nil && result.FailureCode == "" && result.Remediation == ""
}

// complete sets the id, the metadata and the previous state that the change lacks. If it
// cannot, the reason says why. The error of the caller's function is not part of the
// reason, because reasons are sent to other services.
func (g *Gate[T]) complete(ctx context.Context, change *Change[T]) (reason string, err error) {
	defer func() {
		if p := recover(); p != nil {
			reason, err = "the change could not be completed: a panic"+panicsite.Describe(p), nil
		}
	}()
	if g.describe != nil && change.ID == "" && change.Metadata == nil {
		change.ID, change.Metadata = g.describe(ctx, change.Data)
	}
	if g.previous != nil && !change.HasPrevious {
		if change.Previous, change.HasPrevious, err = g.previous(ctx, change.Data); err != nil {
			return "the previous state could not be loaded", err
		}
	}
	return "", nil
}

// freeFormOf returns the change as free-form JSON. It returns an error if the change has
// no JSON form, or if a MarshalJSON or MarshalText method panics.
func freeFormOf[T any](change *Change[T]) (document Change[any], err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic%s", panicsite.Describe(p))
		}
	}()
	document = Change[any]{ID: change.ID, HasPrevious: change.HasPrevious, Metadata: change.Metadata}
	if document.Data, err = jsonvalue.Converted(change.Data); err != nil {
		return document, fmt.Errorf("the data: %w", err)
	}
	if change.HasPrevious {
		if document.Previous, err = jsonvalue.Converted(change.Previous); err != nil {
			return document, fmt.Errorf("the previous state: %w", err)
		}
	}
	return document, nil
}
