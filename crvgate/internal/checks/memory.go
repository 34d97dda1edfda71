package checks

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/crvgate"
	"github.com/farmountain/aureus-go/crvgate/internal/parameters"
	"github.com/farmountain/aureus-go/internal/jsonvalue"
	"github.com/farmountain/aureus-go/internal/panicsite"
)

// MemoryRetention returns the validator memory_retention. maxAge is in milliseconds. An
// empty field means "timestamp", and a nil now means time.Now.
func MemoryRetention(maxAge json.Number, field string, now func() time.Time) crvgate.Validator[any] {
	if field == "" {
		field = "timestamp"
	}
	if now == nil {
		now = time.Now
	}
	return onJSON(func(data, _ any) aureus.ValidationResult {
		if !isObject(data) {
			return notAnObject(data)
		}
		value, found := lookup(data, field)
		if !found {
			return missing(field)
		}
		timestamp, ok := instantOf(value)
		if !ok {
			return crvgate.Fail(aureus.Conflict, fmt.Sprintf("the field %q must be a date or a number of milliseconds", field))
		}
		age := float64(now().UnixMilli()) - jsonvalue.Float(timestamp)
		metadata := map[string]any{"maxRetentionMs": maxAge}
		putNumber(metadata, "age", age)
		if age > jsonvalue.Float(maxAge) {
			metadata["timestamp"] = timestamp
			result := crvgate.Fail(aureus.PolicyViolation, fmt.Sprintf("the data is %s ms old, and the limit is %s ms", jsonvalue.FloatText(age), maxAge))
			return withMetadata(withRemediation(result, "Delete or archive the data: it has been stored too long."), metadata)
		}
		return withMetadata(withReason(crvgate.Pass(), "the age of the data is within the limit"), metadata)
	})
}

// MemoryCompression returns the validator memory_compression. The threshold is in the
// units of [jsonvalue.Size]. An empty field means "compressed".
func MemoryCompression(threshold json.Number, field string) crvgate.Validator[any] {
	if field == "" {
		field = "compressed"
	}
	limit := jsonvalue.Float(threshold)
	return onJSON(func(data, _ any) aureus.ValidationResult {
		size := float64(jsonvalue.Size(data))
		metadata := map[string]any{"sizeThresholdBytes": threshold}
		putNumber(metadata, "dataSize", size)
		if size <= limit {
			return withMetadata(withReason(crvgate.Pass(), "the data is small enough to be stored without compression"), metadata)
		}
		if !isObject(data) {
			result := crvgate.Fail(aureus.PolicyViolation, "the data is too large to be stored without compression, and is not an object that could say that it is compressed")
			return withRemediation(result, "Compress the data, and store it in an object with a field that says so.")
		}
		if compressed, _ := lookup(data, field); !isYes(compressed) {
			result := crvgate.Fail(aureus.PolicyViolation, fmt.Sprintf("the data is too large to be stored without compression, and the field %q does not say that it is compressed", field))
			return withMetadata(withRemediation(result, "Compress the data before you store it."), metadata)
		}
		return withMetadata(withReason(crvgate.Pass(), "the data is compressed"), metadata)
	})
}

// secretClasses are the classifications of data that must be encrypted.
var secretClasses = []string{"sensitive", "confidential", "restricted"}

// MemoryEncryption is the validator memory_encryption.
var MemoryEncryption = onJSON(func(data, _ any) aureus.ValidationResult {
	if !isObject(data) {
		return withReason(crvgate.Pass(), "the data has no classification")
	}
	metadata := map[string]any{}
	class, found := lookup(data, "dataClassification")
	if found {
		metadata["classification"] = shown(class)
	}
	name, _ := class.(string)
	encrypted, _ := lookup(data, "encrypted")
	if slices.Contains(secretClasses, name) && !isYes(encrypted) {
		result := crvgate.Fail(aureus.PolicyViolation, fmt.Sprintf("the data is %s and not encrypted", name))
		return withMetadata(withRemediation(result, "Encrypt the data before you store it."), metadata)
	}
	return withMetadata(withReason(crvgate.Pass(), "the data is encrypted or needs no encryption"), metadata)
})

// ComplianceStandards returns the validator compliance_standards. It keeps the slice, so the
// caller must not modify it.
func ComplianceStandards(required []string) crvgate.Validator[any] {
	const field = "complianceStandards"
	hint := "Meet these standards and name them in complianceStandards: " + strings.Join(required, ", ") + "."
	return onJSON(func(data, _ any) aureus.ValidationResult {
		if len(required) == 0 {
			return withReason(crvgate.Pass(), "no standard is required")
		}
		if !isObject(data) {
			return notAnObject(data)
		}
		value, _ := lookup(data, field)
		provided, ok := value.([]any)
		if !ok {
			return withMetadata(withRemediation(crvgate.Fail(aureus.MissingData, fmt.Sprintf("the field %q must be an array of standards", field)), hint),
				map[string]any{"requiredStandards": jsonvalue.Strings(required)})
		}
		metadata := map[string]any{"requiredStandards": jsonvalue.Strings(required), "providedStandards": provided}
		met := make(map[string]bool, len(provided))
		for _, standard := range provided {
			if name, ok := standard.(string); ok {
				met[name] = true
			}
		}
		absent := slices.DeleteFunc(slices.Clone(required), func(standard string) bool { return met[standard] })
		if len(absent) > 0 {
			metadata["missingStandards"] = jsonvalue.Strings(absent)
			result := crvgate.Fail(aureus.PolicyViolation, fmt.Sprintf("required standards are not met: %q", absent))
			return withMetadata(withRemediation(result, "Meet these standards and name them in complianceStandards: "+strings.Join(absent, ", ")+"."), metadata)
		}
		return withMetadata(withReason(crvgate.Pass(), "the required standards are met"), metadata)
	})
}

