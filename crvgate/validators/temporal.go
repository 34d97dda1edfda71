package validators

import (
	"fmt"
	"time"

	"github.com/farmountain/aureus-go/crvgate"
	"github.com/farmountain/aureus-go/crvgate/internal/checks"
	"github.com/farmountain/aureus-go/internal/jsonvalue"
)

// TemporalOptions are the options of [TemporalMonotonic]. With the zero value, the
// fields timestamp and version must both grow.
type TemporalOptions struct {
	TimestampField string         // empty means timestamp
	VersionField   string         // empty means version
	AllowEqual     bool           // whether an equal version or timestamp passes
	MaxDrift       *time.Duration // how far a timestamp may be ahead of the previous one; nil is no limit
}

// TemporalMonotonic fails with CONFLICT if the version or the timestamp is not later
// than in the previous state. A version is a number; a timestamp is a number of Unix
// milliseconds or the text of a date. A timestamp that is ahead by more than MaxDrift
// is NON_DETERMINISM with confidence 0.8, or a CONFLICT if the version fails too. A
// state that is not an object is a CONFLICT.
//
// Without a previous state it passes with confidence 1. Else it passes with 0.95,
// because a field that cannot be read in both states is not compared. It panics if
// MaxDrift is negative.
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
