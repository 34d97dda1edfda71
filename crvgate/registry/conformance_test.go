package registry_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/big"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/crvgate"
	"github.com/farmountain/aureus-go/crvgate/registry"
	"github.com/farmountain/aureus-go/crvgate/validators"
	"github.com/farmountain/aureus-go/internal/strictjson"
)

// The cases have their expected results as free-form JSON, because an absent member and
// a null differ.
type (
	caseFile struct {
		Count   int           `json:"count"`
		Vectors []conformance `json:"vectors"`
	}
	conformance struct {
		Name     string         `json:"name"`
		Kind     string         `json:"kind"`
		Input    caseInput      `json:"input"`
		Expected map[string]any `json:"expected"`

		// The expected metadata has no reasons, because reasons are free text.
		WithoutReasons bool `json:"metadata_reason_text_omitted,omitzero"`
	}
	caseInput struct {
		Validator caseValidator `json:"validator,omitzero"`
		Gate      caseGate      `json:"gate,omitzero"`
		Gates     []caseGate    `json:"gates,omitzero"`
		Commit    aureus.Commit `json:"commit"`
	}
	caseValidator struct {
		Type   string         `json:"type"`
		Params map[string]any `json:"params,omitzero"`
	}
	caseGate struct {
		Name               string          `json:"name"`
		Validators         []caseValidator `json:"validators"`
		BlockOnFailure     bool            `json:"block_on_failure"`
		RequiredConfidence *float64        `json:"required_confidence,omitzero"`
		RecoveryStrategy   map[string]any  `json:"recovery_strategy,omitzero"`
	}
)

// overridden has the expected results that differ from those in the file, with the
// reason.
var overridden = map[string]map[string]any{
	"gate_first_coded_failure_reported": {"remediation_kind": "standard:MISSING_DATA"}, // the first failure with a code has no remediation, so the standard one is used
}

// overriddenInGo has the expected results that differ for a gate in Go.
var overriddenInGo = map[string]map[string]any{
	"gate_no_validators_passes": { // an empty list passes over the API only
		"passed": false, "blocked_commit": true, "crv_status": "blocked", "failure_code": "TOOL_ERROR", "remediation_kind": "standard:TOOL_ERROR",
		"validation_results": []any{map[string]any{"valid": false, "confidence": nil, "failure_code": "TOOL_ERROR"}},
	},
}

func TestRegistry_ConformanceCases_HaveTheExpectedResults(t *testing.T) {
	text, err := os.ReadFile("testdata/crv.json")
	require.NoError(t, err)
	var file caseFile
	require.NoError(t, strictjson.Unmarshal(text, &file))
	require.Len(t, file.Vectors, file.Count)
	for _, c := range file.Vectors {
		maps.Copy(c.Expected, overridden[c.Name])
		t.Run(c.Name, func(t *testing.T) {
			r := caseRegistry()
			switch c.Kind {
			case "validator":
				id := c.Input.Validator.register(t, r, "v")
				result := r.Validate(t.Context(), c.Input.Commit, aureus.GateConfig{Name: "G", Validators: []string{id}})
				require.Len(t, result.ValidationResults, 1)
				requireResult(t, c.Expected, result.ValidationResults[0], c.WithoutReasons)
			case "gate":
				requireGate(t, c.Expected, r.Validate(t.Context(), c.Input.Commit, c.Input.Gate.config(t, r)))
				inGo := c.Input.Gate.gate(t, r)
				maps.Copy(c.Expected, overriddenInGo[c.Name])
				requireGate(t, c.Expected, inGo.Validate(t.Context(), changeOf(c.Input.Commit)))
				require.Equal(t, c.Expected["blocked_commit"], inGo.Check(t.Context(), changeOf(c.Input.Commit)) != nil)
			case "chain":
				c.chain(t, r)
			default:
				t.Fatalf("unknown kind of case %q", c.Kind)
			}
		})
	}
}

func (c *conformance) chain(t *testing.T, r *registry.Registry) {
	t.Helper()
	var gates []*crvgate.Gate[any]
	for _, gate := range c.Input.Gates {
		gates = append(gates, gate.gate(t, r))
	}
	chain := crvgate.Chain(gates...)
	results := chain.Validate(t.Context(), changeOf(c.Input.Commit))
	expected, _ := c.Expected["results"].([]any)
	require.NotNil(t, results)
	require.Len(t, results, len(expected))
	blocked := false
	for i := range results {
		want, _ := expected[i].(map[string]any)
		requireGate(t, want, results[i])
		blocked = blocked || results[i].BlockedCommit
	}
	require.Equal(t, c.Expected["would_block"], blocked)
	if c.Name == "chain_empty" { // a chain without gates has no results and admits no change
		blocked = true
	}
	require.Equal(t, blocked, chain.Check(t.Context(), changeOf(c.Input.Commit)) != nil)
}

