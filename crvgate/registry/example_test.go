package registry_test

import (
	"context"
	"fmt"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/crvgate"
	"github.com/farmountain/aureus-go/crvgate/registry"
)

// A registry creates a validator from a configuration, and validates commits with the
// validators that a gate configuration names.
func ExampleRegistry() {
	var r registry.Registry
	ctx := context.Background()
	registration, err := r.Register(ctx, "amounts", []byte(`{
		"type": "statistical_bounds",
		"parameters": {"field": "balance", "min": 1, "max": 1000},
		"tests": [{"name": "too much", "commit": {"id": "t", "data": {"balance": 1001}}, "want": "blocked"}]
	}`))
	fmt.Println(registration.Version, registration.Replaced, err)

	result := r.Validate(ctx,
		aureus.Commit{ID: "c-1", Data: map[string]any{"balance": 5000}},
		aureus.GateConfig{Name: "guide", Validators: []string{"not_null", "schema_check", "amounts"}, BlockOnFailure: true})
	fmt.Println(result.CRVStatus, result.FailureCode)

	_, err = r.Register(ctx, "amounts", []byte(`{"type": "statistical_bounds", "parameters": {"min": "one"}}`))
	fmt.Println(err)
	// Output:
	// 1 false <nil>
	// blocked OUT_OF_SCOPE
	// crvgate: the configuration of the validator is invalid: /parameters/field: is required; /parameters/min: must be a number, not string
}

// A configuration of the type custom calls a function in Go.
func ExampleRegistry_Func() {
	var r registry.Registry
	r.Func("known_currency", func(_ context.Context, change crvgate.Change[any], parameters map[string]any) aureus.ValidationResult {
		data, _ := change.Data.(map[string]any)
		if data["currency"] != parameters["currency"] {
			return crvgate.Fail(aureus.OutOfScope, "the currency differs")
		}
		return crvgate.Pass()
	})
	ctx := context.Background()
	_, err := r.Register(ctx, "euro", []byte(`{"type": "custom", "validation_logic": "known_currency", "parameters": {"currency": "EUR"}}`))
	fmt.Println(err)
	result := r.Validate(ctx, aureus.Commit{Data: map[string]any{"currency": "USD"}}, aureus.GateConfig{Validators: []string{"euro"}, BlockOnFailure: true})
	fmt.Println(result.CRVStatus, result.FailureCode)
	// Output:
	// <nil>
	// blocked OUT_OF_SCOPE
}

// Type adds a type of configuration. The builder gets the parameters as JSON.
func ExampleRegistry_Type() {
	var r registry.Registry
	r.Type("always", func(parameters []byte) (crvgate.Validator[any], error) {
		if string(parameters) != "{}" {
			return nil, &registry.ConfigError{Problems: []registry.Problem{{Message: "takes no parameters"}}}
		}
		return func(context.Context, crvgate.Change[any]) aureus.ValidationResult { return crvgate.Pass() }, nil
	})
	ctx := context.Background()
	fmt.Println(r.Check(ctx, "yes", []byte(`{"type": "always"}`)))
	fmt.Println(r.Check(ctx, "yes", []byte(`{"type": "always", "parameters": {"x": 1}}`)))
	// Output:
	// <nil>
	// crvgate: the configuration of the validator is invalid: /parameters: takes no parameters
}

// A gate in Go can use a registered validator.
func ExampleRegistry_Validator() {
	type account struct {
		Balance int `json:"balance"`
	}
	var r registry.Registry
	ctx := context.Background()
	_, err := r.Register(ctx, "cap", []byte(`{"type": "statistical_bounds", "parameters": {"field": "balance", "max": 100}}`))
	fmt.Println(err)
	gate := crvgate.New[account]("accounts").With(r.Validator("cap"), r.Validator("balance_positive"))
	fmt.Println(gate.Check(ctx, crvgate.Change[account]{Data: account{Balance: 80}}))
	fmt.Println(crvgate.FailureCode(gate.Check(ctx, crvgate.Change[account]{Data: account{Balance: 180}})))
	// Output:
	// <nil>
	// <nil>
	// OUT_OF_SCOPE
}

// Compile creates a validator from a stored configuration that was checked before.
func ExampleRegistry_Compile() {
	var r registry.Registry
	validator, err := r.Compile("small", []byte(`{"type": "max_size", "parameters": {"max": 10}}`))
	fmt.Println(err)
	fmt.Println(validator(context.Background(), crvgate.Change[any]{Data: "a longer text"}).Reason)
	fmt.Println(r.Has("small"))
	// Output:
	// <nil>
	// the data has 15 characters of JSON, and the limit is 10
	// false
}
