package rules_test

import (
	"testing"

	"github.com/farmountain/aureus-go/crvgate"
)

const invoice = `{"id":"123e4567-e89b-12d3-a456-426614174000","net":100,"tax":19,"total":119,"currency":"EUR","lines":[{"sku":"a","count":1},{"sku":"b","count":2}]}`

var benchmarks = map[string]struct{ kind, parameters string }{
	"cel":           {"cel", `{"expression":"data.net + data.tax == data.total && data.total < 1000"}`},
	"comprehension": {"cel", `{"expression":"data.lines.all(l, l.count > 0)"}`},
	"cross_field":   {"cross_field_consistency", `{"rules":[{"name":"total","fields":["net","tax","total"],"expression":"data.net + data.tax == data.total"}]}`},
	"json_schema": {"json_schema", `{"schema":{"type":"object","required":["id","lines"],"properties":{"id":{"type":"string","format":"uuid"},
		"total":{"type":"number","minimum":0},"currency":{"enum":["EUR","USD"]},"lines":{"type":"array","items":{"type":"object","required":["sku"],"properties":{"count":{"type":"integer","minimum":1}}}}}}}`},
}

// BenchmarkEvaluate measures one validation that passes.
func BenchmarkEvaluate(b *testing.B) {
	for name, rule := range benchmarks {
		b.Run(name, func(b *testing.B) {
			validator := register(b, rule.kind, rule.parameters)
			change, ctx := crvgate.Change[any]{Data: parse(b, invoice)}, b.Context()
			b.ReportAllocs()
			for b.Loop() {
				if result := validator(ctx, change); !result.Valid {
					b.Fatal(result)
				}
			}
		})
	}
}

// BenchmarkRegister measures the check of one configuration.
func BenchmarkRegister(b *testing.B) {
	for name, rule := range benchmarks {
		b.Run(name, func(b *testing.B) {
			r, ctx := newRegistry(), b.Context()
			config := []byte(`{"type":"` + rule.kind + `","parameters":` + rule.parameters + `}`)
			b.ReportAllocs()
			for b.Loop() {
				if err := r.Check(ctx, "rule", config); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