// MemoryPolicy returns the validator memory_policy. It keeps the slice, so the caller must not
// modify it.
func MemoryPolicy(rules []crvgate.Validator[any]) crvgate.Validator[any] {
	return func(ctx context.Context, change crvgate.Change[any]) aureus.ValidationResult {
		var reasons, remedies []string
		var details []any
		var failed aureus.ValidationResult
		lowest := 1.0
		for _, result := range judgeEach(ctx, rules, change) {
			if result.Valid {
				continue
			}
			if len(details) == 0 {
				failed.FailureCode = result.FailureCode
			}
			if confidence, known := confidenceOf(&result); known {
				lowest = min(lowest, confidence)
			}
			if result.Remediation != "" {
				remedies = append(remedies, result.Remediation)
			}
			reasons = append(reasons, result.Reason)
			details = append(details, map[string]any{"reason": result.Reason, "code": string(result.FailureCode)})
		}
		metadata := map[string]any{}
		if len(details) == 0 {
			putNumber(metadata, "checksPerformed", float64(len(rules)))
			return withMetadata(withReason(crvgate.Pass(), "all rules are met"), metadata)
		}
		putNumber(metadata, "violations", float64(len(details)))
		metadata["details"] = details
		failed.Reason, failed.Remediation = strings.Join(reasons, "; "), strings.Join(remedies, " ")
		return withMetadata(withConfidence(failed, lowest), metadata)
	}
}

// judgeEach returns the results of validators for one change, in their order. A
// validator that panics and a nil validator have the result TOOL_ERROR. After the
// context has ended, no further validator runs, and the last result says so.
func judgeEach(ctx context.Context, validators []crvgate.Validator[any], change crvgate.Change[any]) []aureus.ValidationResult {
	results := make([]aureus.ValidationResult, 0, len(validators))
	for _, validator := range validators {
		results = append(results, judgeOne(ctx, validator, change))
		if err := ctx.Err(); err != nil {
			return append(results, toolError("the validators had not finished: "+err.Error()))
		}
	}
	return results
}

func judgeOne(ctx context.Context, validator crvgate.Validator[any], change crvgate.Change[any]) (result aureus.ValidationResult) {
	defer func() {
		if p := recover(); p != nil {
			result = toolError("the validator panicked" + panicsite.Describe(p))
		}
	}()
	if validator == nil {
		return toolError("the validator is nil")
	}
	return validator(ctx, change)
}

// confidenceOf returns the confidence of a result. known is false if the result has no
// confidence from 0 to 1.
func confidenceOf(result *aureus.ValidationResult) (confidence float64, known bool) {
	if result.Confidence == nil {
		return 0, false
	}
	confidence = *result.Confidence
	return confidence, confidence >= 0 && confidence <= 1
}

func buildRetention(p *parameters.Object, now func() time.Time) crvgate.Validator[any] {
	return MemoryRetention(p.Magnitude(true, "max_retention_ms"), p.Text(false, "timestamp_field"), now)
}

func buildCompression(p *parameters.Object, _ func() time.Time) crvgate.Validator[any] {
	return MemoryCompression(
		p.Magnitude(true, "threshold", "size_threshold_bytes"),
		p.Text(false, "compressed_field", "compression_field"),
	)
}

func buildStandards(p *parameters.Object, _ func() time.Time) crvgate.Validator[any] {
	return ComplianceStandards(p.Texts(true, "required", "required_standards"))
}

// buildMemoryPolicy combines the memory rules whose parameters are present. Compression
// is checked only if both its flag and its threshold are present.
func buildMemoryPolicy(p *parameters.Object, now func() time.Time) crvgate.Validator[any] {
	var rules []crvgate.Validator[any]
	timestampField := p.Text(false, "timestamp_field")
	if limit := p.Magnitude(false, "max_retention_ms"); limit != "" {
		rules = append(rules, MemoryRetention(limit, timestampField, now))
	}
	compress, compressedField := p.Flag("require_compression"), p.Text(false, "compressed_field", "compression_field")
	if threshold := p.Magnitude(false, "threshold", "max_size_bytes"); threshold != "" && compress {
		rules = append(rules, MemoryCompression(threshold, compressedField))
	}
	if p.Flag("require_encryption") {
		rules = append(rules, MemoryEncryption)
	}
	if required := p.Texts(false, "required", "required_compliance"); len(required) > 0 {
		rules = append(rules, ComplianceStandards(required))
	}
	return MemoryPolicy(rules)
}
