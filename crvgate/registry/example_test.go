package registry_test

import (
	"context"
	"fmt"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/crvgate/registry"
)

// A registry makes a validator of a configuration and judges commits by the ids of
// validators.
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
