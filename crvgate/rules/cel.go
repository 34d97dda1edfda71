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

// language compiles all expressions. It is created when the first one is compiled.
var language = sync.OnceValue(func() *celx.Language { return celx.New("data", "previous", "metadata") })

// celParameters are the parameters of the type cel.
type celParameters struct {
	Expression        string                 `json:"expression"`
	Message           string                 `json:"message,omitzero"`
	MessageExpression string                 `json:"message_expression,omitzero"`
	FailureCode       aureus.FailureTaxonomy `json:"failure_code,omitzero"`
	Confidence        *float64               `json:"confidence,omitzero" aureus:"min=0,max=1"`
	Remediation       string                 `json:"remediation,omitzero"`
}

// celRule is a compiled validator of the type cel.
type celRule struct {
	condition  *celx.Condition
	message    *celx.Text // the message_expression; nil if there is none
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
		if rule.message, err = language().Text(p.MessageExpression); err != nil {
			problems = append(problems, inExpression("/message_expression", err)...)
		}
		if p.Message != "" {
			problems = append(problems, registry.Problem{Pointer: "/message", Message: "must not be given together with message_expression"})
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
	rule.failure = withConfidence(crvgate.Fail(code, reason), rule.confidence)
	if p.Remediation != "" {
		rule.failure.Remediation = p.Remediation
	}
	return rule.validate, nil
}

// compile compiles the condition at a pointer of the parameters.
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
		return notEvaluated(err)
	case holds:
		return withConfidence(crvgate.Pass(), r.confidence)
	}
	result := r.failure
	if r.message != nil {
		if text, err := r.message.Render(ctx, s.data, s.previous, s.metadata); err == nil && strings.TrimSpace(text) != "" {
			result.Reason = text
		}
	}
	return result
}

// notEvaluated returns the result if the expression could not be evaluated.
func notEvaluated(err error) aureus.ValidationResult {
	failure, ok := errors.AsType[*celx.EvalError](err)
	code := aureus.ToolError
	if ok && errors.Is(err, celx.ErrMissing) {
		code = aureus.MissingData
	}
	result := crvgate.Fail(code, fmt.Sprintf("the rule could not be evaluated: %v", err))
	if code != aureus.MissingData {
		return result
	}
	result.Metadata = map[string]any{"missingFields": []any{failure.Key}}
	return result
}

// withConfidence returns the result with a confidence. If that is 1, the result is
// returned unchanged, because it has that confidence already.
func withConfidence(result aureus.ValidationResult, confidence float64) aureus.ValidationResult {
	if confidence != 1 {
		result.Confidence = &confidence
	}
	return result
}
