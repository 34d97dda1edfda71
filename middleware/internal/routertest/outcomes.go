package routertest

import (
	"context"
	"net/http"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/guard"
	"github.com/farmountain/aureus-go/middleware"
)

// Sending returns a guard that allows every request and sends its outcomes.
func Sending(outcomes chan<- aureus.Outcome) func(http.Handler) http.Handler {
	return middleware.Enforce(&guard.Local{}, func(*http.Request) (aureus.Request, error) {
		return aureus.Request{Principal: aureus.Principal{ID: "agent-7"}, Action: aureus.Action{ID: "a", Name: "A", RiskTier: aureus.TierLow}}, nil
	}, middleware.Options{Outcomes: func(_ context.Context, o aureus.Outcome) { outcomes <- o }})
}
