package crvgate

import (
	"context"
	"fmt"
	"slices"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/internal/jsonvalue"
	"github.com/farmountain/aureus-go/internal/panicsite"
)

// judge is the gate algorithm of SPEC 4.1. It completes the change, runs every
// validator, and stops early only when there is nothing left to decide. The
// error is what stopped it, if an error did.
func (g *Gate[T]) judge(ctx context.Context, change *Change[T], results []aureus.ValidationResult) (judgement, error) {
	judged := judgement{results: results}
	if g == nil || len(g.validators)+len(g.rules) == 0 {
		return judged.stop("the gate has no validators"), nil
	}
	if judged = judged.stopAtEnd(ctx); judged.stopped {
		return judged, causeOf(ctx)
	}
	if g.previous != nil || g.describe != nil {
		if reason, err := g.complete(ctx, change); reason != "" {
			return judged.stop(reason), err
		}
	}
	judged = judgeAll(ctx, judged, &g.settings, g.validators, change)
	if len(g.rules) > 0 && !judged.stopped {
		if document, err := documentOf(change); err != nil {
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
		return judgeWatching(ctx, judged, set.required, validators, change)
	}
	return judgeEach(ctx, judged, set.required, validators, change)
}

// judgeEach runs the validators and weighs what they said.
func judgeEach[T any](ctx context.Context, judged judgement, required float64, validators []Validator[T], change *Change[T]) judgement {
	before := len(judged.results)
	judged.results = slices.Grow(judged.results, len(validators))[:before+len(validators)] // each place is written before it is read
	ran, ended := 0, false
	for ran < len(validators) && !ended {
		ended = runSome(ctx, validators, change, judged.results[before:], &ran)
	}
	judged.results = judged.results[:before+ran]
	judged = judged.weigh(before, required)
	if ended {
		return judged.stopAtEnd(ctx)
	}
	return judged
}

// runSome runs validators until all have run, the context ends or one panics:
// that one has a result too, and those after it are for the next call (SPEC
// C3). One deferred call for all of them is what makes a pass cheap.
func runSome[T any](ctx context.Context, validators []Validator[T], change *Change[T], results []aureus.ValidationResult, ran *int) (ended bool) {
	defer func() {
		if p := recover(); p != nil {
			results[*ran] = broken("the validator panicked" + panicsite.Describe(p))
			*ran++
			ended = ctx.Err() != nil
		}
	}()
	given := *change // each validator gets a copy of this copy, which the compiler makes in one go
	for *ran < len(validators) && !ended {
		if validator := validators[*ran]; validator != nil {
			result := validator(ctx, given)
			if plain(&result) { // most are, and writing one afresh is cheaper than copying it
				results[*ran] = aureus.ValidationResult{Valid: true, Confidence: &certain}
			} else {
				results[*ran] = result
			}
		} else {
			results[*ran] = broken("the validator is nil")
		}
		*ran++
		ended = ctx.Err() != nil
	}
	return ended
}

// plain reports whether a result is that of Pass, of which two words say
// everything.
func plain(result *aureus.ValidationResult) bool {
	return result.Valid && result.Confidence == &certain && result.Reason == "" &&
		result.Metadata == nil && result.FailureCode == "" && result.Remediation == ""
}

// complete fills in what the change came without. A reason says why it cannot.
// The error of the caller's own function stays out of the reason, which travels.
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

// documentOf is the change as free-form JSON. What has no JSON form is an
// error, also where writing it panics.
func documentOf[T any](change *Change[T]) (document Change[any], err error) {
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
