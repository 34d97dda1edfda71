package crvgate

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/farmountain/aureus-go/aureus"
)

// Retention is the rule of [MemoryRetention].
type Retention struct {
	Max            time.Duration    // the greatest age
	TimestampField string           // empty is timestamp
	Now            func() time.Time // the clock; nil is time.Now
}

// MemoryRetention fails with POLICY_VIOLATION when the data is older than Max by
// its timestamp, a number of milliseconds or date text. A timestamp that is not
// there is MISSING_DATA, one that cannot be read CONFLICT, and one in the
// future passes. It panics when Max is negative.
func MemoryRetention(r Retention) Validator[any] {
	if r.Max < 0 {
		panic(fmt.Sprintf("crvgate: MemoryRetention: Max is %v", r.Max))
	}
	return memoryRetention(millisecondsOf(r.Max), r.TimestampField, r.Now)
}

func memoryRetention(maxAge json.Number, field string, now func() time.Time) Validator[any] {
	if field == "" {
		field = "timestamp"
	}
	if now == nil {
		now = time.Now
	}
	return rule(func(data, _ any) aureus.ValidationResult {
		if !isObject(data) {
			return noObject(data)
		}
		value, found := lookup(data, field)
		if !found {
			return missing(field)
		}
		timestamp, ok := instantOf(value)
		if !ok {
			return Fail(aureus.Conflict, fmt.Sprintf("the field %q must be a date or a number of milliseconds", field))
		}
		age := float64(now().UnixMilli()) - floatOf(timestamp)
		metadata := map[string]any{"maxRetentionMs": maxAge}
		putNumber(metadata, "age", age)
		if age > floatOf(maxAge) {
			metadata["timestamp"] = timestamp
			result := Fail(aureus.PolicyViolation, fmt.Sprintf("the data is %s ms old, and %s ms is the limit", numberText(age), maxAge))
			return stating(hinting(result, "Delete or archive the data: it has been kept too long."), metadata)
		}
		return stating(because(Pass(), "the data is not too old"), metadata)
	})
}

// MemoryCompression fails with POLICY_VIOLATION when the data is larger than the
// threshold, counted as [MaxSize] counts, and its field (compressed where the
// name is empty) does not say that it is compressed. A text such as "false" or
// "no" says that it is not, and so does everything that is empty, 0 or null.
func MemoryCompression(threshold int, field string) Validator[any] {
	return memoryCompression(numberOf(float64(threshold)), field)
}

func memoryCompression(threshold json.Number, field string) Validator[any] {
	if field == "" {
		field = "compressed"
	}
	limit := floatOf(threshold)
	return rule(func(data, _ any) aureus.ValidationResult {
		size := float64(jsonSize(data))
		metadata := map[string]any{"sizeThresholdBytes": threshold}
		putNumber(metadata, "dataSize", size)
		if size <= limit {
			return stating(because(Pass(), "the data is small enough to be left as it is"), metadata)
		}
		if !isObject(data) {
			result := Fail(aureus.PolicyViolation, "the data is too large to be left as it is, and no object that could say it is compressed")
			return hinting(result, "Compress the data, and keep it in an object that says so.")
		}
		if compressed, _ := lookup(data, field); !affirms(compressed) {
			result := Fail(aureus.PolicyViolation, fmt.Sprintf("the data is too large to be left as it is, and the field %q does not say that it is compressed", field))
			return stating(hinting(result, "Compress the data before it is kept."), metadata)
		}
		return stating(because(Pass(), "the data is compressed"), metadata)
	})
}

// MemoryEncryption fails with POLICY_VIOLATION when the field dataClassification
// is sensitive, confidential or restricted and the field encrypted does not say
// that the data is encrypted, as for [MemoryCompression]. Data that is no object
// passes: it has no class.
func MemoryEncryption() Validator[any] { return memoryEncryption }

var secretClasses = []string{"sensitive", "confidential", "restricted"}

var memoryEncryption = rule(func(data, _ any) aureus.ValidationResult {
	if !isObject(data) {
		return because(Pass(), "the data has no classification")
	}
	metadata := map[string]any{}
	class, found := lookup(data, "dataClassification")
	if found {
		metadata["classification"] = shown(class)
	}
	name, _ := class.(string)
	encrypted, _ := lookup(data, "encrypted")
	if slices.Contains(secretClasses, name) && !affirms(encrypted) {
		result := Fail(aureus.PolicyViolation, fmt.Sprintf("the data is %s and not encrypted", name))
		return stating(hinting(result, "Encrypt the data before it is kept."), metadata)
	}
	return stating(because(Pass(), "the data needs no encryption, or has it"), metadata)
})

// ComplianceStandards fails with POLICY_VIOLATION when the data's list
// complianceStandards lacks a required one, and with MISSING_DATA when there is
// no such list. Where none is required, everything passes.
func ComplianceStandards(required ...string) Validator[any] {
	const field = "complianceStandards"
	required = slices.Clone(required)
	hint := "Meet and name the standards: " + strings.Join(required, ", ") + "."
	return rule(func(data, _ any) aureus.ValidationResult {
		if len(required) == 0 {
			return because(Pass(), "no standard is required")
		}
		if !isObject(data) {
			return noObject(data)
		}
		value, _ := lookup(data, field)
		provided, ok := value.([]any)
		if !ok {
			return stating(hinting(Fail(aureus.MissingData, fmt.Sprintf("the field %q holds no list of standards", field)), hint),
				map[string]any{"requiredStandards": texts(required)})
		}
		metadata := map[string]any{"requiredStandards": texts(required), "providedStandards": provided}
		met := make(map[string]bool, len(provided))
		for _, standard := range provided {
			if name, ok := standard.(string); ok {
				met[name] = true
			}
		}
		lacking := slices.DeleteFunc(slices.Clone(required), func(standard string) bool { return met[standard] })
		if len(lacking) > 0 {
			metadata["missingStandards"] = texts(lacking)
			result := Fail(aureus.PolicyViolation, fmt.Sprintf("required standards are not met: %q", lacking))
			return stating(hinting(result, "Meet and name the standards: "+strings.Join(lacking, ", ")+"."), metadata)
		}
		return stating(because(Pass(), "the required standards are met"), metadata)
	})
}

// MemoryPolicy combines memory rules into one: all of them run, and the result
// fails if any does, with the code of the first failure, the lowest confidence
// among the failures and all their remedies. Without rules it passes and states
// that it checked none.
func MemoryPolicy(rules ...Validator[any]) Validator[any] {
	rules = slices.Clone(rules)
	return func(ctx context.Context, change Change[any]) aureus.ValidationResult {
		var reasons, remedies []string
		var details []any
		var failed aureus.ValidationResult
		lowest := 1.0
		judged := judgeEach(ctx, judgement{}, 0, rules, &change)
		for _, result := range judged.results {
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
			return stating(because(Pass(), "the rules for memory are met"), metadata)
		}
		putNumber(metadata, "violations", float64(len(details)))
		metadata["details"] = details
		failed.Reason, failed.Remediation = strings.Join(reasons, "; "), strings.Join(remedies, " ")
		return stating(confident(failed, lowest), metadata)
	}
}
