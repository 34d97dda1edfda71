package checks

import (
	"time"

	"github.com/farmountain/aureus-go/crvgate"
	"github.com/farmountain/aureus-go/crvgate/internal/parameters"
)

// Build creates a validator from the parameters of a configuration. It adds problems to
// the object; if there are any, the validator is not used. now returns the time, for
// the validators that need it.
type Build func(p *parameters.Object, now func() time.Time) crvgate.Validator[any]

// Types holds the types of configurations that need neither a rule language nor a
// function in Go.
var Types = map[string]Build{
	"not_null":             withoutParameters(NotNull),
	"monotonic":            withoutParameters(Monotonic),
	"memory_encryption":    withoutParameters(MemoryEncryption),
	"schema":               buildSchema,
	"max_size":             buildMaxSize,
	"statistical_bounds":   buildBounds,
	"anomaly_detection":    buildAnomaly,
	"temporal_monotonic":   buildTemporal,
	"memory_retention":     buildRetention,
	"memory_compression":   buildCompression,
	"compliance_standards": buildStandards,
	"memory_policy":        buildMemoryPolicy,
}

func withoutParameters(validator crvgate.Validator[any]) Build {
	return func(*parameters.Object, func() time.Time) crvgate.Validator[any] { return validator }
}

// BuiltIn returns the validator that every registry has with that id, or nil. There is
// one for each type that works without parameters, and two that check accounts.
func BuiltIn(id string) crvgate.Validator[any] {
	switch id {
	case "not_null":
		return NotNull
	case "monotonic":
		return Monotonic
	case "temporal_monotonic":
		return usualTemporal
	case "memory_encryption":
		return MemoryEncryption
	case "memory_policy":
		return emptyPolicy
	case "schema_check":
		return SchemaCheck
	case "balance_positive":
		return BalancePositive
	default:
		return nil
	}
}

var (
	usualTemporal = UsualTemporal.Validator()
	emptyPolicy   = MemoryPolicy(nil)
)
