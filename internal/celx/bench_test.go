package celx_test

import (
	"testing"

	"github.com/farmountain/aureus-go/internal/celx"
)

func BenchmarkCondition(b *testing.B) {
	data := parse(b, document)
	for name, text := range map[string]string{
		"compare":       `data.amount <= 100`,
		"two and add":   `data.amount + 1 > 5 && data.half < 1`,
		"comprehension": `data.items.all(i, i.price > 0)`,
	} {
		b.Run(name, func(b *testing.B) {
			compiled := condition(b, text)
			ctx := b.Context()
			b.ReportAllocs()
			for b.Loop() {
				if holds, err := compiled.Holds(ctx, data, nil); err != nil || !holds {
					b.Fatal(holds, err)
				}
			}
		})
	}
}

func BenchmarkCompile(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := language.Condition(`data.amount + 1 > 5 && data.items.all(i, i.price > 0)`); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkPolicyCondition(b *testing.B) {
	for _, text := range []string{
		`arguments.amount <= 100.0`, `resource.owner == principal.id`, `'tellers' in claims.groups`, `request.hour('Europe/Berlin') < 6`,
		`request.weekday('Europe/Berlin') in ['monday', 'sunday']`, `arguments.to in params.known`, `action.tier == 'high' && tool == 'bank'`,
		`arguments.items.all(i, i.price > 0)`, `true`,
	} {
		b.Run(text, func(b *testing.B) {
			compiled, scope := policyCondition(b, text), request(b)
			ctx := b.Context()
			b.ReportAllocs()
			for b.Loop() {
				if _, err := compiled.HoldsIn(ctx, scope); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(text+"/directly", func(b *testing.B) {
			compiled, facts := policyCondition(b, text), factsOf(request(b))
			ctx := b.Context()
			if _, ok := compiled.HoldsDirectly(ctx, facts, celx.Counting{}); !ok {
				b.Skip("it is not evaluated directly")
			}
			b.ReportAllocs()
			for b.Loop() {
				if _, ok := compiled.HoldsDirectly(ctx, facts, celx.Counting{}); !ok {
					b.Fatal("it needs the interpreter")
				}
			}
		})
	}
}
