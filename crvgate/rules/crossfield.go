package rules

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/crvgate"
	"github.com/farmountain/aureus-go/crvgate/registry"
	"github.com/farmountain/aureus-go/crvgate/validators"
	"github.com/farmountain/aureus-go/internal/celx"
	"github.com/farmountain/aureus-go/internal/strictjson"
)

// The bounds of a cross_field_consistency.
const (
	MaxRules       = 100    // in one configuration
	MaxFields      = 100    // of one rule
	MaxExpressions = 50_000 // bytes of all its expressions together
)

// crossFieldRule is one rule of cross_field_consistency (SPEC 4.6).
type crossFieldRule struct {
	Name       string   `json:"name"`
	Fields     []string `json:"fields"`
	Expression string   `json:"expression"`
	Message    string   `json:"message,omitzero"`
}

func buildCrossField(parameters []byte) (crvgate.Validator[any], error) {
	var p struct {
		Rules []crossFieldRule `json:"rules"`
	}
	problems := append(read("", parameters, &p, "rules"), unknownInRules(parameters)...)
	if len(problems) > 0 {
		return nil, failed(problems)
	}
	if n := len(p.Rules); n > MaxRules {
		return nil, failed([]registry.Problem{{Pointer: "/rules", Message: fmt.Sprintf("has %d rules, and %d are the limit", n, MaxRules)}})
	}
	written := 0
	for _, declared := range p.Rules {
		written += len(declared.Expression)
	}
	if written > MaxExpressions {
		return nil, failed([]registry.Problem{{Pointer: "/rules", Message: fmt.Sprintf("hold expressions of %d bytes, and %d are the limit", written, MaxExpressions)}})
	}
	rules := make([]validators.CrossFieldRule, len(p.Rules))
	for i, declared := range p.Rules {
		pointer := "/rules/" + strconv.Itoa(i)
		if declared.Name == "" {
			problems = append(problems, registry.Problem{Pointer: pointer + "/name", Message: "must not be empty"})
		}
		if n := len(declared.Fields); n > MaxFields {
			problems = append(problems, registry.Problem{Pointer: pointer + "/fields", Message: fmt.Sprintf("has %d fields, and %d are the limit", n, MaxFields)})
			continue
		}
		condition, wrong := compile(pointer+"/expression", declared.Expression)
		problems = append(problems, wrong...)
		rules[i] = validators.CrossFieldRule{
			Name: declared.Name, Fields: declared.Fields, Message: celx.Cut(declared.Message), Holds: holds(condition),
		}
	}
	if len(problems) > 0 {
		return nil, failed(problems)
	}
	judge := validators.CrossFieldConsistency(rules...)
	return func(ctx context.Context, change crvgate.Change[any]) aureus.ValidationResult {
		s, err := scopeOf(change)
		if err != nil {
			return crvgate.Fail(aureus.Conflict, err.Error())
		}
		change.Data = s.data
		return judge(context.WithValue(ctx, scopeKey{}, &s), change)
	}, nil
}

// scopeKey finds the scope of the change in the context of a rule, which is
// handed the values of its fields alone.
type scopeKey struct{}

func holds(condition *celx.Condition) func(context.Context, map[string]any) (bool, error) {
	return func(ctx context.Context, _ map[string]any) (bool, error) {
		s, ok := ctx.Value(scopeKey{}).(*scope)
		if !ok {
			return false, errors.New("there is nothing to judge")
		}
		return condition.Holds(ctx, s.data, s.previous, s.metadata)
	}
}

// unknownInRules finds the names in the rules that nobody reads.
func unknownInRules(parameters []byte) (problems []registry.Problem) {
	tree, err := strictjson.Parse(parameters)
	if err != nil {
		return nil // it has been told
	}
	object, _ := tree.(map[string]any)
	list, _ := object["rules"].([]any)
	for i, item := range list {
		rule, _ := item.(map[string]any)
		names := slices.Sorted(maps.Keys(rule))
		problems = append(problems, unknown(fmt.Sprintf("/rules/%d", i), names, "name", "fields", "expression", "message")...)
	}
	return problems
}
