package wiregate

import (
	"context"
	"fmt"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/crvgate"
	"github.com/farmountain/aureus-go/internal/jsonvalue"
)

// MaxValidators is how many validators one gate configuration may name.
const MaxValidators = 1_000

// Validate judges a commit with the validators that the configuration names, each
// once, in the order in which they are named first. find returns the validator with
// an id, or nil if there is none: the result for it is then a TOOL_ERROR. An empty
// list of validators passes. Once [MaxSteps] or [MaxTime] is used up, the remaining
// validators do not run and have results with TOOL_ERROR.
//
// A required confidence that is not a number from 0 to 1 is never reached. Validate
// returns no error: a commit that cannot be judged has a result that did not pass.
func Validate(ctx context.Context, commit aureus.Commit, config aureus.GateConfig, find func(id string) crvgate.Validator[any]) aureus.GateResult {
	var validators []crvgate.Validator[any]
	switch {
	case len(config.Validators) > MaxValidators:
		config.BlockOnFailure = true
		reason := fmt.Sprintf("the gate names %d validators, and the limit is %d", len(config.Validators), MaxValidators)
		validators = append(validators, func(context.Context, crvgate.Change[any]) aureus.ValidationResult { return undecided(reason) })
	case len(config.Validators) == 0:
		config.RequiredConfidence = nil
		validators = append(validators, func(context.Context, crvgate.Change[any]) aureus.ValidationResult { return crvgate.Pass() })
	default:
		budget, stop := Start(ctx, commit)
		defer stop()
		validators = budget.guardEach(config.Validators, find)
	}
	result := gateOf(commit, config, validators).Validate(ctx, ChangeOf(commit))
	if len(config.Validators) == 0 && result.Passed {
		result.ValidationResults = []aureus.ValidationResult{}
	}
	return result
}

// gateOf is the gate of a configuration with the validators that it names.
func gateOf(commit aureus.Commit, config aureus.GateConfig, validators []crvgate.Validator[any]) *crvgate.Gate[any] {
	threshold := 0.0
	if config.RequiredConfidence != nil {
		threshold = *config.RequiredConfidence
	}
	if !(threshold >= 0 && threshold <= 1) {
		threshold = 1
		for i, validator := range validators {
			validators[i] = withoutConfidence(validator)
		}
	}
	var gate *crvgate.Gate[any]
	if len(config.Validators) == 0 || jsonvalue.IsFreeForm(commit.Data) && jsonvalue.IsFreeForm(commit.PreviousState) {
		gate = crvgate.New(config.Name, validators...) // a commit that came as JSON needs no conversion
	} else {
		gate = crvgate.New[any](config.Name).With(validators...)
	}
	if !config.BlockOnFailure {
		gate = gate.NonBlocking()
	}
	if threshold > 0 {
		gate = gate.RequireConfidence(threshold)
	}
	if config.RecoveryStrategy != nil {
		gate = gate.Recover(strategy(config.RecoveryStrategy))
	}
	return gate
}

// strategy is a recovery strategy that is returned as it was given.
type strategy map[string]any

// Strategy returns the map itself.
func (s strategy) Strategy() map[string]any { return s }

func withoutConfidence(validator crvgate.Validator[any]) crvgate.Validator[any] {
	return func(ctx context.Context, change crvgate.Change[any]) aureus.ValidationResult {
		result := validator(ctx, change)
		result.Confidence = nil
		return result
	}
}

// ChangeOf is a commit as a change. A previous state that is null is none.
func ChangeOf(commit aureus.Commit) crvgate.Change[any] {
	return crvgate.Change[any]{
		ID: commit.ID, Data: commit.Data, Previous: commit.PreviousState,
		HasPrevious: commit.PreviousState != nil, Metadata: commit.Metadata,
	}
}

// undecided is the result for a validator that could not judge. It has no
// confidence, because nothing was judged.
func undecided(reason string) aureus.ValidationResult {
	result := crvgate.Fail(aureus.ToolError, reason)
	result.Confidence = nil
	return result
}

// NotFound is the result for an id under which there is no validator.
func NotFound(id string) aureus.ValidationResult {
	result := undecided(fmt.Sprintf("there is no validator with the id %q", id))
	result.Remediation = "Register the validator, or name one that is registered."
	return result
}
