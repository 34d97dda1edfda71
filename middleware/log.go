package middleware

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net/http"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/internal/jsonvalue"
	"github.com/farmountain/aureus-go/internal/tracecontext"
)

// maxLogged is the limit, in bytes, of a text from a request in a log line.
const maxLogged = 256

// logRefused logs a request that the guard refuses. asked is what the decider was asked, as far
// as it is known.
func (c *Options) logRefused(r *http.Request, v *exchange, asked *aureus.Request, p *problem, cause error) {
	ctx, level, message := context.WithoutCancel(r.Context()), slog.LevelInfo, "request refused"
	if p.Status == http.StatusServiceUnavailable {
		level, message = slog.LevelWarn, "request refused: it could not be decided"
	}
	invalid := v.decision.ReasonCode == aureus.ReasonInvalidRequest
	if invalid { // the result of describe is invalid, which is a mistake in the program
		level, message = slog.LevelWarn, "request refused: the result of describe is invalid"
		if v.route != nil { // its arguments are those of the caller
			level, message = slog.LevelInfo, "request refused: it is invalid"
		}
	}
	if _, unbound := errors.AsType[*notBound](cause); unbound { // which is a mistake in the program or the policy
		level, message = slog.LevelWarn, "request refused: its route is bound to nothing"
	}
	if !c.Logger.Enabled(ctx, level) {
		return
	}
	attrs := make([]slog.Attr, 0, 16)
	attrs = append(attrs, slog.Int("status", p.Status), slog.String("code", p.Code))
	for _, text := range [...]struct{ name, value string }{
		{"decision_id", v.decision.ID.String()},
		{"principal", asked.Principal.ID},
		{"on_behalf_of", asked.OnBehalfOf},
		{"action", asked.Action.ID},
		{"tool", asked.Tool},
		{"rule", v.decision.Rule},
		{"bundle", v.decision.Bundle},
		{"approval_id", p.Approval.ID},
		{"method", r.Method},
		{"pattern", r.Pattern},
		{"trace_id", cmp.Or(asked.TraceID, tracecontext.ID(r.Header))},
	} {
		if text.value != "" {
			attrs = append(attrs, slog.String(text.name, jsonvalue.Clip(text.value, maxLogged)))
		}
	}
	switch {
	case invalid:
		attrs = append(attrs, slog.String("reason", jsonvalue.Clip(v.decision.Reason, maxLogged)))
	case level == slog.LevelWarn: // also for a route that is bound to nothing
		attrs = append(attrs, slog.Any("error", cause))
	}
	c.Logger.LogAttrs(ctx, level, message, attrs...)
}
