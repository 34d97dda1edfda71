package checks

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"time"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/crvgate"
	"github.com/farmountain/aureus-go/crvgate/internal/parameters"
	"github.com/farmountain/aureus-go/internal/jsonvalue"
)

// StatisticalBounds returns the validator statistical_bounds. The keys of given are the
// names of the limits in a configuration: min, max, mean, stddev, and tolerance in
// standard deviations around the mean. A limit that is absent does not apply; tolerance
// is 3 if it is absent.
func StatisticalBounds(field string, given map[string]json.Number) crvgate.Validator[any] {
	bounds := map[string]any{}
	for name, bound := range given {
		bounds[name] = bound
	}
	meanText, hasMean := given["mean"]
	stddevText, hasStddev := given["stddev"]
	mean, stddev, tolerance := jsonvalue.Float(meanText), jsonvalue.Float(stddevText), 3.0
	if text, found := given["tolerance"]; found {
		tolerance = jsonvalue.Float(text)
	}
	lower := mean - float64(tolerance*stddev) // float64 prevents a fused multiply-add, so that every machine gets the same result
	upper := mean + float64(tolerance*stddev)

	return onJSON(func(data, _ any) aureus.ValidationResult {
		metadata := map[string]any{"field": field, "bounds": maps.Clone(bounds)}
		value, failure := numberField(data, field, metadata)
		if failure != nil {
			return *failure
		}
		exact := jsonvalue.DecimalOf(value)
		if limit, found := given["min"]; found && exact.Compare(jsonvalue.DecimalOf(limit)) < 0 {
			metadata["violation"] = "min"
			return withMetadata(crvgate.Fail(aureus.OutOfScope, fmt.Sprintf("the field %q is %s, below the minimum %s", field, value, limit)), metadata)
		}
		if limit, found := given["max"]; found && exact.Compare(jsonvalue.DecimalOf(limit)) > 0 {
			metadata["violation"] = "max"
			return withMetadata(crvgate.Fail(aureus.OutOfScope, fmt.Sprintf("the field %q is %s, above the maximum %s", field, value, limit)), metadata)
		}
		within := withMetadata(withReason(crvgate.Pass(), fmt.Sprintf("the field %q is %s, within its bounds", field, value)), metadata)
		if !hasMean || !hasStddev {
			return within
		}
		if stddev == 0 {
			metadata["zScore"] = json.Number("0")
			if exact.Compare(jsonvalue.DecimalOf(meanText)) != 0 {
				return withMetadata(crvgate.Fail(aureus.OutOfScope, fmt.Sprintf("the field %q is %s and must be %s, because stddev is 0", field, value, meanText)), metadata)
			}
			return within
		}
		v := jsonvalue.Float(value)
		z := math.Abs((v - mean) / stddev)
		putNumber(metadata, "zScore", jsonvalue.Round2(z))
		putNumber(metadata, "lowerBound", lower)
		putNumber(metadata, "upperBound", upper)
		if v < lower || v > upper {
			result := crvgate.Fail(aureus.OutOfScope, fmt.Sprintf("the field %q is %s, %s standard deviations from the mean", field, value, jsonvalue.Fixed2(z)))
			return withMetadata(withConfidence(result, jsonvalue.Round2(atLeast(0, 1-(z-tolerance)/tolerance))), metadata)
		}
		return within
	})
}

