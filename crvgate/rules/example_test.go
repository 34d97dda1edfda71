package rules_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/crvgate"
	"github.com/farmountain/aureus-go/crvgate/registry"
	"github.com/farmountain/aureus-go/crvgate/rules"
)

func Example() {
	var r registry.Registry
	rules.Register(&r)
	_, err := r.Register(context.Background(), "no_overdraft", []byte(`{
		"type": "cel",
		"parameters": {
			"expression": "data.amount + data.fee <= data.balance",
			"message_expression": "'the balance is ' + string(data.balance)",
			"failure_code": "OUT_OF_SCOPE"
		},
		"tests": [
			{"name": "all of it", "want": "passed", "commit": {"id": "1", "data": {"amount": 9.5, "fee": 0.5, "balance": 10}}},
			{"name": "too much",  "want": "blocked", "commit": {"id": "2", "data": {"amount": 10, "fee": 1, "balance": 10}}}
		]
	}`))
	if err != nil {
		fmt.Println(err)
		return
	}

	type transfer struct {
		Amount  float64 `json:"amount"`
		Fee     float64 `json:"fee"`
		Balance float64 `json:"balance"`
	}
	apply := crvgate.Wrap(
		crvgate.New[transfer]("ledger").With(r.Validator("no_overdraft")),
		func(context.Context, transfer) error { fmt.Println("transferred"); return nil },
	)
	fmt.Println(apply(context.Background(), transfer{Amount: 5, Fee: 1, Balance: 10}))
	fmt.Println(apply(context.Background(), transfer{Amount: 50, Fee: 1, Balance: 10}))
	// Output:
	// transferred
	// <nil>
	// crvgate: gate "ledger" blocked the change: OUT_OF_SCOPE: the balance is 10 (Check the allowed range or scope of the operation and bring the value inside it.)
}

func ExampleRegister_problems() {
	var r registry.Registry
	rules.Register(&r)
	_, err := r.Register(context.Background(), "broken", []byte(`{
		"type": "cel",
		"parameters": {"expression": "data.amount <= limit", "failure_code": "TOO_MUCH"}
	}`))
	if config, ok := errors.AsType[*registry.ConfigError](err); ok {
		for _, problem := range config.Problems {
			fmt.Println(problem)
		}
	}
	_, err = r.Register(context.Background(), "broken", []byte(`{
		"type": "cel",
		"parameters": {"expression": "data.amount <= limit"}
	}`))
	fmt.Println(err)
	// Output:
	// /parameters/failure_code: must be one of MISSING_DATA, CONFLICT, OUT_OF_SCOPE, LOW_CONFIDENCE, POLICY_VIOLATION, TOOL_ERROR, NON_DETERMINISM
	// crvgate: the configuration of the validator is invalid: /parameters/expression line 1, column 16: undeclared reference to 'limit'
}

func ExampleRegister_jsonSchema() {
	var r registry.Registry
	rules.Register(&r)
	_, err := r.Register(context.Background(), "order", []byte(`{
		"type": "json_schema",
		"parameters": {"schema": {
			"type": "object",
			"required": ["customer"],
			"properties": {"lines": {"type": "array", "items": {"properties": {"count": {"minimum": 1}}}}}
		}}
	}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	commit := aureus.Commit{ID: "1", Data: map[string]any{"lines": []any{map[string]any{"count": 0}}}}
	result := r.Validate(context.Background(), commit, aureus.GateConfig{Name: "orders", Validators: []string{"order"}, BlockOnFailure: true})
	fmt.Println(result.CRVStatus, result.FailureCode)
	violations, _ := result.ValidationResults[0].Metadata["violations"].([]any)
	for _, violation := range violations {
		v, _ := violation.(map[string]any)
		fmt.Printf("%q %v\n", v["pointer"], v["message"])
	}
	// Output:
	// blocked CONFLICT
	// "" lacks "customer"
	// "/lines/0/count" must be at least 1
}
