package checks

import (
	"time"

	"github.com/farmountain/aureus-go/crvgate"
	"github.com/farmountain/aureus-go/crvgate/internal/parameters"
)

// Build makes a validator of the parameters of a configuration. Problems are noted
// in the object; if there are any, the validator is not used. now is the clock of
// the validators that need the time.
type Build func(p *parameters.Object, now func() time.Time) crvgate.Validator[any]

// Types are the types of configurations that need neither a rule language nor a
// function of the host.
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

// BuiltIn is the validator that every registry has under that id, or nil: one for
// each type that works without parameters, and the two that check accounts.
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
