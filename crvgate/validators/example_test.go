package validators_test

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/crvgate"
	"github.com/farmountain/aureus-go/crvgate/validators"
)

// Payment is the change in these examples.
type Payment struct {
	To     string `json:"to"`
	Amount int64  `json:"amount"`
}

// Custom returns a validator for a function that returns true or false.
func ExampleCustom() {
	even := validators.Custom("an even amount", func(_ context.Context, c crvgate.Change[Payment]) (bool, error) {
		return c.Data.Amount%2 == 0, nil
	}, "", aureus.OutOfScope)
	err := crvgate.New("payments", even).Check(context.Background(), crvgate.Change[Payment]{Data: Payment{Amount: 3}})
	fmt.Println(crvgate.FailureCode(err))
	// Output: OUT_OF_SCOPE
}

// judge prints the result of a validator for some data.
func judge(validator crvgate.Validator[any], data any) {
	result := validator(context.Background(), crvgate.Change[any]{Data: data})
	fmt.Println(result.Valid, result.FailureCode, result.Reason)
}

func ExampleSchema() {
	payment := validators.Schema(
		validators.Field{Name: "to", Type: "string"},
		validators.Field{Name: "amount", Type: "integer"},
	)
	judge(payment, Payment{To: "acme", Amount: 20})
	judge(payment, map[string]any{"to": "acme", "amount": 0.5})
	// Output:
	// true  the data has the declared fields
	// false CONFLICT the field "amount" must be of type integer, not number
}

func ExampleMaxSize() {
	judge(validators.MaxSize(10), "short")
	judge(validators.MaxSize(10), "a longer text")
	// Output:
	// true  the size of the data is within the limit
	// false OUT_OF_SCOPE the data has 15 characters of JSON, and the limit is 10
}

func ExampleStatisticalBounds() {
	amount := validators.StatisticalBounds("amount", validators.Bounds{Min: new(1.0), Max: new(500.0)})
	judge(amount, Payment{Amount: 20})
	judge(amount, Payment{Amount: 900})
	// Output:
	// true  the field "amount" is 20, within its bounds
	// false OUT_OF_SCOPE the field "amount" is 900, above the maximum 500
}

func ExampleAnomalyDetection() {
	amount := validators.AnomalyDetection("amount", []float64{18, 20, 22, 19, 21}, 3)
	judge(amount, Payment{Amount: 20})
	judge(amount, Payment{Amount: 900})
	// Output:
	// true  the field "amount" is 20, within the threshold
	// false OUT_OF_SCOPE the field "amount" is 900, 556.56 standard deviations from the mean of earlier values
}

func ExampleCrossFieldConsistency() {
	named := validators.CrossFieldRule{
		Name: "large payments have a payee", Fields: []string{"to", "amount"},
		Holds: func(_ context.Context, values map[string]any) (bool, error) {
			return values["to"] != "" || values["amount"] == json.Number("0"), nil
		},
	}
	judge(validators.CrossFieldConsistency(named), Payment{To: "acme", Amount: 20})
	judge(validators.CrossFieldConsistency(named), Payment{Amount: 20})
	// Output:
	// true  the fields are consistent
	// false CONFLICT the rule "large payments have a payee" does not hold
}

func ExampleTemporalMonotonic() {
	newer := validators.TemporalMonotonic(validators.TemporalOptions{})
	result := newer(context.Background(), crvgate.Change[any]{
		Data:     map[string]any{"version": 7},
		Previous: map[string]any{"version": 7}, HasPrevious: true,
	})
	fmt.Println(result.FailureCode, result.Reason)
	// Output: CONFLICT the field "version" is 7 and was 7 in the previous state
}

func ExampleMemoryPolicy() {
	stored := validators.MemoryPolicy(
		validators.MemoryRetention(validators.Retention{
			Max: time.Hour,
			Now: func() time.Time { return time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC) },
		}),
		validators.MemoryEncryption(),
	)
	judge(stored, map[string]any{"timestamp": "2026-01-01T11:30:00Z", "dataClassification": "confidential", "encrypted": true})
	judge(stored, map[string]any{"timestamp": "2026-01-01T10:00:00Z", "dataClassification": "confidential"})
	// Output:
	// true  all rules are met
	// false POLICY_VIOLATION the data is 7200000 ms old, and the limit is 3600000 ms; the data is confidential and not encrypted
}