// AnomalyDetection returns the validator anomaly_detection. The threshold is a finite
// number of 0 or more, in standard deviations.
func AnomalyDetection(field string, history []float64, threshold float64) crvgate.Validator[any] {
	mean, stddev := meanAndDeviation(history)
	size := len(history)
	return onJSON(func(data, _ any) aureus.ValidationResult {
		metadata := map[string]any{"field": field}
		value, failure := numberField(data, field, metadata)
		if failure != nil {
			return *failure
		}
		if size < 2 {
			putNumber(metadata, "historicalDataSize", float64(size))
			return withMetadata(withConfidence(withReason(crvgate.Pass(), "there are fewer than two earlier values to compare with"), 0.5), metadata)
		}
		if !jsonvalue.IsFinite(mean) || !jsonvalue.IsFinite(stddev) {
			return withMetadata(crvgate.Fail(aureus.ToolError, "the earlier values have no finite mean and deviation"), metadata)
		}
		v := jsonvalue.Float(value)
		putNumber(metadata, "mean", mean)
		putNumber(metadata, "stddev", stddev)
		if stddev == 0 {
			metadata["zScore"] = json.Number("0")
			if v != mean {
				return withMetadata(crvgate.Fail(aureus.OutOfScope, fmt.Sprintf("the field %q is %s, and all earlier values were %s", field, value, jsonvalue.FloatText(mean))), metadata)
			}
			return withMetadata(withReason(crvgate.Pass(), fmt.Sprintf("the field %q is the same as all earlier values", field)), metadata)
		}
		z := math.Abs((v - mean) / stddev)
		putNumber(metadata, "zScore", jsonvalue.Round2(z))
		putNumber(metadata, "threshold", threshold)
		putNumber(metadata, "historicalDataSize", float64(size))
		if z > threshold {
			result := crvgate.Fail(aureus.OutOfScope, fmt.Sprintf("the field %q is %s, %s standard deviations from the mean of earlier values", field, value, jsonvalue.Fixed2(z)))
			return withMetadata(withConfidence(result, jsonvalue.Round2(atLeast(0, 1-(z-threshold)/threshold))), metadata)
		}
		confidence := 1.0
		if z > 0 {
			confidence = jsonvalue.Round2(atLeast(0.7, 1-z/threshold))
		}
		return withMetadata(withConfidence(withReason(crvgate.Pass(), fmt.Sprintf("the field %q is %s, within the threshold", field, value)), confidence), metadata)
	})
}

// meanAndDeviation returns the mean and the sample standard deviation. It adds the values
// in their order, because the order affects the rounding.
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

// numberField returns a required field that is a number, or the result of the failure if
// there is no such field. It adds the value to the metadata.
func numberField(data any, field string, metadata map[string]any) (json.Number, *aureus.ValidationResult) {
	if !isObject(data) {
		return "", new(notAnObject(data))
	}
	value, found := lookup(data, field)
	if !found {
		return "", new(withMetadata(missing(field), metadata))
	}
	metadata["value"] = shown(value)
	number, ok := value.(json.Number)
	if !ok {
		return "", new(withMetadata(crvgate.Fail(aureus.Conflict, fmt.Sprintf("the field %q must be a number, not %s", field, jsonvalue.Kind(value))), metadata))
	}
	return number, nil
}

// atLeast limits a confidence to the range from low to 1. NaN becomes low.
func atLeast(low, confidence float64) float64 {
	if !(confidence > low) {
		return low
	}
	return min(confidence, 1)
}

func buildBounds(p *parameters.Object, _ func() time.Time) crvgate.Validator[any] {
	field := p.Text(true, "field")
	given := map[string]json.Number{}
	for _, name := range []string{"min", "max", "mean", "stddev", "tolerance"} {
		read := p.Number
		if name == "stddev" || name == "tolerance" {
			read = p.Magnitude
		}
		if bound := read(false, name); bound != "" {
			given[name] = bound
		}
	}
	if len(p.Problems) > 0 {
		return nil
	}
	checkBoundsApply(p, given)
	return StatisticalBounds(field, given)
}

// checkBoundsApply adds a problem for each limit that has no effect.
func checkBoundsApply(p *parameters.Object, given map[string]json.Number) {
	_, mean := given["mean"]
	_, stddev := given["stddev"]
	_, tolerance := given["tolerance"]
	switch {
	case mean && !stddev:
		p.Problemf("mean", "has no effect without stddev")
	case stddev && !mean:
		p.Problemf("stddev", "has no effect without mean")
	case tolerance && !mean:
		p.Problemf("tolerance", "has no effect without mean and stddev")
	case len(given) == 0:
		p.Problems = append(p.Problems, parameters.Problem{Pointer: p.Pointer, Message: "sets no bounds: give min, max, or mean and stddev"})
	}
}

func buildAnomaly(p *parameters.Object, _ func() time.Time) crvgate.Validator[any] {
	field := p.Text(true, "field")
	history := p.Numbers(true, "history", "historical_data")
	threshold := 3.0
	if given := p.Magnitude(false, "threshold"); given != "" {
		threshold = jsonvalue.Float(given)
	}
	if len(p.Problems) > 0 {
		return nil
	}
	return AnomalyDetection(field, history, threshold)
}
