package crvgate

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/farmountain/aureus-go/aureus"
)

// TemporalOptions are the options of [TemporalMonotonic]. The zero value is the
// usual rule: the fields timestamp and version, both strictly growing.
type TemporalOptions struct {
	TimestampField string         // empty is timestamp
	VersionField   string         // empty is version
	AllowEqual     bool           // equal is no violation
	MaxDrift       *time.Duration // how far a timestamp may run ahead of the previous one; nil is no limit
}

// TemporalMonotonic fails with CONFLICT when the version, a number, or the
// timestamp, a number of milliseconds or date text, is not later than in the
// previous state. A timestamp that runs ahead by more than MaxDrift is
// NON_DETERMINISM with confidence 0.8, and CONFLICT where the version is in
// violation too. Without a previous state it passes with confidence 1, else
// with 0.95: what cannot be read in both states is skipped. A state that is no
// object is a CONFLICT. It panics when MaxDrift is negative.
func TemporalMonotonic(options TemporalOptions) Validator[any] {
	t := temporal{timestampField: "timestamp", versionField: "version", allowEqual: options.AllowEqual}
	if options.TimestampField != "" {
		t.timestampField = options.TimestampField
	}
	if options.VersionField != "" {
		t.versionField = options.VersionField
	}
	if options.MaxDrift != nil {
		if *options.MaxDrift < 0 {
			panic(fmt.Sprintf("crvgate: TemporalMonotonic: MaxDrift is %v", *options.MaxDrift))
		}
		t.maxDrift = millisecondsOf(*options.MaxDrift)
	}
	return rule(t.judge)
}

func millisecondsOf(d time.Duration) json.Number {
	return numberOf(float64(d) / float64(time.Millisecond))
}

type temporal struct {
	timestampField, versionField string
	allowEqual                   bool
	maxDrift                     json.Number // milliseconds; empty is no limit
}

func (t temporal) judge(data, previous any) aureus.ValidationResult {
	if !truthy(previous) {
		return stating(because(Pass(), "there is no previous state to compare with"), map[string]any{"isFirstCommit": true})
	}
	if !isObject(data) {
		return noObject(data)
	}
	if !isObject(previous) {
		return Fail(aureus.Conflict, "the previous state must be an object, not "+kindOf(previous))
	}
	metadata := map[string]any{}
	violations := t.versions(data, previous, metadata)
	late, drifted := t.timestamps(data, previous, metadata)
	violations = append(violations, late...)
	switch {
	case len(violations) > 0:
		return stating(Fail(aureus.Conflict, strings.Join(append(violations, drifted...), "; ")), metadata)
	case len(drifted) > 0:
		return stating(confident(Fail(aureus.NonDeterminism, drifted[0]), 0.8), metadata)
	default:
		return stating(confident(because(Pass(), "version and time move forward"), 0.95), metadata)
	}
}

func (t temporal) versions(data, previous any, metadata map[string]any) (violations []string) {
	before, okBefore := numberAt(previous, t.versionField)
	after, okAfter := numberAt(data, t.versionField)
	if !okBefore || !okAfter {
		return nil
	}
	metadata["prevVersion"], metadata["currVersion"] = before, after
	if order := decimalOf(after).compare(decimalOf(before)); order < 0 || order == 0 && !t.allowEqual {
		return []string{fmt.Sprintf("the field %q goes from %s to %s", t.versionField, before, after)}
	}
	return nil
}

func (t temporal) timestamps(data, previous any, metadata map[string]any) (violations, drifted []string) {
	before, okBefore := instantAt(previous, t.timestampField)
	after, okAfter := instantAt(data, t.timestampField)
	if !okBefore || !okAfter {
		return nil, nil
	}
	drift := floatOf(after) - floatOf(before)
	metadata["prevTimestamp"], metadata["currTimestamp"] = before, after
	putNumber(metadata, "timeDiff", drift)
	if order := decimalOf(after).compare(decimalOf(before)); order < 0 || order == 0 && !t.allowEqual {
		violations = []string{fmt.Sprintf("the field %q goes from %s to %s ms", t.timestampField, before, after)}
	}
	if t.maxDrift != "" && drift > 0 && drift > floatOf(t.maxDrift) {
		putNumber(metadata, "drift", drift)
		metadata["maxTimeDrift"] = t.maxDrift
		drifted = []string{fmt.Sprintf("the field %q runs ahead by %s ms, and %s are allowed", t.timestampField, numberText(drift), t.maxDrift)}
	}
	return violations, drifted
}

func instantAt(value any, field string) (json.Number, bool) {
	found, _ := lookup(value, field)
	return instantOf(found)
}

func numberAt(value any, field string) (json.Number, bool) {
	found, _ := lookup(value, field)
	number, ok := found.(json.Number)
	return number, ok
}
