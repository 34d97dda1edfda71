package registry

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/crvgate"
	"github.com/farmountain/aureus-go/internal/strictjson"
	"github.com/farmountain/aureus-go/internal/vocab"
	"github.com/farmountain/aureus-go/internal/wiregate"
)

// configTest is one of the tests in a configuration.
type configTest struct {
	Name        string                 `json:"name"`
	Commit      aureus.Commit          `json:"commit"`
	Want        string                 `json:"want"`
	FailureCode aureus.FailureTaxonomy `json:"failure_code,omitzero"`
}

// runTests runs the tests of a configuration. Each test uses a gate with this validator
// only. The gate is non-blocking if the test wants a warning. All tests share the limits of
// one gate; exceeding them is a problem.
func runTests(ctx context.Context, validator crvgate.Validator[any], pointer string, text []byte) []Problem {
	var tests []configTest
	if err := strictjson.Unmarshal(text, &tests); err != nil {
		return problemsOf(pointer, err)
	}
	if len(tests) > MaxTestsPerRule {
		return []Problem{{Pointer: pointer, Message: fmt.Sprintf("has %d tests, and the limit is %d", len(tests), MaxTestsPerRule)}}
	}
	var problems []Problem
	commits := make([]aureus.Commit, len(tests))
	for i := range tests {
		commits[i] = tests[i].Commit
	}
	budget, stop := wiregate.Start(ctx, commits...)
	defer stop()
	for i, test := range tests {
		path := pointer + "/" + strconv.Itoa(i)
		accepted := []string{vocab.CRVPassed, vocab.CRVBlocked, vocab.CRVWarning}
		if !slices.Contains(accepted, test.Want) {
			problems = append(problems, Problem{Pointer: path + "/want", Message: "must be one of " + strings.Join(accepted, ", ")})
			continue
		}
		gate := crvgate.New[any](test.Name).With(budget.Guard(test.Name, validator))
		if test.Want == vocab.CRVWarning {
			gate = gate.NonBlocking()
		}
		result := gate.Validate(ctx, wiregate.ChangeOf(test.Commit))
		if reason := budget.Exceeded(); reason != "" {
			return append(problems, Problem{Pointer: pointer, Message: "the tests cost too much: " + strings.Replace(reason, "validators of the gate", "tests", 1)})
		}
		switch {
		case result.CRVStatus != test.Want:
			problems = append(problems, Problem{Pointer: path, Message: fmt.Sprintf("the test %q wants %s and got %s%s",
				test.Name, test.Want, result.CRVStatus, reasonOf(result))})
		case test.FailureCode != "" && test.FailureCode != result.FailureCode:
			problems = append(problems, Problem{Pointer: path + "/failure_code", Message: fmt.Sprintf("the test %q wants %s and got %q%s",
				test.Name, test.FailureCode, result.FailureCode, reasonOf(result))})
		}
	}
	return problems
}

// reasonOf returns a colon and the reason of the only validator, or "" if there is no
// reason.
func reasonOf(result aureus.GateResult) string {
	if len(result.ValidationResults) == 0 || result.ValidationResults[0].Reason == "" {
		return ""
	}
	return ": " + result.ValidationResults[0].Reason
}
