package crvgate

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/internal/strictjson"
)

// builtInTypes are the types of SPEC 4.6 that need no rule language, but custom.
// Parameters go by their names there; the other names are the original's.
var builtInTypes = map[string]func(r *Registry, p *parameters) Validator[any]{
	"not_null":             func(*Registry, *parameters) Validator[any] { return notNull },
	"monotonic":            func(*Registry, *parameters) Validator[any] { return monotonic },
	"memory_encryption":    func(*Registry, *parameters) Validator[any] { return memoryEncryption },
	"schema":               buildSchema,
	"max_size":             buildMaxSize,
	"statistical_bounds":   buildBounds,
	"anomaly_detection":    buildAnomaly,
	"temporal_monotonic":   buildTemporal,
	"memory_retention":     buildRetention,
	"memory_compression":   buildCompression,
	"compliance_standards": buildStandards,
	"memory_policy":        buildMemoryPolicy,
}

func buildSchema(_ *Registry, p *parameters) Validator[any] {
	member := p.take(true, "fields", "expected_schema")
	if member == nil {
		return nil
	}
	declared, err := strictjson.Members(member.text)
	if err != nil {
		p.wrongKind(member, "an object")
		return nil
	}
	before := len(p.problems)
	fields := make([]Field, 0, len(declared))
	for _, field := range declared {
		value, _ := strictjson.Parse(field.Value) // it was parsed with the whole
		name, _ := value.(string)
		if !slices.Contains(fieldTypes, name) {
			p.problems = append(p.problems, Problem{
				Pointer: pointerTo(pointerTo(p.pointer, member.written), field.Name),
				Message: "must be one of " + strings.Join(fieldTypes, ", "),
			})
		}
		fields = append(fields, Field{Name: field.Name, Type: name})
	}
	if len(p.problems) > before {
		return nil
	}
	return Schema(fields...)
}

func buildMaxSize(_ *Registry, p *parameters) Validator[any] {
	return MaxSize(wholeLimit(p.magnitude(true, "max", "max_bytes")))
}

// wholeLimit is the largest whole number that is not above the limit.
func wholeLimit(limit json.Number) int {
	const most = 1 << 53
	return int(min(floatOf(limit), most))
}

func buildBounds(_ *Registry, p *parameters) Validator[any] {
	field := p.text(true, "field")
	given := map[string]json.Number{}
	for _, name := range []string{"min", "max", "mean", "stddev", "tolerance"} {
		read := p.number
		if name == "stddev" || name == "tolerance" {
			read = p.magnitude
		}
		if bound := read(false, name); bound != "" {
			given[name] = bound
		}
	}
	if len(p.problems) > 0 {
		return nil
	}
	p.boundsSomething(given)
	return statisticalBounds(field, given)
}

// boundsSomething refuses limits that have no effect.
func (p *parameters) boundsSomething(given map[string]json.Number) {
	_, mean := given["mean"]
	_, stddev := given["stddev"]
	_, tolerance := given["tolerance"]
	switch {
	case mean && !stddev:
		p.problemf("mean", "bounds nothing without stddev")
	case stddev && !mean:
		p.problemf("stddev", "bounds nothing without mean")
	case tolerance && !mean:
		p.problemf("tolerance", "bounds nothing without mean and stddev")
	case len(given) == 0:
		p.problems = append(p.problems, Problem{Pointer: p.pointer, Message: "bounds nothing: give min, max, or mean and stddev"})
	}
}

func buildAnomaly(_ *Registry, p *parameters) Validator[any] {
	field := p.text(true, "field")
	history := p.numbers(true, "history", "historical_data")
	threshold := 3.0
	if given := p.magnitude(false, "threshold"); given != "" {
		threshold = floatOf(given)
	}
	if len(p.problems) > 0 {
		return nil
	}
	return AnomalyDetection(field, history, threshold)
}

func buildTemporal(_ *Registry, p *parameters) Validator[any] {
	t := temporal{timestampField: "timestamp", versionField: "version"}
	if field := p.text(false, "timestamp_field"); field != "" {
		t.timestampField = field
	}
	if field := p.text(false, "version_field"); field != "" {
		t.versionField = field
	}
	t.allowEqual = p.flag("allow_equal")
	t.maxDrift = p.magnitude(false, "max_time_drift")
	return rule(t.judge)
}

func buildRetention(r *Registry, p *parameters) Validator[any] {
	return memoryRetention(p.magnitude(true, "max_retention_ms"), p.text(false, "timestamp_field"), r.now)
}

func buildCompression(_ *Registry, p *parameters) Validator[any] {
	return memoryCompression(
		p.magnitude(true, "threshold", "size_threshold_bytes"),
		p.text(false, "compressed_field", "compression_field"),
	)
}

func buildStandards(_ *Registry, p *parameters) Validator[any] {
	return ComplianceStandards(p.texts(true, "required", "required_standards")...)
}

// buildMemoryPolicy takes any of the memory rules. Compression needs the flag
// and a threshold.
func buildMemoryPolicy(r *Registry, p *parameters) Validator[any] {
	var rules []Validator[any]
	timestampField := p.text(false, "timestamp_field")
	if limit := p.magnitude(false, "max_retention_ms"); limit != "" {
		rules = append(rules, memoryRetention(limit, timestampField, r.now))
	}
	compress, compressedField := p.flag("require_compression"), p.text(false, "compressed_field", "compression_field")
	if threshold := p.magnitude(false, "threshold", "max_size_bytes"); threshold != "" && compress {
		rules = append(rules, memoryCompression(threshold, compressedField))
	}
	if p.flag("require_encryption") {
		rules = append(rules, memoryEncryption)
	}
	if required := p.texts(false, "required", "required_compliance"); len(required) > 0 {
		rules = append(rules, ComplianceStandards(required...))
	}
	return MemoryPolicy(rules...)
}

// buildCustom resolves a function of the host, and makes do with limits where
// there is none (SPEC 4.4, 4.6).
func (r *Registry) buildCustom(logic string, p *parameters) Validator[any] {
	if function := r.function(logic); function != nil {
		given := map[string]any{}
		for i := range p.members {
			p.members[i].read = true
			given[p.members[i].written] = p.members[i].value
		}
		return hostValidator(function, given)
	}
	var bounds []limit
	p.asked = []string{"min_x and max_x for a field x"}
	for i := range p.members {
		member := &p.members[i]
		side, field, _ := strings.Cut(member.written, "_")
		if side != "min" && side != "max" || field == "" {
			continue
		}
		if bound := p.number(false, member.written); bound != "" {
			bounds = append(bounds, limit{field: field, side: side, bound: bound})
		}
	}
	if len(bounds) == 0 && len(p.problems) == 0 {
		p.problems = append(p.problems, Problem{
			Pointer: "/validation_logic",
			Message: "names no function of this host, and there are no parameters min_… or max_… to go by instead; functions here are " + r.functionNames(),
		})
	}
	return limits(bounds)
}

// hostValidator hands a function of the host its parameters, and sees to it that
// what it returns has a JSON form.
func hostValidator(function Func, given map[string]any) Validator[any] {
	return func(ctx context.Context, change Change[any]) aureus.ValidationResult {
		result := function(ctx, change, maps.Clone(given))
		if result.Metadata == nil {
			return result
		}
		metadata, err := freeForm(result.Metadata)
		if err != nil {
			result.Metadata, result.Reason = nil, result.Reason+" [its metadata has no JSON form]"
			return result
		}
		result.Metadata, _ = metadata.(map[string]any)
		return result
	}
}
