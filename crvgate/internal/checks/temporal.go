package checks

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/crvgate"
	"github.com/farmountain/aureus-go/crvgate/internal/parameters"
	"github.com/farmountain/aureus-go/internal/jsonvalue"
)

// Temporal holds the parameters of the validator temporal_monotonic.
type Temporal struct {
	TimestampField, VersionField string      // not empty
	AllowEqual                   bool        // whether an equal version or timestamp passes
	MaxDrift                     json.Number // milliseconds; empty means no limit
}

// UsualTemporal has the default parameters.
var UsualTemporal = Temporal{TimestampField: "timestamp", VersionField: "version"}

// Validator returns the validator.
func (t Temporal) Validator() crvgate.Validator[any] { return onJSON(t.judge) }

func (t Temporal) judge(data, previous any) aureus.ValidationResult {
	if !truthy(previous) {
		return withMetadata(withReason(crvgate.Pass(), "there is no previous state to compare with"), map[string]any{"isFirstCommit": true})
	}
	if !isObject(data) {
		return notAnObject(data)
	}
	if !isObject(previous) {
		return crvgate.Fail(aureus.Conflict, "the previous state must be an object, not "+jsonvalue.Kind(previous))
	}
	metadata := map[string]any{}
	violations := t.versions(data, previous, metadata)
	late, drifted := t.timestamps(data, previous, metadata)
	violations = append(violations, late...)
	switch {
	case len(violations) > 0:
		return withMetadata(crvgate.Fail(aureus.Conflict, strings.Join(append(violations, drifted...), "; ")), metadata)
	case len(drifted) > 0:
		return withMetadata(withConfidence(crvgate.Fail(aureus.NonDeterminism, drifted[0]), 0.8), metadata)
	default:
		return withMetadata(withConfidence(withReason(crvgate.Pass(), "the version and the timestamp are later than in the previous state"), 0.95), metadata)
	}
}

func (t Temporal) versions(data, previous any, metadata map[string]any) (violations []string) {
	before, okBefore := numberAt(previous, t.VersionField)
	after, okAfter := numberAt(data, t.VersionField)
	if !okBefore || !okAfter {
		return nil
	}
	metadata["prevVersion"], metadata["currVersion"] = before, after
	if order := jsonvalue.DecimalOf(after).Compare(jsonvalue.DecimalOf(before)); order < 0 || order == 0 && !t.AllowEqual {
		return []string{fmt.Sprintf("the field %q is %s and was %s in the previous state", t.VersionField, after, before)}
	}
	return nil
}

func (t Temporal) timestamps(data, previous any, metadata map[string]any) (violations, drifted []string) {
	before, okBefore := instantAt(previous, t.TimestampField)
	after, okAfter := instantAt(data, t.TimestampField)
	if !okBefore || !okAfter {
		return nil, nil
	}
	drift := jsonvalue.Float(after) - jsonvalue.Float(before)
	metadata["prevTimestamp"], metadata["currTimestamp"] = before, after
	putNumber(metadata, "timeDiff", drift)
	if order := jsonvalue.DecimalOf(after).Compare(jsonvalue.DecimalOf(before)); order < 0 || order == 0 && !t.AllowEqual {
		violations = []string{fmt.Sprintf("the field %q is %s ms and was %s ms in the previous state", t.TimestampField, after, before)}
	}
	if t.MaxDrift != "" && drift > 0 && drift > jsonvalue.Float(t.MaxDrift) {
		putNumber(metadata, "drift", drift)
		metadata["maxTimeDrift"] = t.MaxDrift
		drifted = []string{fmt.Sprintf("the field %q is %s ms later than in the previous state, and the limit is %s ms", t.TimestampField, jsonvalue.FloatText(drift), t.MaxDrift)}
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

func buildTemporal(p *parameters.Object, _ func() time.Time) crvgate.Validator[any] {
	t := UsualTemporal
	if field := p.Text(false, "timestamp_field"); field != "" {
		t.TimestampField = field
	}
	if field := p.Text(false, "version_field"); field != "" {
		t.VersionField = field
	}
	t.AllowEqual = p.Flag("allow_equal")
	t.MaxDrift = p.Magnitude(false, "max_time_drift")
	return t.Validator()
}
