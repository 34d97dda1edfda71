package crv

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane/internal/storage"
	"github.com/farmountain/aureus-go/controlplane/internal/web"
	"github.com/farmountain/aureus-go/crvgate"
	"github.com/farmountain/aureus-go/internal/nametext"
	"github.com/farmountain/aureus-go/internal/strictjson"
	"github.com/farmountain/aureus-go/internal/tracecontext"
	"github.com/farmountain/aureus-go/internal/vocab"
	"github.com/farmountain/aureus-go/internal/wire"
	"github.com/farmountain/aureus-go/internal/wiregate"
)

// ValidateRequest is the body of POST /api/v1/crv/validate.
type ValidateRequest = wire.ValidateRequest[aureus.Commit, aureus.GateConfig]

// validate answers POST validate: it runs the gate of the request over its commit, with
// the validators of the caller's subject and tenant. The response is sent after the
// result is in the audit log.
func (s *Service) validate(w http.ResponseWriter, r *http.Request, c web.Caller) error {
	var body ValidateRequest
	text, err := web.ReadJSONText(r, &body)
	if err != nil {
		return err
	}
	if err := checkGateNames(text); err != nil {
		return err
	}
	for _, field := range []struct{ pointer, text string }{{"/commit/id", body.Commit.ID}, {"/gate_config/name", body.GateConfig.Name}} {
		if problem := nametext.Label(field.text); problem != "" {
			return web.Problem(http.StatusUnprocessableEntity, wire.CodeValidation, field.pointer+": "+problem)
		}
	}
	find, err := s.inForce.of(c.Tenant, c.Subject)
	if err != nil {
		return err
	}
	result := wiregate.Validate(r.Context(), body.Commit, body.GateConfig, find)
	err = s.Store.Update(r.Context(), func(t storage.Tx) error {
		if err := web.CheckKey(t, c); err != nil {
			return err
		}
		decision, err := ownDecision(t, c, body.Commit)
		if err != nil {
			return err
		}
		details := storage.GateDetails(result)
		details["commit_id"], details["source"] = body.Commit.ID, storage.SourceEvaluated
		if trace := tracecontext.ID(r.Header); trace != "" {
			details["trace_id"] = trace
		}
		details["validators"] = body.GateConfig.Validators[:min(len(body.GateConfig.Validators), web.MaxListedProblems)]
		return t.Audit().Append(c.Tenant, s.Now(), aureus.AuditRecord{
			Kind: vocab.AuditGateResult, DecisionID: decision, Decision: result.CRVStatus, By: c.Subject, KeyID: c.KeyID, Details: details,
		})
	})
	if err != nil {
		return err
	}
	if event, ok := (crvgate.Report{Result: result, Metadata: body.Commit.Metadata}).Event(); ok {
		ctx := context.WithoutCancel(r.Context()) // the result is stored, so report it even if the client has disconnected
		if err := s.Report(ctx, c.Tenant, event); err != nil {
			web.Logger(r).WarnContext(ctx, "a telemetry event could not be stored", slog.String("type", string(event.Type)), slog.Any("error", err))
		}
	}
	web.WriteJSON(w, http.StatusOK, result)
	return nil
}

// ownDecision returns the id of the decision that the commit's metadata names as
// decision_id, for the audit entry. It is zero if the metadata names none, or one of
// another subject: a subject cannot add gate results to decisions of others.
func ownDecision(t storage.Tx, c web.Caller, commit aureus.Commit) (id aureus.DecisionID, err error) {
	text, _ := commit.Metadata["decision_id"].(string)
	if notAnID := id.UnmarshalText([]byte(text)); notAnID != nil || id.IsZero() {
		return aureus.DecisionID{}, nil //nolint:nilerr // metadata is free-form: a text that is not an id is ignored
	}
	switch known, err := t.Decisions().Get(c.Tenant, id); {
	case errors.Is(err, storage.ErrNotFound): // it may be recorded later
		return id, nil
	case err != nil || known.Subject != c.Subject:
		return aureus.DecisionID{}, err
	}
	return id, nil
}

// checkGateNames refuses misspelt names, which would otherwise be ignored silently:
// every unknown member of gate_config, and previousState in the commit. text is a valid
// ValidateRequest.
func checkGateNames(text []byte) error {
	var parts struct {
		Commit struct {
			PreviousState jsontext.Value `json:"previousState,omitzero"` //nolint:tagliatelle // the spelling that is refused
		} `json:"commit"`
		GateConfig jsontext.Value `json:"gate_config"`
	}
	if err := web.DecodeBody(text, &parts); err != nil {
		return err
	}
	if parts.Commit.PreviousState != nil {
		return web.InvalidBody("/commit/previousState", "is unknown: use previous_state")
	}
	members, err := strictjson.Members(parts.GateConfig)
	if err != nil {
		return web.BadBody(err)
	}
	known := []string{"name", "validators", "block_on_failure", "required_confidence", "recovery_strategy"}
	for _, member := range members {
		if !slices.Contains(known, member.Name) {
			return web.InvalidBody("/gate_config/"+strictjson.Token(member.Name), "is unknown: the known members are "+strings.Join(known, ", "))
		}
	}
	return nil
}
