package crvgate

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/farmountain/aureus-go/aureus"
)

// SchemaCheck is the built-in schema_check (SPEC 4.4): the data is a JSON object
// and, where the previous state is one too, keeps its keys (MISSING_DATA) and
// the JSON kinds of their values (CONFLICT). New keys are free.
func SchemaCheck() Validator[any] { return schemaCheck }

var schemaCheck = rule(func(data, previous any) aureus.ValidationResult {
	after, ok := data.(map[string]any)
	if !ok {
		return noObject(data)
	}
	before, ok := previous.(map[string]any)
	if !ok {
		return because(Pass(), "the data is an object")
	}
	for _, name := range slices.Sorted(maps.Keys(before)) {
		value, found := after[name]
		if !found {
			return missing(name)
		}
		if was, is := kindOf(before[name]), kindOf(value); was != is {
			return Fail(aureus.Conflict, fmt.Sprintf("the field %q was of type %s and is %s", name, was, is))
		}
	}
	return because(Pass(), "the data keeps the keys and types of the previous state")
})

// BalancePositive is the built-in balance_positive (SPEC 4.4): the field balance
// of the data is a number above zero, else OUT_OF_SCOPE.
func BalancePositive() Validator[any] { return balancePositive }

var balancePositive = rule(func(data, _ any) aureus.ValidationResult {
	metadata := map[string]any{"field": "balance"}
	balance, refused := numberField(data, "balance", metadata)
	if refused != nil {
		return *refused
	}
	if decimalOf(balance).sign() <= 0 {
		return stating(Fail(aureus.OutOfScope, fmt.Sprintf("the balance is %s, and must be above zero", balance)), metadata)
	}
	return stating(because(Pass(), "the balance is above zero"), metadata)
})

// limits is the custom validator without a function of the host: min_x and
// max_x bound the field x (SPEC 4.4). The first failure, in the order of the
// parameters, decides.
func limits(bounds []limit) Validator[any] {
	return rule(func(data, _ any) aureus.ValidationResult {
		for _, b := range bounds {
			metadata := map[string]any{"field": b.field, b.side: b.bound}
			value, refused := numberField(data, b.field, metadata)
			if refused != nil {
				return *refused
			}
			order := decimalOf(value).compare(decimalOf(b.bound))
			if b.side == "min" && order < 0 || b.side == "max" && order > 0 {
				metadata["violation"] = b.side
				return stating(Fail(aureus.OutOfScope, fmt.Sprintf("the field %q is %s, and its %s is %s", b.field, value, b.side, b.bound)), metadata)
			}
		}
		return because(Pass(), "the data is within its limits")
	})
}

type limit struct {
	field, side string // side is min or max
	bound       json.Number
}
