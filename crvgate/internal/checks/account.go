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
		return notAnObject(data)
	}
	before, ok := previous.(map[string]any)
	if !ok {
		return withReason(crvgate.Pass(), "the data is an object")
	}
	for _, name := range slices.Sorted(maps.Keys(before)) {
		value, found := after[name]
		if !found {
			return missing(name)
		}
		if oldKind, newKind := jsonvalue.Kind(before[name]), jsonvalue.Kind(value); oldKind != newKind {
			return crvgate.Fail(aureus.Conflict, fmt.Sprintf("the field %q is %s and was %s in the previous state", name, newKind, oldKind))
		}
	}
	return withReason(crvgate.Pass(), "the data has the keys and types of the previous state")
})

// BalancePositive is the built-in validator balance_positive.
var BalancePositive = onJSON(func(data, _ any) aureus.ValidationResult {
	metadata := map[string]any{"field": "balance"}
	balance, failure := numberField(data, "balance", metadata)
	if failure != nil {
		return *failure
	}
	if jsonvalue.DecimalOf(balance).Sign() <= 0 {
		return withMetadata(crvgate.Fail(aureus.OutOfScope, fmt.Sprintf("the balance is %s and must be above zero", balance)), metadata)
	}
	return withMetadata(withReason(crvgate.Pass(), "the balance is above zero"), metadata)
})
