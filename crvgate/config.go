package crvgate

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/internal/strictjson"
)

const customType = "custom"

// compile makes the validator of a configuration and runs its tests.
func (r *Registry) compile(ctx context.Context, id string, config []byte, withTests bool) (Validator[any], error) {
	if err := checkID(id); err != nil {
		return nil, err
	}
	if len(config) > MaxConfigBytes {
		return nil, invalid("", "has %d bytes, and %d are the limit", len(config), MaxConfigBytes)
	}
	top := readParameters("", config, false)
	if err := top.failed(); err != nil {
		return nil, err
	}
	kind := top.text(true, "type")
	logic := top.text(false, "validation_logic")
	given, tests := top.take(false, "parameters"), top.take(false, "tests")
	for _, remark := range []string{"name", "description"} {
		top.text(false, remark)
	}
	top.finish()
	if kind != customType && logic != "" {
		top.problemf("validation_logic", "is for the type %s only", customType)
	}
	if err := top.failed(); err != nil {
		return nil, err
	}
	pointer, text := "/parameters", []byte(nil)
	if given != nil {
		pointer, text = pointerTo("", given.written), given.text
	}
	validator, err := r.build(kind, logic, pointer, text)
	if err != nil {
		return nil, err
	}
	if withTests && tests != nil {
		if problems := runTests(ctx, validator, pointerTo("", tests.written), tests.text); len(problems) > 0 {
			return nil, &ConfigError{Problems: problems}
		}
	}
	return validator, nil
}

// build makes a validator of a type and its parameters.
func (r *Registry) build(kind, logic, pointer string, text []byte) (Validator[any], error) {
	p := readParameters(pointer, text, kind == customType)
	if err := p.failed(); err != nil {
		return nil, err
	}
	more := r.builder(kind)
	var validator Validator[any]
	switch {
	case kind == customType:
		validator = r.buildCustom(logic, p)
	case builtInTypes[kind] != nil:
		validator = builtInTypes[kind](r, p)
	case more != nil:
		return buildMore(more, p)
	default:
		return nil, invalid("/type", "must be one of %s", r.typeNames())
	}
	p.finish()
	return validator, p.failed()
}

// buildMore asks a builder of another package, and tells its problems under the
// names that were written.
func buildMore(build Builder, p *parameters) (validator Validator[any], err error) {
	defer func() {
		if v := recover(); v != nil {
			validator, err = nil, fmt.Errorf("crvgate: the builder of the validator panicked%s", describePanic(v))
		}
	}()
	validator, err = build(p.normalized())
	if err == nil && validator == nil {
		err = errors.New("make no validator")
	}
	if err == nil {
		return validator, nil
	}
	problems := problemsOf("", err)
	for i := range problems {
		name, rest, _ := strings.Cut(strings.TrimPrefix(problems[i].Pointer, "/"), "/")
		if member := p.find(name); member != nil {
			name = member.written
		}
		problems[i].Pointer = p.pointer
		if name != "" {
			problems[i].Pointer += "/" + name
		}
		if rest != "" {
			problems[i].Pointer += "/" + rest
		}
	}
	return nil, &ConfigError{Problems: problems}
}

func (r *Registry) typeNames() string {
	names := append(slices.Collect(maps.Keys(builtInTypes)), customType)
	names = append(names, r.names(func(r *Registry) []string { return slices.Collect(maps.Keys(r.types)) })...)
	slices.Sort(names)
	return strings.Join(names, ", ")
}

// ruleTest is one test that a configuration carries (SPEC 4.6).
type ruleTest struct {
	Name        string                 `json:"name"`
	Commit      aureus.Commit          `json:"commit"`
	Want        string                 `json:"want"`
	FailureCode aureus.FailureTaxonomy `json:"failure_code,omitzero"`
}

// runTests runs the tests of a configuration against its validator, alone in a
// gate. A warning is what a failure is in a gate that does not block. All tests
// share the bounds of one gate; beyond them the configuration is refused.
func runTests(ctx context.Context, validator Validator[any], pointer string, text []byte) []Problem {
	var tests []ruleTest
	if err := strictjson.Unmarshal(text, &tests); err != nil {
		return problemsOf(pointer, err)
	}
	if len(tests) > MaxTestsPerRule {
		return []Problem{{Pointer: pointer, Message: fmt.Sprintf("has %d tests, and %d are the limit", len(tests), MaxTestsPerRule)}}
	}
	var problems []Problem
	commits := make([]aureus.Commit, len(tests))
	for i := range tests {
		commits[i] = tests[i].Commit
	}
	bounds, end := within(ctx, commits...)
	defer end()
	for i, test := range tests {
		at := pointer + "/" + strconv.Itoa(i)
		want := []string{aureus.CRVPassed, aureus.CRVBlocked, aureus.CRVWarning}
		if !slices.Contains(want, test.Want) {
			problems = append(problems, Problem{Pointer: at + "/want", Message: "must be one of " + strings.Join(want, ", ")})
			continue
		}
		gate := New[any](test.Name).With(bounds.guard(test.Name, validator))
		if test.Want == aureus.CRVWarning {
			gate = gate.NonBlocking()
		}
		result := gate.Validate(ctx, changeOf(test.Commit))
		if reason := bounds.over(); reason != "" {
			return append(problems, Problem{Pointer: pointer, Message: "the tests cost too much: " + strings.Replace(reason, "validators of the gate", "tests", 1)})
		}
		switch {
		case result.CRVStatus != test.Want:
			problems = append(problems, Problem{Pointer: at, Message: fmt.Sprintf("the test %q wants %s and got %s%s",
				test.Name, test.Want, result.CRVStatus, reasonOf(result))})
		case test.FailureCode != "" && test.FailureCode != result.FailureCode:
			problems = append(problems, Problem{Pointer: at + "/failure_code", Message: fmt.Sprintf("the test %q wants %s and got %q%s",
				test.Name, test.FailureCode, result.FailureCode, reasonOf(result))})
		}
	}
	return problems
}

func reasonOf(result aureus.GateResult) string {
	if len(result.ValidationResults) == 0 || result.ValidationResults[0].Reason == "" {
		return ""
	}
	return ": " + result.ValidationResults[0].Reason
}

// changeOf is a commit of the wire as a change. A previous state of null is none.
func changeOf(commit aureus.Commit) Change[any] {
	return Change[any]{
		ID: commit.ID, Data: commit.Data, Previous: commit.PreviousState,
		HasPrevious: commit.PreviousState != nil, Metadata: commit.Metadata,
	}
}
