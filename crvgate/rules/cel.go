package rules

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/crvgate"
	"github.com/farmountain/aureus-go/crvgate/registry"
	"github.com/farmountain/aureus-go/internal/celx"
)

// language is that of all expressions. It is made when the first is compiled.
var language = sync.OnceValue(func() *celx.Language { return celx.New("data", "previous", "metadata") })

// celParameters are those of the type cel (SPEC 4.6).
type celParameters struct {
	Expression        string                 `json:"expression"`
	Message           string                 `json:"message,omitzero"`
	MessageExpression string                 `json:"message_expression,omitzero"`
	FailureCode       aureus.FailureTaxonomy `json:"failure_code,omitzero"`
	Confidence        *float64               `json:"confidence,omitzero" aureus:"min=0,max=1"`
	Remediation       string                 `json:"remediation,omitzero"`
}

// celRule is one of those, compiled.
type celRule struct {
	condition  *celx.Condition
	says       *celx.Text // may be nil
	failure    aureus.ValidationResult
	confidence float64
}

func buildCEL(parameters []byte) (crvgate.Validator[any], error) {
	var p celParameters
	problems := read("", parameters, &p,
		"expression", "message", "message_expression", "failure_code", "confidence", "remediation")
	if len(problems) > 0 {
		return nil, failed(problems)
	}
	rule := celRule{confidence: 1}
	if p.Confidence != nil {
		rule.confidence = *p.Confidence
	}
	rule.condition, problems = compile("/expression", p.Expression)
	if p.MessageExpression != "" {
		var err error
		if rule.says, err = language().Text(p.MessageExpression); err != nil {
			problems = append(problems, inExpression("/message_expression", err)...)
		}
		if p.Message != "" {
			problems = append(problems, registry.Problem{Pointer: "/message", Message: "is given beside message_expression: one of the two says it"})
		}
	}
	if len(problems) > 0 {
		return nil, failed(problems)
	}
	code := p.FailureCode
	if code == "" {
		code = aureus.PolicyViolation
	}
	reason := celx.Cut(p.Message)
	if reason == "" {
		reason = "the rule does not hold"
	}
	rule.failure = confident(crvgate.Fail(code, reason), rule.confidence)
	if p.Remediation != "" {
		rule.failure.Remediation = p.Remediation
	}
	return rule.validate, nil
}

// compile compiles a condition found at a pointer.
func compile(pointer, expression string) (*celx.Condition, []registry.Problem) {
	if strings.TrimSpace(expression) == "" {
		return nil, []registry.Problem{{Pointer: pointer, Message: "must not be empty"}}
	}
	condition, err := language().Condition(expression)
	if err != nil {
		return nil, inExpression(pointer, err)
	}
	return condition, nil
}

func (r *celRule) validate(ctx context.Context, change crvgate.Change[any]) aureus.ValidationResult {
	s, err := scopeOf(change)
	if err != nil {
		return crvgate.Fail(aureus.Conflict, err.Error())
	}
	holds, err := r.condition.Holds(ctx, s.data, s.previous, s.metadata)
	switch {
	case err != nil:
		return unjudged(err)
	case holds:
		return confident(crvgate.Pass(), r.confidence)
	}
	result := r.failure
	if r.says != nil {
		if text, err := r.says.Render(ctx, s.data, s.previous, s.metadata); err == nil && strings.TrimSpace(text) != "" {
			result.Reason = text
		}
	}
	return result
}

// unjudged is the result of an expression that could not be evaluated.
func unjudged(err error) aureus.ValidationResult {
	failure, ok := errors.AsType[*celx.EvalError](err)
	if !ok || !errors.Is(err, celx.ErrMissing) {
		return crvgate.Fail(aureus.ToolError, fmt.Sprintf("the rule could not be judged: %v", err))
	}
	result := crvgate.Fail(aureus.MissingData, fmt.Sprintf("the rule needs what is not there: %v", err))
	result.Metadata = map[string]any{"missingFields": []any{failure.Key}}
	return result
}

// confident is the result with another confidence. That of 1 stays as it is.
func confident(result aureus.ValidationResult, confidence float64) aureus.ValidationResult {
	if confidence != 1 {
		result.Confidence = &confidence
	}
	return result
}
