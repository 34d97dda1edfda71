package controlplane_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane"
	"github.com/farmountain/aureus-go/crvgate"
	"github.com/farmountain/aureus-go/crvgate/registry"
	"github.com/farmountain/aureus-go/crvgate/rules"
	"github.com/farmountain/aureus-go/crvgate/validators"
	"github.com/farmountain/aureus-go/internal/strictjson"
)

type crvValidator struct {
	Type   string         `json:"type"`
	Params jsontext.Value `json:"params,omitzero"`
}

type crvGate struct {
	Name               string         `json:"name"`
	Validators         []crvValidator `json:"validators"`
	BlockOnFailure     bool           `json:"block_on_failure"`
	RequiredConfidence *float64       `json:"required_confidence,omitzero"`
	RecoveryStrategy   map[string]any `json:"recovery_strategy,omitzero"`
}

type crvResult struct {
	Valid       bool                   `json:"valid"`
	Confidence  *float64               `json:"confidence,omitzero"`
	FailureCode aureus.FailureTaxonomy `json:"failure_code,omitzero"`
	Remediation string                 `json:"remediation_kind,omitzero"`
}

type crvGateResult struct {
	Passed      bool                   `json:"passed"`
	GateName    string                 `json:"gate_name"`
	Blocked     bool                   `json:"blocked_commit"`
	Status      string                 `json:"crv_status"`
	FailureCode aureus.FailureTaxonomy `json:"failure_code,omitzero"`
	Remediation string                 `json:"remediation_kind,omitzero"`
	Recovery    map[string]any         `json:"recovery_strategy,omitzero"`
	Results     []crvResult            `json:"validation_results"`
}

type crvCase struct {
	Name  string `json:"name"`
	Kind  string `json:"kind"`
	Input struct {
		Validator crvValidator  `json:"validator,omitzero"`
		Gate      crvGate       `json:"gate,omitzero"`
		Gates     []crvGate     `json:"gates,omitzero"`
		Commit    aureus.Commit `json:"commit"`
	} `json:"input"`
	Expected jsontext.Value `json:"expected"`
}

var crvClock = func() time.Time { return time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC) }

