package wiregate

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/crvgate"
	"github.com/farmountain/aureus-go/internal/jsonvalue"
	"github.com/farmountain/aureus-go/internal/steps"
)

// The limits of one gate, and of the tests of one validator configuration. A step is
// about half a microsecond. A schema takes about one step for each keyword and value
// that it examines, an expression one step for each unit of its cost, and every
// validator one step for each ten values of the commit.
const (
	MaxSteps = 3_000_000        // of all its validators together
	MaxTime  = 10 * time.Second // of all its validators together

	maxResultMetadata = 32 << 10 // values plus bytes of text, in the metadata of one result
	maxResultText     = 4 << 10  // bytes of a reason, and of a remediation

	stepsPerValidator = 10
	valuesPerStep     = 10
	bytesPerStep      = 256
)

var errTime = errors.New("the time limit of the gate has passed")

// Budget holds the steps and the time that the validators of one gate may still use.
// They run with a context that ends at the gate's time limit. Once a limit is reached,
// no further validator runs.
type Budget struct {
	ctx          context.Context //nolint:containedctx // a Budget is for one validation only
	steps        *steps.Budget
	perValidator int // minimum number of steps that each validator uses
}

// Start returns a new budget for validating the commits. The caller must call the
// returned function, which releases the budget's context.
func Start(ctx context.Context, commits ...aureus.Commit) (*Budget, func()) {
	b := &Budget{steps: steps.New(MaxSteps), perValidator: stepsPerValidator}
	for i := range commits {
		for _, part := range []any{commits[i].Data, commits[i].PreviousState, commits[i].Metadata} {
			values, bytes := jsonvalue.Weight(part)
			b.perValidator += values/valuesPerStep + bytes/bytesPerStep
		}
	}
	limited, cancel := context.WithTimeoutCause(ctx, MaxTime, errTime)
	b.ctx = steps.With(limited, b.steps)
	return b, cancel
}

// guardEach returns the validators with the ids, each id once and in order, limited by
// the budget.
func (b *Budget) guardEach(ids []string, find func(id string) crvgate.Validator[any]) []crvgate.Validator[any] {
	seen := make(map[string]bool, len(ids))
	validators := make([]crvgate.Validator[any], 0, len(ids))
	for _, id := range ids {
		if !seen[id] {
			seen[id] = true
			validators = append(validators, b.Guard(id, find(id)))
		}
	}
	return validators
}

// Guard returns the validator, limited by the budget. If the validator is nil, the
// result is [NotFound].
func (b *Budget) Guard(id string, validator crvgate.Validator[any]) crvgate.Validator[any] {
	return func(_ context.Context, change crvgate.Change[any]) aureus.ValidationResult {
		if reason := b.Exceeded(); reason != "" {
			return notRun(id, reason)
		}
		if !b.steps.Spend(b.perValidator) {
			return notRun(id, b.Exceeded())
		}
		if validator == nil {
			return NotFound(id)
		}
		change.HasPrevious = change.HasPrevious && change.Previous != nil // null means that there is no previous state
		return limited(validator(b.ctx, change))
	}
}

// Exceeded returns which limit is reached, or "" if none is.
func (b *Budget) Exceeded() string {
	switch {
	case errors.Is(context.Cause(b.ctx), errTime):
		return fmt.Sprintf("the validators of the gate have taken %v together, which is the limit", MaxTime)
	case b.steps.Spent():
		return fmt.Sprintf("the validators of the gate have taken %d steps together, which is the limit", MaxSteps)
	default:
		return ""
	}
}

func notRun(id, reason string) aureus.ValidationResult {
	result := undecided(fmt.Sprintf("the validator %q was not run: %s", id, reason))
	result.Remediation = "Put fewer or simpler validators into one gate, or smaller data before it."
	return result
}

// limited cuts the texts of a result and removes metadata that is too large, so that a
// response can hold the results of [MaxValidators] validators.
func limited(result aureus.ValidationResult) aureus.ValidationResult {
	result.Reason = jsonvalue.Clip(result.Reason, maxResultText)
	result.Remediation = jsonvalue.Clip(result.Remediation, maxResultText)
	if result.Metadata == nil || !jsonvalue.IsFreeForm(result.Metadata) { // only a validator in Go gives metadata that is not free-form
		return result
	}
	if values, bytes := jsonvalue.Weight(result.Metadata); values+bytes > maxResultMetadata {
		result.Metadata = map[string]any{"omitted": fmt.Sprintf("%d values with %d bytes of text, and the limit is %d of both together", values, bytes, maxResultMetadata)}
	}
	return result
}
