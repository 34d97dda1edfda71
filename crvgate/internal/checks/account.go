package checks

import (
	"fmt"
	"maps"
	"slices"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/crvgate"
	"github.com/farmountain/aureus-go/internal/jsonvalue"
)

// SchemaCheck is the built-in validator schema_check.
var SchemaCheck = onJSON(func(data, previous any) aureus.ValidationResult {
	after, ok := data.(map[string]any)
	if !ok {
		return noObject(data)
	}
	before, ok := previous.(map[string]any)
	if !ok {
		return because(crvgate.Pass(), "the data is an object")
	}
	for _, name := range slices.Sorted(maps.Keys(before)) {
		value, found := after[name]
		if !found {
			return missing(name)
		}
		if was, is := jsonvalue.Kind(before[name]), jsonvalue.Kind(value); was != is {
			return crvgate.Fail(aureus.Conflict, fmt.Sprintf("the field %q was of type %s and is %s", name, was, is))
		}
	}
	return because(crvgate.Pass(), "the data keeps the keys and types of the previous state")
})

// BalancePositive is the built-in validator balance_positive.
var BalancePositive = onJSON(func(data, _ any) aureus.ValidationResult {
	metadata := map[string]any{"field": "balance"}
	balance, refused := numberField(data, "balance", metadata)
	if refused != nil {
		return *refused
	}
	if jsonvalue.DecimalOf(balance).Sign() <= 0 {
		return stating(crvgate.Fail(aureus.OutOfScope, fmt.Sprintf("the balance is %s, and must be above zero", balance)), metadata)
	}
	return stating(because(crvgate.Pass(), "the balance is above zero"), metadata)
})