func changeOf(c aureus.Commit) crvgate.Change[any] {
	return crvgate.Change[any]{ID: c.ID, Data: c.Data, Previous: c.PreviousState, HasPrevious: c.PreviousState != nil, Metadata: c.Metadata}
}

func (g caseGate) config(t *testing.T, r *registry.Registry) aureus.GateConfig {
	t.Helper()
	config := aureus.GateConfig{
		Name: g.Name, BlockOnFailure: g.BlockOnFailure,
		RequiredConfidence: g.RequiredConfidence, RecoveryStrategy: g.RecoveryStrategy,
	}
	for i, v := range g.Validators {
		config.Validators = append(config.Validators, v.register(t, r, fmt.Sprintf("%s-%d", g.Name, i)))
	}
	return config
}

type strategy map[string]any

func (s strategy) Strategy() map[string]any { return s }

func (g caseGate) gate(t *testing.T, r *registry.Registry) *crvgate.Gate[any] {
	t.Helper()
	gate := crvgate.New[any](g.Name)
	for _, id := range g.config(t, r).Validators {
		gate = gate.With(r.Validator(id))
	}
	if !g.BlockOnFailure {
		gate = gate.NonBlocking()
	}
	if g.RequiredConfidence != nil {
		gate = gate.RequireConfidence(*g.RequiredConfidence)
	}
	if g.RecoveryStrategy != nil {
		gate = gate.Recover(strategy(g.RecoveryStrategy))
	}
	return gate
}

// register registers the validator of a case and returns its id. Validators of the types
// custom and stub are functions in Go.
func (v caseValidator) register(t *testing.T, r *registry.Registry, id string) string {
	t.Helper()
	config := map[string]any{"type": v.Type, "parameters": v.Params}
	if function := map[string]string{"stub": "stub", "stub_throw": "stub_throw", "custom": "predicate"}[v.Type]; function != "" {
		config = map[string]any{"type": "custom", "validation_logic": function, "parameters": v.Params}
	}
	text, err := strictjson.Marshal(config)
	require.NoError(t, err)
	_, err = r.Register(t.Context(), id, text)
	require.NoError(t, err)
	return id
}

// caseRegistry returns a registry with the clock, the functions and the rule language of
// the cases.
func caseRegistry() *registry.Registry {
	r := &registry.Registry{Now: func() time.Time { return time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC) }}
	r.Func("stub", func(_ context.Context, _ crvgate.Change[any], params map[string]any) aureus.ValidationResult {
		return stubResult(params)
	})
	r.Func("stub_throw", func(context.Context, crvgate.Change[any], map[string]any) aureus.ValidationResult {
		panic("boom")
	})
	r.Func("predicate", func(ctx context.Context, change crvgate.Change[any], params map[string]any) aureus.ValidationResult {
		name, _ := params["name"].(string)
		reason, _ := params["reason"].(string)
		code, _ := params["failure_code"].(string)
		holds := func(_ context.Context, change crvgate.Change[any]) (bool, error) {
			return evaluate(params["predicate"], change.Data)
		}
		return validators.Custom(name, holds, reason, aureus.FailureTaxonomy(code))(ctx, change)
	})
	r.Type("cross_field_consistency", func(parameters []byte) (crvgate.Validator[any], error) {
		var declared struct {
			Rules []struct {
				Name      string   `json:"name"`
				Fields    []string `json:"fields"`
				Message   string   `json:"message,omitzero"`
				Predicate any      `json:"predicate"`
			} `json:"rules"`
		}
		if err := strictjson.Unmarshal(parameters, &declared); err != nil {
			return nil, err
		}
		var rules []validators.CrossFieldRule
		for _, r := range declared.Rules {
			rules = append(rules, validators.CrossFieldRule{
				Name: r.Name, Fields: r.Fields, Message: r.Message,
				Holds: func(_ context.Context, values map[string]any) (bool, error) { return evaluate(r.Predicate, values) },
			})
		}
		return validators.CrossFieldConsistency(rules...), nil
	})
	return r
}

func stubResult(params map[string]any) aureus.ValidationResult {
	var result aureus.ValidationResult
	text, err := strictjson.Marshal(params)
	if err == nil {
		err = strictjson.Unmarshal(text, &result)
	}
	if err != nil {
		panic(err)
	}
	if code, ok := strings.CutPrefix(result.Remediation, "standard:"); ok {
		result.Remediation = aureus.FailureTaxonomy(code).Remediation()
	}
	return result
}

