package validators

import (
	"encoding/json"
	"fmt"

	"github.com/farmountain/aureus-go/crvgate"
	"github.com/farmountain/aureus-go/crvgate/internal/checks"
	"github.com/farmountain/aureus-go/internal/jsonvalue"
)

// Bounds are the limits of [StatisticalBounds]. A nil limit does not apply. Mean and
// Stddev apply only together. All limits must be finite, and Stddev and Tolerance not
// negative.
type Bounds struct {
	Min, Max     *float64
	Mean, Stddev *float64
	Tolerance    *float64 // in standard deviations around the mean; nil means 3
}

// StatisticalBounds checks that a field is a number within limits. An absent field is
// MISSING_DATA, and a field that is not a number is a CONFLICT. A number below Min or
// above Max, compared exactly, is OUT_OF_SCOPE with confidence 1. A number farther from
// Mean than the tolerance is OUT_OF_SCOPE too, with a confidence that decreases with the
// distance. It panics if a limit is invalid.
func StatisticalBounds(field string, bounds Bounds) crvgate.Validator[any] {
	given := map[string]json.Number{}
	for name, bound := range map[string]*float64{
		"min": bounds.Min, "max": bounds.Max, "mean": bounds.Mean, "stddev": bounds.Stddev, "tolerance": bounds.Tolerance,
	} {
		if bound == nil {
			continue
		}
		if !jsonvalue.IsFinite(*bound) || *bound < 0 && (name == "stddev" || name == "tolerance") {
			panic(fmt.Sprintf("crvgate: StatisticalBounds: %s is %v", name, *bound))
		}
		given[name] = jsonvalue.FromFloat(*bound)
	}
	return checks.StatisticalBounds(field, given)
}

// AnomalyDetection compares a field with the mean of earlier values, in sample
// standard deviations. A number farther from the mean than the threshold (usually 3) is
// OUT_OF_SCOPE, with a confidence that decreases with the distance. An absent field is
// MISSING_DATA, and a field that is not a number is a CONFLICT.
//
// A number within the threshold passes with a confidence from 0.7 to 1, so a gate
// that requires more than 0.7 may block it. With fewer than two earlier values it
// passes with 0.5. A history whose mean or deviation is not finite is a TOOL_ERROR. It
// panics if the threshold is not a finite number of 0 or more.
func AnomalyDetection(field string, history []float64, threshold float64) crvgate.Validator[any] {
	if !jsonvalue.IsFinite(threshold) || threshold < 0 {
		panic(fmt.Sprintf("crvgate: AnomalyDetection: the threshold is %v", threshold))
	}
	return checks.AnomalyDetection(field, history, threshold)
}
