package validators_test

import (
	"context"
	"fmt"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/crvgate"
	"github.com/farmountain/aureus-go/crvgate/validators"
)

// Payment is the change in these examples.
type Payment struct {
	To     string `json:"to"`
	Amount int64  `json:"amount"`
}

// Custom makes a validator of a function that returns true or false.
func ExampleCustom() {
	even := validators.Custom("an even amount", func(_ context.Context, c crvgate.Change[Payment]) (bool, error) {
		return c.Data.Amount%2 == 0, nil
	}, "", aureus.OutOfScope)
	err := crvgate.New("payments", even).Check(context.Background(), crvgate.Change[Payment]{Data: Payment{Amount: 3}})
	fmt.Println(crvgate.FailureCode(err))
	// Output: OUT_OF_SCOPE
}
