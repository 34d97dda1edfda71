package policy

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane/internal/approvals"
	"github.com/farmountain/aureus-go/controlplane/internal/rules"
	"github.com/farmountain/aureus-go/controlplane/internal/web"
	"github.com/farmountain/aureus-go/guard"
	"github.com/farmountain/aureus-go/internal/strictjson"
	"github.com/farmountain/aureus-go/internal/tracecontext"
)

// evaluate answers POST evaluate: it decides the request and stores the decision.
func (s *Service) evaluate(w http.ResponseWriter, r *http.Request, c web.Caller) error {
	var body aureus.PolicyContext
	if err := web.ReadJSON(r, &body); err != nil {
		return err
	}
	ctx, request := r.Context(), body.Request()
	if request.TraceID == "" {
		request.TraceID = tracecontext.ID(r.Header)
	}
	check := func(p *rules.Policy) (aureus.Request, error) { return request, p.Check(c, request) }
	decision, err := s.Decide(ctx, c, check, func(tx *approvals.Tx) (Approvals, error) { return tx, web.CheckKey(tx.Storage, c) })
	if err != nil {
		return err
	}
	if event, ok := guard.PolicyCheckEvent(request, decision); ok {
		ctx := context.WithoutCancel(ctx) // the decision is stored, so report it even if the client has disconnected
		if err := s.Report(ctx, c.Tenant, event); err != nil {
			web.Logger(r).WarnContext(ctx, "a telemetry event could not be stored", slog.String("type", string(event.Type)), slog.Any("error", err))
		}
	}
	if decision.ReasonCode != aureus.ReasonApproved { // without a consumed approval, the request may be decided again
		web.SkipReplay(r)
	}
	web.WriteJSON(w, http.StatusOK, responseOf(decision))
	return nil
}

// decisionValid reports whether the stored response to POST evaluate may be sent
// again: see approvals.Service.Reserved.
func (s *Service) decisionValid(r *http.Request, c web.Caller, body []byte) (bool, error) {
	var stored aureus.GuardDecision
	if err := strictjson.Unmarshal(body, &stored); err != nil {
		return false, fmt.Errorf("reading a stored decision: %w", err)
	}
	if stored.Approval == nil {
		return false, nil
	}
	return s.Approvals.Reserved(r.Context(), c, stored.Approval.ID, stored.DecisionID)
}

// responseOf converts a decision into the response to POST evaluate.
func responseOf(d aureus.Decision) aureus.GuardDecision {
	response := aureus.GuardDecision{
		Allowed: d.Effect == aureus.Allow, Reason: d.Reason, RequiresHumanApproval: d.Effect == aureus.RequireApproval,
		Metadata: d.Metadata, DecisionID: d.ID, Effect: d.Effect.String(), ReasonCode: d.ReasonCode, Rule: d.Rule,
		PolicyVersion: d.PolicyVersion, ActionDigest: d.Digest, Claimed: d.Claimed,
		Bundle: d.Bundle, Matched: d.Matched, RetryAfter: d.RetryAfter.Seconds(),
	}
	if d.Bundle != "" {
		response.ActionID, response.RiskTier = d.ActionID, d.RiskTier
	}
	if d.Approval.ID != "" {
		ref := d.Approval
		ref.URL = approvals.Path(ref.ID)
		response.Approval = &ref
		if d.Effect == aureus.RequireApproval {
			response.ApprovalToken = ref.ID
		}
	}
	return response
}
