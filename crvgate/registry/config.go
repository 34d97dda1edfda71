package registry

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/crvgate"
	"github.com/farmountain/aureus-go/crvgate/internal/checks"
	"github.com/farmountain/aureus-go/crvgate/internal/parameters"
	"github.com/farmountain/aureus-go/internal/jsonvalue"
	"github.com/farmountain/aureus-go/internal/panicsite"
)

const customType = "custom"

// compile creates the validator of a configuration, and runs its tests if withTests is set.
func (r *Registry) compile(ctx context.Context, id string, config []byte, withTests bool) (crvgate.Validator[any], error) {
	if err := checkID(id); err != nil {
		return nil, err
	}
	if len(config) > MaxConfigBytes {
		return nil, invalid("", "has %d bytes, and the limit is %d", len(config), MaxConfigBytes)
	}
	top := parameters.Read("", config, false)
	if err := configError(top.Problems); err != nil {
		return nil, err
	}
	kind := top.Text(true, "type")
	logic := top.Text(false, "validation_logic")
	given, tests := top.Take(false, "parameters"), top.Take(false, "tests")
	for _, remark := range []string{"name", "description"} {
		top.Text(false, remark)
	}
	top.Finish()
	if kind != customType && logic != "" {
		top.Problemf("validation_logic", "is for the type %s only", customType)
	}
	if err := configError(top.Problems); err != nil {
		return nil, err
	}
	pointer, text := "/parameters", []byte(nil)
	if given != nil {
		pointer, text = parameters.PointerTo("", given.Written), given.Text
	}
	validator, err := r.build(kind, logic, pointer, text)
	if err != nil {
		return nil, err
	}
	if withTests && tests != nil {
		if problems := runTests(ctx, validator, parameters.PointerTo("", tests.Written), tests.Text); len(problems) > 0 {
			return nil, &ConfigError{Problems: problems}
		}
	}
	return validator, nil
}

// build creates a validator from its type and the text of its parameters. pointer is
// the JSON pointer of the parameters in the configuration.
func (r *Registry) build(kind, logic, pointer string, text []byte) (crvgate.Validator[any], error) {
	p := parameters.Read(pointer, text, kind == customType)
	if err := configError(p.Problems); err != nil {
		return nil, err
	}
	added := r.builder(kind)
	var validator crvgate.Validator[any]
	switch {
	case kind == customType:
		validator = r.buildCustom(logic, p)
	case checks.Types[kind] != nil:
		validator = checks.Types[kind](p, r.now)
	case added != nil:
		return buildAdded(added, p)
	default:
		return nil, invalid("/type", "must be one of %s", r.typeNames())
	}
	p.Finish()
	return validator, configError(p.Problems)
}

// buildCustom creates a validator that calls the function with that name. If there is
// no such function, parameters such as min_amount limit the fields that they name.
func (r *Registry) buildCustom(logic string, p *parameters.Object) crvgate.Validator[any] {
	if function := r.function(logic); function != nil {
		return hostValidator(function, p.TakeAll())
	}
	return checks.BuildLimits(p, r.functionNames())
}

// hostValidator returns a validator that calls the function with the parameters. The
// function gets a copy of the map, and its metadata is converted to free-form JSON.
func hostValidator(function Func, given map[string]any) crvgate.Validator[any] {
	return func(ctx context.Context, change crvgate.Change[any]) aureus.ValidationResult {
		result := function(ctx, change, maps.Clone(given))
		if result.Metadata == nil {
			return result
		}
		metadata, err := jsonvalue.FreeForm(result.Metadata)
		if err != nil {
			result.Metadata, result.Reason = nil, result.Reason+" [its metadata has no JSON form]"
			return result
		}
		result.Metadata, _ = metadata.(map[string]any)
		return result
	}
}

// buildAdded calls a builder that the program added. The builder gets names in
// snake_case; its problems are reported with the names as the configuration has them.
func buildAdded(build Builder, p *parameters.Object) (validator crvgate.Validator[any], err error) {
	defer func() {
		if v := recover(); v != nil {
			validator, err = nil, fmt.Errorf("crvgate: the builder of the validator panicked%s", panicsite.Describe(v))
		}
	}()
	validator, err = build(p.SnakeCase())
	if err == nil && validator == nil {
		err = errors.New("the builder of this type returned no validator")
	}
	if err == nil {
		return validator, nil
	}
	problems := problemsOf("", err)
	for i := range problems {
		name, rest, _ := strings.Cut(strings.TrimPrefix(problems[i].Pointer, "/"), "/")
		if member := p.Find(name); member != nil {
			name = member.Written
		}
		problems[i].Pointer = p.Pointer
		if name != "" {
			problems[i].Pointer += "/" + name
		}
		if rest != "" {
			problems[i].Pointer += "/" + rest
		}
	}
	return nil, &ConfigError{Problems: problems}
}
