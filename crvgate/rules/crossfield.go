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

// The limits of a configuration of the type cross_field_consistency.
const (
	MaxRules       = 100    // rules
	MaxFields      = 100    // fields of one rule
	MaxExpressions = 50_000 // bytes of all expressions together
)

// crossFieldRule is one rule in the parameters of cross_field_consistency.
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
		return nil, failed([]registry.Problem{{Pointer: "/rules", Message: fmt.Sprintf("has %d rules, and the limit is %d", n, MaxRules)}})
	}
	size := 0
	for _, declared := range p.Rules {
		size += len(declared.Expression)
	}
	if size > MaxExpressions {
		return nil, failed([]registry.Problem{{Pointer: "/rules", Message: fmt.Sprintf("has expressions of %d bytes together, and the limit is %d", size, MaxExpressions)}})
	}
	rules := make([]validators.CrossFieldRule, len(p.Rules))
	for i, declared := range p.Rules {
		pointer := "/rules/" + strconv.Itoa(i)
		if declared.Name == "" {
			problems = append(problems, registry.Problem{Pointer: pointer + "/name", Message: "must not be empty"})
		}
		if n := len(declared.Fields); n > MaxFields {
			problems = append(problems, registry.Problem{Pointer: pointer + "/fields", Message: fmt.Sprintf("has %d fields, and the limit is %d", n, MaxFields)})
			continue
		}
		condition, found := compile(pointer+"/expression", declared.Expression)
		problems = append(problems, found...)
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

// scopeKey is the context key of the scope of a rule. The function of a rule gets only
// the values of its fields, but an expression may use the other values of the change.
type scopeKey struct{}

// holds returns the function of a rule with the condition.
func holds(condition *celx.Condition) func(context.Context, map[string]any) (bool, error) {
	return func(ctx context.Context, _ map[string]any) (bool, error) {
		s, ok := ctx.Value(scopeKey{}).(*scope)
		if !ok {
			return false, errors.New("the context has no scope")
		}
		return condition.Holds(ctx, s.data, s.previous, s.metadata)
	}
}

// unknownInRules finds unknown member names in the rules.
func unknownInRules(parameters []byte) (problems []registry.Problem) {
	tree, err := strictjson.Parse(parameters)
	if err != nil {
		return nil // the caller has reported it
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
