package validators

import (
	"fmt"
	"slices"
	"time"

	"github.com/farmountain/aureus-go/crvgate"
	"github.com/farmountain/aureus-go/crvgate/internal/checks"
	"github.com/farmountain/aureus-go/internal/jsonvalue"
)

// Retention is how long data may be kept, for [MemoryRetention].
type Retention struct {
	Max            time.Duration    // the maximum age; not negative
	TimestampField string           // the field with the time of the data; empty means "timestamp"
	Now            func() time.Time // the clock; nil means time.Now
}

// MemoryRetention fails with POLICY_VIOLATION if the data is older than Max. Its
// timestamp is a number of Unix milliseconds or a date as a string. An absent timestamp
// is MISSING_DATA, and an invalid timestamp is a CONFLICT. A timestamp in the future
// passes. It panics if Max is negative.
func MemoryRetention(r Retention) crvgate.Validator[any] {
	if r.Max < 0 {
		panic(fmt.Sprintf("crvgate: MemoryRetention: Max is %v", r.Max))
	}
	return checks.MemoryRetention(jsonvalue.FromFloat(milliseconds(r.Max)), r.TimestampField, r.Now)
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// MemoryCompression fails with POLICY_VIOLATION if the data is larger than the threshold
// and is not marked as compressed. The threshold is in the units of [MaxSize]. The field
// with the given name is the mark; an empty name means "compressed". The data is not
// marked if the field is absent, null, false, 0, empty, or a string such as "false" or
// "no".
func MemoryCompression(threshold int, field string) crvgate.Validator[any] {
	return checks.MemoryCompression(jsonvalue.FromFloat(float64(threshold)), field)
}

// MemoryEncryption fails with POLICY_VIOLATION if the field dataClassification is
// sensitive, confidential or restricted, and the data is not marked as encrypted. The
// field encrypted is the mark; [MemoryCompression] says which values are no mark. Data
// that is not an object has no classification and passes.
func MemoryEncryption() crvgate.Validator[any] { return checks.MemoryEncryption }

// ComplianceStandards fails with POLICY_VIOLATION if the array complianceStandards of
// the data lacks a required standard, and with MISSING_DATA if there is no such
// array. If no standard is required, everything passes.
func ComplianceStandards(required ...string) crvgate.Validator[any] {
	return checks.ComplianceStandards(slices.Clone(required))
}

// MemoryPolicy combines validators into one, for several rules about stored data. All
// of them run. The result fails if any of them fails: with the code of the first
// failure, the lowest confidence of the failures, and all their remediations. Without
// validators it passes, and its metadata says that it made no checks.
func MemoryPolicy(rules ...crvgate.Validator[any]) crvgate.Validator[any] {
	return checks.MemoryPolicy(slices.Clone(rules))
}
