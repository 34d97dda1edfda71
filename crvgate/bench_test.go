package crvgate_test

import (
	"context"
	"testing"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/crvgate"
	"github.com/farmountain/aureus-go/crvgate/validators"
)

type transfer struct {
	From, To, Currency string
	Amount             int64
	Balance            int64
}

func positiveAmount(_ context.Context, c crvgate.Change[transfer]) aureus.ValidationResult {
	if c.Data.Amount <= 0 {
		return crvgate.Fail(aureus.OutOfScope, "the amount must be above zero")
	}
	return crvgate.Pass()
}

func noOverdraft(_ context.Context, c crvgate.Change[transfer]) aureus.ValidationResult {
	if c.Data.Amount > c.Data.Balance {
		return crvgate.Fail(aureus.OutOfScope, "the account would be overdrawn")
	}
	return crvgate.Pass()
}

func sameCurrency(_ context.Context, c crvgate.Change[transfer]) aureus.ValidationResult {
	if c.HasPrevious && c.Previous.Currency != c.Data.Currency {
		return crvgate.Fail(aureus.Conflict, "the currency differs")
	}
	return crvgate.Pass()
}

//go:noinline
func applyTransfer(_ context.Context, t transfer) error {
	moved += t.Amount
	return nil
}

var (
	moved    int64
	fine     = transfer{From: "a", To: "b", Currency: "EUR", Amount: 5, Balance: 10}
	overdraw = transfer{From: "a", To: "b", Currency: "EUR", Amount: 50, Balance: 10}
)

func BenchmarkBareFunction(b *testing.B) {
	run(b, b.Context(), applyTransfer, fine)
}

func BenchmarkGatePasses(b *testing.B) {
	apply := crvgate.Wrap(crvgate.New("ledger", positiveAmount, noOverdraft, sameCurrency), applyTransfer)
	b.Run("background", func(b *testing.B) { run(b, context.Background(), apply, fine) })
	b.Run("cancellable", func(b *testing.B) { run(b, b.Context(), apply, fine) })
}

func BenchmarkGateWithConfidence(b *testing.B) {
	gate := crvgate.New("ledger", positiveAmount, noOverdraft, sameCurrency).RequireConfidence(0.9)
	run(b, b.Context(), crvgate.Wrap(gate, applyTransfer), fine)
}

func BenchmarkGateBlocks(b *testing.B) {
	apply := crvgate.Wrap(crvgate.New("ledger", positiveAmount, noOverdraft, sameCurrency), applyTransfer)
	run(b, b.Context(), apply, overdraw)
}

func BenchmarkGateObserved(b *testing.B) {
	gate := crvgate.New("ledger", positiveAmount, noOverdraft, sameCurrency).
		Observe(func(context.Context, crvgate.Report) {})
	run(b, b.Context(), crvgate.Wrap(gate, applyTransfer), fine)
}

func BenchmarkChainOfTwo(b *testing.B) {
	chain := crvgate.Chain(crvgate.New("amount", positiveAmount), crvgate.New("account", noOverdraft, sameCurrency))
	run(b, b.Context(), crvgate.Wrap(chain, applyTransfer), fine)
}

func BenchmarkGateWithRules(b *testing.B) {
	gate := crvgate.New("ledger", positiveAmount).With(validators.NotNull(), validators.MaxSize(200))
	run(b, b.Context(), crvgate.Wrap(gate, applyTransfer), fine)
}

func run(b *testing.B, ctx context.Context, apply func(context.Context, transfer) error, t transfer) {
	b.Helper()
	b.ReportAllocs()
	for b.Loop() {
		_ = apply(ctx, t)
	}
}
