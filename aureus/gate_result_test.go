package aureus_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
)

func TestGateResultUndecided_OnlyToolErrors_IsTrue(t *testing.T) {
	t.Parallel()
	valid := aureus.ValidationResult{Valid: true}
	broken := aureus.ValidationResult{FailureCode: aureus.ToolError}
	conflict := aureus.ValidationResult{FailureCode: aureus.Conflict}
	for reason, c := range map[string]struct {
		code    aureus.FailureTaxonomy
		results []aureus.ValidationResult
		want    bool
	}{
		"it passed":                   {"", []aureus.ValidationResult{valid}, false},
		"one validator broke":         {aureus.ToolError, []aureus.ValidationResult{valid, broken}, true},
		"no results":                  {aureus.ToolError, nil, true},
		"another failure":             {aureus.ToolError, []aureus.ValidationResult{broken, conflict}, false},
		"a failure without a code":    {aureus.ToolError, []aureus.ValidationResult{broken, {}}, false},
		"only confidence is missing":  {aureus.LowConfidence, []aureus.ValidationResult{valid}, false},
		"the gate names another code": {aureus.Conflict, []aureus.ValidationResult{broken}, false},
		"the gate names no code":      {"", nil, false},
	} {
		require.Equal(t, c.want, aureus.GateResult{FailureCode: c.code, ValidationResults: c.results}.Undecided(), reason)
	}
}
