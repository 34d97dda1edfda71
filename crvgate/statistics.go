package crvgate

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"

	"github.com/farmountain/aureus-go/aureus"
)

// Bounds are the limits of [StatisticalBounds]; nil is no limit. Mean and Stddev
// count when both are there.
type Bounds struct {
	Min, Max     *float64
	Mean, Stddev *float64
	Tolerance    *float64 // in standard deviations around the mean; nil is 3
}

// StatisticalBounds judges a number by fixed limits and by its distance from a
// mean. A value that is not there is MISSING_DATA, one that is no number
// CONFLICT, one outside OUT_OF_SCOPE: with confidence 1 below Min or above Max,
// compared exactly, and with less and less the farther beyond the tolerance it
// is. It panics when a bound is not finite, or when Stddev or Tolerance is
// negative.
func StatisticalBounds(field string, bounds Bounds) Validator[any] {
	given := map[string]json.Number{}
	for name, bound := range map[string]*float64{
		"min": bounds.Min, "max": bounds.Max, "mean": bounds.Mean, "stddev": bounds.Stddev, "tolerance": bounds.Tolerance,
	} {
		if bound == nil {
			continue
		}
		if !isFinite(*bound) || *bound < 0 && (name == "stddev" || name == "tolerance") {
			panic(fmt.Sprintf("crvgate: StatisticalBounds: %s is %v", name, *bound))
		}
		given[name] = numberOf(*bound)
	}
	return statisticalBounds(field, given)
}

func isFinite(f float64) bool { return !math.IsNaN(f) && !math.IsInf(f, 0) }

// statisticalBounds takes the bounds by their names on the wire.
func statisticalBounds(field string, given map[string]json.Number) Validator[any] {
	stated := map[string]any{}
	for name, bound := range given {
		stated[name] = bound
	}
	meanText, hasMean := given["mean"]
	stddevText, hasStddev := given["stddev"]
	mean, stddev, tolerance := floatOf(meanText), floatOf(stddevText), 3.0
	if text, found := given["tolerance"]; found {
		tolerance = floatOf(text)
	}
	lower := mean - float64(tolerance*stddev) // float64 forbids a fused multiplication: the same on every machine
	upper := mean + float64(tolerance*stddev)

	return rule(func(data, _ any) aureus.ValidationResult {
		metadata := map[string]any{"field": field, "bounds": maps.Clone(stated)}
		value, refused := numberField(data, field, metadata)
		if refused != nil {
			return *refused
		}
		exact := decimalOf(value)
		if limit, found := given["min"]; found && exact.compare(decimalOf(limit)) < 0 {
			metadata["violation"] = "min"
			return stating(Fail(aureus.OutOfScope, fmt.Sprintf("the field %q is %s, below the minimum %s", field, value, limit)), metadata)
		}
		if limit, found := given["max"]; found && exact.compare(decimalOf(limit)) > 0 {
			metadata["violation"] = "max"
			return stating(Fail(aureus.OutOfScope, fmt.Sprintf("the field %q is %s, above the maximum %s", field, value, limit)), metadata)
		}
		within := stating(because(Pass(), fmt.Sprintf("the field %q is %s, within its bounds", field, value)), metadata)
		if !hasMean || !hasStddev {
			return within
		}
		if stddev == 0 {
			metadata["zScore"] = json.Number("0")
			if exact.compare(decimalOf(meanText)) != 0 {
				return stating(Fail(aureus.OutOfScope, fmt.Sprintf("the field %q is %s, and always was %s", field, value, meanText)), metadata)
			}
			return within
		}
		v := floatOf(value)
		z := math.Abs((v - mean) / stddev)
		putNumber(metadata, "zScore", round2(z))
		putNumber(metadata, "lowerBound", lower)
		putNumber(metadata, "upperBound", upper)
		if v < lower || v > upper {
			result := Fail(aureus.OutOfScope, fmt.Sprintf("the field %q is %s, %s standard deviations from the mean", field, value, fixed2(z)))
			return stating(confident(result, round2(atLeast(0, 1-(z-tolerance)/tolerance))), metadata)
		}
		return within
	})
}