// evaluate evaluates an expression of the cases: {left, op, right} or {throw}.
func evaluate(predicate, data any) (bool, error) {
	p, _ := predicate.(map[string]any)
	if message, ok := p["throw"].(string); ok {
		return false, errors.New(message)
	}
	left, right := side(p["left"], data), side(p["right"], data)
	if left == nil || right == nil {
		return false, errors.New("an operand is not a number")
	}
	order := left.Cmp(right)
	switch p["op"] {
	case "<":
		return order < 0, nil
	case "<=":
		return order <= 0, nil
	case ">":
		return order > 0, nil
	case ">=":
		return order >= 0, nil
	case "==", "===":
		return order == 0, nil
	case "!=", "!==":
		return order != 0, nil
	default:
		return false, fmt.Errorf("unknown operator %v", p["op"])
	}
}

func side(of, data any) *big.Rat {
	object, _ := data.(map[string]any)
	switch of := of.(type) {
	case json.Number:
		number, _ := new(big.Rat).SetString(string(of))
		return number
	case map[string]any:
		if name, ok := of["field"].(string); ok {
			return side(object[name], nil)
		}
		names, _ := of["sum"].([]any)
		sum := new(big.Rat)
		for _, name := range names {
			text, _ := name.(string)
			number := side(object[text], nil)
			if number == nil {
				return nil
			}
			sum.Add(sum, number)
		}
		return sum
	default:
		return nil
	}
}

func requireGate(t *testing.T, want map[string]any, got aureus.GateResult) {
	t.Helper()
	require.Equal(t, want["passed"], got.Passed)
	require.Equal(t, want["gate_name"], got.GateName)
	require.Equal(t, want["blocked_commit"], got.BlockedCommit)
	require.Equal(t, want["crv_status"], got.CRVStatus)
	require.Equal(t, textOf(want["failure_code"]), string(got.FailureCode))
	requireRemediation(t, want["remediation_kind"], got.Remediation)
	recovery, _ := want["recovery_strategy"].(map[string]any)
	require.Equal(t, recovery, got.RecoveryStrategy)
	_, ok := got.Timestamp.Time()
	require.True(t, ok, "not a time: %q", got.Timestamp)
	results, _ := want["validation_results"].([]any)
	require.NotNil(t, got.ValidationResults)
	require.Len(t, got.ValidationResults, len(results))
	for i := range results {
		result, _ := results[i].(map[string]any)
		requireResult(t, result, got.ValidationResults[i], false)
	}
}

func requireResult(t *testing.T, want map[string]any, got aureus.ValidationResult, withoutReasons bool) {
	t.Helper()
	require.Equal(t, want["valid"], got.Valid, got.Reason)
	require.Equal(t, textOf(want["failure_code"]), string(got.FailureCode), got.Reason)
	if want["confidence"] == nil {
		require.Nil(t, got.Confidence)
	} else {
		require.NotNil(t, got.Confidence)
		requireJSON(t, want["confidence"], *got.Confidence)
	}
	if kind, found := want["remediation_kind"]; found {
		requireRemediation(t, kind, got.Remediation)
	}
	if metadata, found := want["metadata"]; found {
		if metadata == nil {
			require.Nil(t, got.Metadata)
			return
		}
		if withoutReasons {
			details, _ := got.Metadata["details"].([]any)
			for _, detail := range details {
				object, _ := detail.(map[string]any)
				require.NotEmpty(t, object["reason"])
				delete(object, "reason")
			}
		}
		requireJSON(t, metadata, got.Metadata)
	}
}

func requireRemediation(t *testing.T, kind any, got string) {
	t.Helper()
	code, standard := strings.CutPrefix(textOf(kind), "standard:")
	switch {
	case kind == nil:
		require.Empty(t, got)
	case standard:
		require.NotEmpty(t, got)
		require.Equal(t, aureus.FailureTaxonomy(code).Remediation(), got)
	default:
		require.Equal(t, "specific", kind)
		require.NotEmpty(t, got)
		for _, word := range aureus.FailureTaxonomy("").Words() {
			require.NotEqual(t, aureus.FailureTaxonomy(word).Remediation(), got)
		}
	}
}

func textOf(value any) string {
	text, _ := value.(string)
	return text
}

// requireJSON compares two values as JSON. Numbers compare by value.
func requireJSON(t *testing.T, want, got any) {
	t.Helper()
	wantText, err := strictjson.Marshal(want)
	require.NoError(t, err)
	gotText, err := strictjson.Marshal(got)
	require.NoError(t, err)
	require.JSONEq(t, string(wantText), string(gotText))
}
