package wiregate

import (
	"context"
	"fmt"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/crvgate"
	"github.com/farmountain/aureus-go/internal/jsonvalue"
)

// MaxValidators is the maximum number of validators in one gate configuration.
const MaxValidators = 1_000

// Validate judges a commit with the validators that the configuration names, each
// once, in the order of their first occurrence. find returns the validator with an id,
// or nil if there is none; its result is then a TOOL_ERROR. An empty list of
// validators passes. Once [MaxSteps] or [MaxTime] is reached, the remaining validators
// do not run and have results with TOOL_ERROR.
//
// If the required confidence is not a number from 0 to 1, no result reaches it.
// Validate returns no error: the result of a commit that cannot be judged has not
// passed.
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

// gateOf returns the gate of a configuration with the given validators.
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

// strategy is a recovery strategy from a request. It is returned unchanged.
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

// ChangeOf returns the change that the commit describes. A null previous state means
// that there is no previous state.
func ChangeOf(commit aureus.Commit) crvgate.Change[any] {
	return crvgate.Change[any]{
		ID: commit.ID, Data: commit.Data, Previous: commit.PreviousState,
		HasPrevious: commit.PreviousState != nil, Metadata: commit.Metadata,
	}
}

// undecided returns the result of a validator that could not judge the commit. It has
// no confidence, because nothing was judged.
func undecided(reason string) aureus.ValidationResult {
	result := crvgate.Fail(aureus.ToolError, reason)
	result.Confidence = nil
	return result
}

// NotFound returns the result for an id that no validator has.
func NotFound(id string) aureus.ValidationResult {
	result := undecided(fmt.Sprintf("there is no validator with the id %q", id))
	result.Remediation = "Register the validator, or name one that is registered."
	return result
}