// hostFunctions are host functions for the cases that need code.
func hostFunctions(r *registry.Registry) error {
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
	r.Func("cross_field", func(ctx context.Context, change crvgate.Change[any], params map[string]any) aureus.ValidationResult {
		list, _ := params["rules"].([]any)
		var rules []validators.CrossFieldRule
		for _, item := range list {
			rule, _ := item.(map[string]any)
			name, _ := rule["name"].(string)
			named := validators.CrossFieldRule{Name: name, Holds: func(_ context.Context, values map[string]any) (bool, error) {
				return evaluate(rule["predicate"], values)
			}}
			fields, _ := rule["fields"].([]any)
			for _, field := range fields {
				named.Fields = append(named.Fields, fmt.Sprint(field))
			}
			rules = append(rules, named)
		}
		return validators.CrossFieldConsistency(rules...)(ctx, change)
	})
	return nil
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

// evaluate evaluates a predicate of the cases: {left, op, right} or {throw}.
func evaluate(predicate, data any) (bool, error) {
	p, _ := predicate.(map[string]any)
	if message, ok := p["throw"].(string); ok {
		return false, errors.New("Error: " + message)
	}
	left, right := side(p["left"], data), side(p["right"], data)
	switch p["op"] {
	case "<":
		return left.Cmp(right) < 0, nil
	case ">":
		return left.Cmp(right) > 0, nil
	case "==":
		return left.Cmp(right) == 0, nil
	}
	return false, fmt.Errorf("the operator %v is unknown", p["op"])
}

func side(of, data any) *big.Rat {
	object, _ := data.(map[string]any)
	sum := new(big.Rat)
	switch of := of.(type) {
	case json.Number:
		sum.SetString(of.String())
	case map[string]any:
		if field, ok := of["field"].(string); ok {
			return side(object[field], nil)
		}
		fields, _ := of["sum"].([]any)
		for _, field := range fields {
			sum.Add(sum, side(object[fmt.Sprint(field)], nil))
		}
	}
	return sum
}

// config returns the registration for a validator of the cases. Validators with a
// predicate become host functions, because the API accepts only CEL instead of a
// predicate. An empty list of rules needs no host function.
func (v crvValidator) config() []byte {
	params := v.Params
	if len(params) == 0 {
		params = jsontext.Value("{}")
	}
	function := map[string]string{"stub": "stub", "stub_throw": "stub_throw", "custom": "predicate", "cross_field_consistency": "cross_field"}[v.Type]
	if function == "cross_field" && !strings.Contains(string(params), `"predicate"`) {
		function = ""
	}
	if function != "" {
		return fmt.Appendf(nil, `{"type":"custom","validation_logic":%q,"parameters":%s}`, function, params)
	}
	return fmt.Appendf(nil, `{"type":%q,"parameters":%s}`, v.Type, params)
}

// crvPair is a server and a registry in this process with the same validators.
type crvPair struct {
	remote *aureus.Client
	local  *registry.Registry
	next   int
}

func (p *crvPair) register(t *testing.T, v crvValidator) string {
	t.Helper()
	p.next++
	id := fmt.Sprintf("v%d", p.next)
	_, err := p.remote.RegisterValidator(t.Context(), id, json.RawMessage(v.config()))
	require.NoError(t, err)
	_, err = p.local.Register(t.Context(), id, v.config())
	require.NoError(t, err)
	return id
}

func (p *crvPair) validate(t *testing.T, commit aureus.Commit, gate crvGate) aureus.GateResult {
	t.Helper()
	config := aureus.GateConfig{
		Name: gate.Name, Validators: []string{}, BlockOnFailure: gate.BlockOnFailure,
		RequiredConfidence: gate.RequiredConfidence, RecoveryStrategy: gate.RecoveryStrategy,
	}
	for _, v := range gate.Validators {
		config.Validators = append(config.Validators, p.register(t, v))
	}
	got, err := p.remote.ValidateCommit(t.Context(), commit, config)
	require.NoError(t, err)
	want := p.local.Validate(t.Context(), commit, config)
	require.NotEmpty(t, got.Timestamp)
	got.Timestamp, want.Timestamp = "", ""
	require.JSONEq(t, mustMarshal(t, want), mustMarshal(t, got), "the server and the registry return the same result")
	return got
}

func TestCRV_PublishedVectors_GiveTheirResults(t *testing.T) {
	t.Parallel()
	var file struct {
		Count   int       `json:"count"`
		Vectors []crvCase `json:"vectors"`
	}
	text, err := os.ReadFile("testdata/crv.json")
	require.NoError(t, err)
	require.NoError(t, strictjson.Unmarshal(text, &file))
	require.Len(t, file.Vectors, file.Count)

	srv := open(t, func(c *controlplane.Config) { c.Validators, c.Now = hostFunctions, crvClock })
	pair := &crvPair{remote: srv.Client(), local: &registry.Registry{Now: crvClock}}
	rules.Register(pair.local)
	require.NoError(t, hostFunctions(pair.local))
	for _, v := range file.Vectors {
		t.Run(v.Name, func(t *testing.T) {
			switch v.Kind {
			case "validator":
				var want crvResult
				require.NoError(t, strictjson.Unmarshal(v.Expected, &want))
				got := pair.validate(t, v.Input.Commit, crvGate{Name: "one", Validators: []crvValidator{v.Input.Validator}, BlockOnFailure: true})
				require.Len(t, got.ValidationResults, 1)
				requireResult(t, want, got.ValidationResults[0])
			case "gate":
				var want crvGateResult
				require.NoError(t, strictjson.Unmarshal(v.Expected, &want))
				if v.Name == "gate_first_coded_failure_reported" { // a failure with a code but without a remediation gets the standard one; the original has none
					want.Remediation = "standard:" + string(want.FailureCode)
				}
				requireGate(t, want, pair.validate(t, v.Input.Commit, v.Input.Gate))
			case "chain": // the API has single gates: the caller stops at the first that blocks
				var want struct {
					Results    []crvGateResult `json:"results"`
					WouldBlock bool            `json:"would_block"`
				}
				require.NoError(t, strictjson.Unmarshal(v.Expected, &want))
				blocked := false
				for i, gate := range v.Input.Gates {
					if blocked {
						break
					}
					result := pair.validate(t, v.Input.Commit, gate)
					requireGate(t, want.Results[i], result)
					blocked = result.BlockedCommit
				}
				require.Equal(t, want.WouldBlock, blocked)
			default:
				t.Fatalf("unknown kind %s", v.Kind)
			}
		})
	}
}

func requireGate(t *testing.T, want crvGateResult, got aureus.GateResult) {
	t.Helper()
	require.Equal(t, want.Passed, got.Passed)
	require.Equal(t, want.GateName, got.GateName)
	require.Equal(t, want.Blocked, got.BlockedCommit)
	require.Equal(t, want.Status, got.CRVStatus)
	require.Equal(t, want.FailureCode, got.FailureCode)
	require.Equal(t, want.Recovery, got.RecoveryStrategy)
	requireRemediation(t, want.Remediation, got.Remediation)
	require.Len(t, got.ValidationResults, len(want.Results))
	for i := range want.Results {
		want.Results[i].Remediation = "-" // not part of these cases
		requireResult(t, want.Results[i], got.ValidationResults[i])
	}
}

func requireResult(t *testing.T, want crvResult, got aureus.ValidationResult) {
	t.Helper()
	require.Equal(t, want.Valid, got.Valid, got.Reason)
	require.Equal(t, want.Confidence, got.Confidence)
	require.Equal(t, want.FailureCode, got.FailureCode)
	requireRemediation(t, want.Remediation, got.Remediation)
}

// requireRemediation checks the remediation: standard:CODE means the standard text of
// the code, specific means another text, and empty means none.
func requireRemediation(t *testing.T, kind, got string) {
	t.Helper()
	code, standard := strings.CutPrefix(kind, "standard:")
	switch {
	case kind == "-":
	case standard:
		require.Equal(t, aureus.FailureTaxonomy(code).Remediation(), got)
	case kind == "":
		require.Empty(t, got)
	default:
		require.NotEmpty(t, got)
	}
}