// AnomalyDetection judges a number by its distance from the mean of earlier
// values, in sample standard deviations: more than the threshold (3 is
// customary) is OUT_OF_SCOPE, with less confidence the farther off. A value as
// expected passes with a confidence from 0.7 up, so that a gate that requires
// more blocks ordinary values; with fewer than two earlier values it passes
// with 0.5. A history whose mean or deviation is no finite number is a
// TOOL_ERROR. It panics when the threshold is not a finite number from 0 up.
func AnomalyDetection(field string, history []float64, threshold float64) Validator[any] {
	if !isFinite(threshold) || threshold < 0 {
		panic(fmt.Sprintf("crvgate: AnomalyDetection: the threshold is %v", threshold))
	}
	mean, stddev := meanAndDeviation(history)
	size := len(history)
	return rule(func(data, _ any) aureus.ValidationResult {
		metadata := map[string]any{"field": field}
		value, refused := numberField(data, field, metadata)
		if refused != nil {
			return *refused
		}
		if size < 2 {
			putNumber(metadata, "historicalDataSize", float64(size))
			return stating(confident(because(Pass(), "there are too few earlier values to tell"), 0.5), metadata)
		}
		if !isFinite(mean) || !isFinite(stddev) {
			return stating(Fail(aureus.ToolError, "the earlier values have no finite mean and deviation"), metadata)
		}
		v := floatOf(value)
		putNumber(metadata, "mean", mean)
		putNumber(metadata, "stddev", stddev)
		if stddev == 0 {
			metadata["zScore"] = json.Number("0")
			if v != mean {
				return stating(Fail(aureus.OutOfScope, fmt.Sprintf("the field %q is %s, and always was %s", field, value, numberText(mean))), metadata)
			}
			return stating(because(Pass(), fmt.Sprintf("the field %q is as it always was", field)), metadata)
		}
		z := math.Abs((v - mean) / stddev)
		putNumber(metadata, "zScore", round2(z))
		putNumber(metadata, "threshold", threshold)
		putNumber(metadata, "historicalDataSize", float64(size))
		if z > threshold {
			result := Fail(aureus.OutOfScope, fmt.Sprintf("the field %q is %s, %s standard deviations from what is usual", field, value, fixed2(z)))
			return stating(confident(result, round2(atLeast(0, 1-(z-threshold)/threshold))), metadata)
		}
		confidence := 1.0
		if z > 0 {
			confidence = round2(atLeast(0.7, 1-z/threshold))
		}
		return stating(confident(because(Pass(), fmt.Sprintf("the field %q is %s, which is usual", field, value)), confidence), metadata)
	})
}

// meanAndDeviation are the mean and the sample standard deviation, summed in the
// order of the values.
func meanAndDeviation(values []float64) (mean, stddev float64) {
	sum := 0.0
	for _, v := range values {
		sum += v
	}
	mean = sum / float64(len(values))
	squares := 0.0
	for _, v := range values {
		squares += float64((v - mean) * (v - mean))
	}
	return mean, math.Sqrt(squares / float64(len(values)-1))
}

// numberField is a field that must be there and be a number. It states the value.
func numberField(data any, field string, metadata map[string]any) (json.Number, *aureus.ValidationResult) {
	if !isObject(data) {
		return "", new(noObject(data))
	}
	value, found := lookup(data, field)
	if !found {
		return "", new(stating(missing(field), metadata))
	}
	metadata["value"] = shown(value)
	number, ok := value.(json.Number)
	if !ok {
		return "", new(stating(Fail(aureus.Conflict, fmt.Sprintf("the field %q must be a number, not %s", field, kindOf(value))), metadata))
	}
	return number, nil
}

// atLeast bounds a confidence from below and by 1 from above; what cannot be
// computed is the lower bound.
func atLeast(low, confidence float64) float64 {
	if !(confidence > low) {
		return low
	}
	return min(confidence, 1)
}
