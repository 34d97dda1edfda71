package registry_test

import (
	"encoding/json"
	"testing"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/crvgate/registry"
)

func BenchmarkWireGate(b *testing.B) {
	var r registry.Registry
	commit := aureus.Commit{
		ID:            "c",
		Data:          map[string]any{"balance": json.Number("100"), "currency": "EUR", "user_id": "u"},
		PreviousState: map[string]any{"balance": json.Number("90"), "currency": "EUR", "user_id": "u"},
	}
	config := aureus.GateConfig{
		Name: "g", Validators: []string{"not_null", "schema_check", "balance_positive"},
		BlockOnFailure: true, RequiredConfidence: new(0.8),
	}
	b.ReportAllocs()
	for b.Loop() {
		_ = r.Validate(b.Context(), commit, config)
	}
}
