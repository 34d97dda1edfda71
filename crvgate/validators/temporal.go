package validators

import (
	"fmt"
	"time"

	"github.com/farmountain/aureus-go/crvgate"
	"github.com/farmountain/aureus-go/crvgate/internal/checks"
	"github.com/farmountain/aureus-go/internal/jsonvalue"
)

// TemporalOptions are the options of [TemporalMonotonic]. With the zero value, the
// fields timestamp and version must both increase.
type TemporalOptions struct {
	TimestampField string         // empty means "timestamp"
	VersionField   string         // empty means "version"
	AllowEqual     bool           // whether an equal version or timestamp passes
	MaxDrift       *time.Duration // maximum time after the previous timestamp; nil means no limit
}

// TemporalMonotonic fails with CONFLICT if the version or the timestamp is not later
// than in the previous state. A version is a number; a timestamp is a number of Unix
// milliseconds or a date as a string. A timestamp that is later by more than MaxDrift is
// NON_DETERMINISM with confidence 0.8, or a CONFLICT if the version fails too. A state
// that is not an object is a CONFLICT.
//
// Without a previous state it passes with confidence 1. Otherwise it passes with 0.95,
// because a field that is absent or invalid in one of the states is not compared. It
// panics if MaxDrift is negative.
func TemporalMonotonic(options TemporalOptions) crvgate.Validator[any] {
	t := checks.UsualTemporal
	t.AllowEqual = options.AllowEqual
	if options.TimestampField != "" {
		t.TimestampField = options.TimestampField
	}
	if options.VersionField != "" {
		t.VersionField = options.VersionField
	}
	if options.MaxDrift != nil {
		if *options.MaxDrift < 0 {
			panic(fmt.Sprintf("crvgate: TemporalMonotonic: MaxDrift is %v", *options.MaxDrift))
		}
		t.MaxDrift = jsonvalue.FromFloat(milliseconds(*options.MaxDrift))
	}
	return t.Validator()
}
