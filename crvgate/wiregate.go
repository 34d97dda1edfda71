package crvgate

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"
	"unicode/utf8"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/internal/steps"
	"github.com/farmountain/aureus-go/internal/strictjson"
)

// The bounds of one gate of the wire, and of the tests of one registration. A
// step is about half a microsecond: a schema takes about one for each keyword and
// value it looks at, an expression one for each unit of its cost, and every
// validator one for ten values of the commit.
const (
	MaxGateSteps = 3_000_000        // of all its validators together
	MaxGateTime  = 10 * time.Second // of all its validators together

	maxResultMetadata = 32 << 10 // values and bytes of text of one validator's metadata
	maxResultText     = 4 << 10  // bytes of its reason, and of its remediation

	stepsPerValidator = 10
	valuesPerStep     = 10
	bytesPerStep      = 256
)

var errGateTime = errors.New("the time of the gate is over")

// budgeted has the validators of one gate share its bounds. Each of them is run
// with a context that ends with the time of the gate, and not at all once a bound
// is used up: then its result says so.
type budgeted struct {
	ctx   context.Context //nolint:containedctx // that of one judgement, which is running
	steps *steps.Budget
	each  int // what every validator costs, whatever it does
}

// within starts the bounds of one judgement of a commit. The function it returns
// ends them.
func within(ctx context.Context, commits ...aureus.Commit) (*budgeted, func()) {
	b := &budgeted{steps: steps.New(MaxGateSteps), each: stepsPerValidator}
	for i := range commits {
		values, size := weightOf(commits[i].Data)
		before, sizeBefore := weightOf(commits[i].PreviousState)
		about, sizeAbout := weightOf(commits[i].Metadata)
		b.each += (values+before+about)/valuesPerStep + (size+sizeBefore+sizeAbout)/bytesPerStep
	}
	limited, cancel := context.WithTimeoutCause(ctx, MaxGateTime, errGateTime)
	b.ctx = steps.With(limited, b.steps)
	return b, cancel
}

// guard is a validator within the bounds.
func (b *budgeted) guard(id string, validator Validator[any]) Validator[any] {
	return func(_ context.Context, change Change[any]) aureus.ValidationResult {
		if reason := b.over(); reason != "" {
			return beyondBudget(id, reason)
		}
		if !b.steps.Spend(b.each) {
			return beyondBudget(id, b.over())
		}
		change.HasPrevious = change.HasPrevious && change.Previous != nil // null is no state
		return presented(validator(b.ctx, change))
	}
}

// over says which bound is used up, and is empty while none is.
func (b *budgeted) over() string {
	switch {
	case errors.Is(context.Cause(b.ctx), errGateTime):
		return fmt.Sprintf("the validators of the gate have taken %v together, which is the limit", MaxGateTime)
	case b.steps.Spent():
		return fmt.Sprintf("the validators of the gate have taken %d steps together, which is the limit", MaxGateSteps)
	default:
		return ""
	}
}

func beyondBudget(id, reason string) aureus.ValidationResult {
	result := broken(fmt.Sprintf("the validator %q was not run: %s", id, reason))
	result.Remediation = "Put fewer or simpler validators into one gate, or smaller data before it."
	return result
}

// presented is a result whose texts and metadata are small enough to be one of
// many in an answer.
func presented(result aureus.ValidationResult) aureus.ValidationResult {
	result.Reason = cut(result.Reason)
	result.Remediation = cut(result.Remediation)
	if result.Metadata == nil {
		return result
	}
	if !isFreeForm(result.Metadata, 0) {
		return result // made by the host's own code
	}
	if values, size := weightOf(result.Metadata); values+size > maxResultMetadata {
		result.Metadata = map[string]any{"omitted": fmt.Sprintf("%d values with %d bytes of text, and %d of both are the limit", values, size, maxResultMetadata)}
	}
	return result
}

func cut(text string) string {
	if len(text) <= maxResultText {
		return text
	}
	end := maxResultText
	for end > 0 && !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end] + "…"
}

// weightOf are the values in a free-form value, and the bytes of its texts and
// numbers. What is no such value, or is nested deeper than JSON may be, counts as
// one.
func weightOf(value any) (values, size int) { return weightWithin(value, strictjson.MaxDepth) }

func weightWithin(value any, levels int) (values, size int) {
	if levels < 0 {
		return 1, 0
	}
	switch value := value.(type) {
	case string:
		return 1, len(value)
	case json.Number:
		return 1, len(value)
	case []any:
		for _, item := range value {
			n, bytes := weightWithin(item, levels-1)
			values, size = values+n, size+bytes
		}
	case map[string]any:
		for name, item := range value {
			n, bytes := weightWithin(item, levels-1)
			values, size = values+n, size+bytes+len(name)
		}
	}
	return values + 1, size
}

// withoutRepeats are ids in their order, each once.
func withoutRepeats(ids []string) []string {
	seen := make(map[string]bool, len(ids))
	unique := make([]string, 0, len(ids))
	for _, id := range ids {
		if !seen[id] {
			seen[id] = true
			unique = append(unique, id)
		}
	}
	return unique
}
