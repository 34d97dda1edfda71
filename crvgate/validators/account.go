package validators

import (
	"github.com/farmountain/aureus-go/crvgate"
	"github.com/farmountain/aureus-go/crvgate/internal/checks"
)

// SchemaCheck checks that the data is an object. If the previous state is an object too,
// the data must have every key of it (otherwise MISSING_DATA) with a value of the same
// JSON kind (otherwise CONFLICT). New keys are allowed. Data that is not an object, such
// as an array, is a CONFLICT.
func SchemaCheck() crvgate.Validator[any] { return checks.SchemaCheck }

// BalancePositive fails if the field balance of the data is not a number above zero:
// MISSING_DATA if it is absent, CONFLICT if it is not a number, OUT_OF_SCOPE if it is
// zero or negative.
func BalancePositive() crvgate.Validator[any] { return checks.BalancePositive }
