package controlplane

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane/internal/storage"
	"github.com/farmountain/aureus-go/controlplane/internal/web"
	"github.com/farmountain/aureus-go/crvgate"
	"github.com/farmountain/aureus-go/crvgate/registry"
	"github.com/farmountain/aureus-go/internal/nametext"
	"github.com/farmountain/aureus-go/internal/strictjson"
	"github.com/farmountain/aureus-go/internal/tracecontext"
	"github.com/farmountain/aureus-go/internal/vocab"
	"github.com/farmountain/aureus-go/internal/wire"
	"github.com/farmountain/aureus-go/internal/wiregate"
)

const (
	pageValidators    = 100
	maxPageValidators = 1000
)

func (s *Server) crvRoutes() []web.Route {
	return []web.Route{
		// The response may quote the data that was judged, which is written nowhere.
		{Pattern: "POST /api/v1/crv/validate", Role: web.Service, LongWork: true, Replay: web.ReplayMemory, Handler: s.validateCommit},
		{Pattern: "POST /api/v1/crv/validators", Role: web.Service, LongWork: true, Replay: web.ReplayDurable, Handler: s.registerValidator},
		{Pattern: "GET /api/v1/crv/validators", Role: web.Service, LongWork: true, Query: []string{"limit", "cursor"}, Handler: s.listValidators},
		{Pattern: "GET /api/v1/crv/validators/{id}", Role: web.Service, LongWork: true, Handler: s.getValidator},
	}
}

type validateRequest = wire.ValidateRequest[aureus.Commit, aureus.GateConfig]

// validateCommit judges a commit with the validators of the caller and of its
// tenant. The result goes
// out only once it stands in the audit log.
func (s *Server) validateCommit(w http.ResponseWriter, r *http.Request, c web.Caller) error {
	var body validateRequest
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
	find, err := s.validators.of(c.Tenant, c.Subject)
	if err != nil {
		return err
	}
	result := wiregate.Validate(r.Context(), body.Commit, body.GateConfig, find)
	err = s.db.Update(r.Context(), func(t storage.Tx) error {
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
		return t.Audit().Append(c.Tenant, s.config.Now(), aureus.AuditRecord{
			Kind: vocab.AuditGateResult, DecisionID: decision, Decision: result.CRVStatus, By: c.Subject, KeyID: c.KeyID, Details: details,
		})
	})
	if err != nil {
		return err
	}
	if event, ok := (crvgate.Report{Result: result, Metadata: body.Commit.Metadata}).Event(); ok {
		ctx := context.WithoutCancel(r.Context()) // the result stands, also where the client is gone
		if err := s.appendEvents(ctx, c.Tenant, []aureus.TelemetryEvent{event}); err != nil {
			web.Logger(r).WarnContext(ctx, "an event could not be stored", slog.String("type", string(event.Type)), slog.Any("error", err))
		}
	}
	web.WriteJSON(w, http.StatusOK, result)
	return nil
}

// ownDecision is the decision that the commit's metadata names as decision_id, and
// the zero id where it names none or one of another subject: nobody adds to what is
// told of the decisions of others.
func ownDecision(t storage.Tx, c web.Caller, commit aureus.Commit) (id aureus.DecisionID, err error) {
	text, _ := commit.Metadata["decision_id"].(string)
	if notAnID := id.UnmarshalText([]byte(text)); notAnID != nil || id.IsZero() {
		return aureus.DecisionID{}, nil //nolint:nilerr // metadata is free: what is no id names no decision
	}
	switch known, err := t.Decisions().Get(c.Tenant, id); {
	case errors.Is(err, storage.ErrNotFound): // it may come later
		return id, nil
	case err != nil || known.Subject != c.Subject:
		return aureus.DecisionID{}, err
	}
	return id, nil
}

// checkGateNames refuses a body of which a part would have no effect because its
// name is misspelt: a threshold that is not read bounds nothing, and a previous
// state that is not read is none. The body has the shape of a validateRequest.
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
		return web.InvalidBody("/commit/previousState", "is not known here: write previous_state")
	}
	members, err := strictjson.Members(parts.GateConfig)
	if err != nil {
		return web.BadBody(err)
	}
	known := []string{"name", "validators", "block_on_failure", "required_confidence", "recovery_strategy"}
	for _, member := range members {
		if !slices.Contains(known, member.Name) {
			return web.InvalidBody("/gate_config/"+strictjson.Token(member.Name), "is not known here: known are "+strings.Join(known, ", "))
		}
	}
	return nil
}

// registration asks for a validator to be put in force. The text of its
// configuration is kept as it came: the order of its fields counts.
type registration = wire.RegisterRequest[jsontext.Value]

// registers is what the caller registers: an admin for the tenant, everybody
// else for its own subject.
func registers(c web.Caller) (storage.Scope, string) {
	if c.Role.AtLeast(web.Admin) {
		return storage.ScopeTenant, ""
	}
	return storage.ScopeSubject, c.Subject
}

// registerValidator puts a validator in force, from now on and after every
// start: for the caller's subject, or, when the caller is an admin, for the whole
// tenant. What an admin registered stands before what a subject has under the
// same id, and no subject can put its own in that place.
func (s *Server) registerValidator(w http.ResponseWriter, r *http.Request, c web.Caller) error {
	var body registration
	if err := web.ReadJSON(r, &body); err != nil {
		return err
	}
	if strings.Contains(body.ValidatorID, "/") || body.ValidatorID == "." || body.ValidatorID == ".." {
		return web.InvalidBody("/validator_id", "must not hold a slash and be neither . nor .., since it stands in paths")
	}
	scope, owner := registers(c)
	all, err := s.validators.tenant(c.Tenant)
	if err != nil {
		return err
	}
	if err := all.check(r.Context(), scope, body.ValidatorID, body.Config); err != nil {
		return validatorProblem(err)
	}
	stored := storage.Validator{
		Tenant: c.Tenant, Scope: scope, Owner: owner, ID: body.ValidatorID, Config: string(body.Config), RegisteredBy: c.Subject, KeyID: c.KeyID, RegisteredAt: s.config.Now(),
	}
	undo, err := s.validators.memory.take(stored, s.config.MaxMemory)
	if err != nil {
		return err
	}
	err = s.db.Update(r.Context(), func(t storage.Tx) error {
		if err := web.CheckKey(t, c); err != nil {
			return err
		}
		if err := hasRoom(t, stored); err != nil {
			return err
		}
		if stored.Version, err = t.Validators().Put(stored); err != nil {
			return err
		}
		return t.Audit().Append(c.Tenant, stored.RegisteredAt, aureus.AuditRecord{
			Kind: vocab.AuditValidator, By: c.Subject, KeyID: c.KeyID,
			Details: map[string]any{"validator_id": stored.ID, "scope": string(scope), "version": stored.Version, "config_sha256": hashText(stored.Config)},
		})
	})
	if err != nil {
		undo()
		return err
	}
	if err := s.validators.restore(stored); err != nil {
		return fmt.Errorf("putting the validator in force: %w", err)
	}
	w.Header().Set("ETag", etag(stored))
	web.WriteJSON(w, http.StatusOK, aureus.ValidatorRegistration{
		ValidatorID: stored.ID, Registered: true, Replaced: stored.Version > 1, Version: int(stored.Version), Scope: string(scope),
	})
	return nil
}

// hasRoom refuses a registration that is one too many, and one in the place of
// a validator of the tenant that has come since the registry was asked.
func hasRoom(t storage.Tx, v storage.Validator) error {
	if v.Scope != storage.ScopeTenant {
		switch _, err := t.Validators().Scoped(v.Tenant, storage.ScopeTenant, "", v.ID); {
		case err == nil:
			return web.Problem(http.StatusConflict, wire.CodeConflict, fmt.Sprintf("the validator %q is registered for the whole tenant and cannot be replaced by one of your own", v.ID),
				web.WithRemediation("Choose another id, or ask an admin."))
		case !errors.Is(err, storage.ErrNotFound):
			return err
		}
	}
	if _, err := t.Validators().Scoped(v.Tenant, v.Scope, v.Owner, v.ID); !errors.Is(err, storage.ErrNotFound) {
		return err
	}
	all, owned, err := t.Validators().Count(v.Tenant, v.Owner)
	switch {
	case err != nil:
		return err
	case all >= registry.MaxValidators:
		return web.Problem(http.StatusConflict, wire.CodeExhausted, fmt.Sprintf("the tenant has %d validators already", all))
	case v.Scope == storage.ScopeSubject && owned >= maxOwnValidators:
		return web.Problem(http.StatusConflict, wire.CodeExhausted, fmt.Sprintf("the subject has %d validators already", owned))
	}
	return nil
}

// validatorProblem is the answer for a configuration that cannot be registered.
func validatorProblem(err error) error {
	if config, ok := errors.AsType[*registry.ConfigError](err); ok {
		problems := make([]registry.Problem, len(config.Problems))
		for i, p := range config.Problems {
			problems[i] = p
			problems[i].Pointer = "/config" + p.Pointer
		}
		return web.Problem(http.StatusUnprocessableEntity, wire.CodeValidation, config.Error(), web.WithDetails(problems),
			web.WithRemediation("Correct the configuration; the version in force, if there is one, has not changed."))
	}
	switch {
	case errors.Is(err, aureus.ErrConflict):
		return web.Problem(http.StatusConflict, wire.CodeConflict, err.Error())
	case errors.Is(err, aureus.ErrInvalid):
		return web.InvalidBody("/validator_id", err.Error())
	}
	return err
}

type registeredValidator = wire.RegisteredValidator[aureus.Timestamp]

func wireValidator(v storage.Validator) (registeredValidator, error) {
	config, err := strictjson.Parse([]byte(v.Config))
	return registeredValidator{
		ValidatorID: v.ID, Version: v.Version, Scope: string(v.Scope), Subject: v.Owner, ETag: etag(v), Config: config, RegisteredBy: v.RegisteredBy,
		RegisteredAt: aureus.TimestampOf(v.RegisteredAt),
	}, err
}

func etag(v storage.Validator) string {
	return `"` + strconv.FormatInt(v.Version, 10) + "-" + hashText(v.Config)[:16] + `"`
}

// listValidators lists what the caller's gates can use, and, for those who may
// read everything of their tenant, what every subject has registered.
func (s *Server) listValidators(w http.ResponseWriter, r *http.Request, c web.Caller) error {
	limit, cursor, err := web.Paging(r, pageValidators, maxPageValidators)
	if err != nil {
		return err
	}
	everything := c.Role.AtLeast(web.Operator)
	var stored []storage.Validator
	more := false
	if err := s.db.ViewLong(r.Context(), c.Tenant, func(t storage.Tx) error {
		if everything {
			stored, more, err = t.Validators().ListTenant(c.Tenant, validatorAt(cursor), limit)
		} else {
			stored, more, err = t.Validators().List(c.Tenant, c.Subject, cursor, limit)
		}
		return err
	}); err != nil {
		return err
	}
	next := ""
	if more {
		last := stored[len(stored)-1]
		next = last.ID
		if everything {
			next = validatorCursor(last)
		}
	}
	list := make([]registeredValidator, len(stored))
	for i, v := range stored {
		if list[i], err = wireValidator(v); err != nil {
			return err
		}
	}
	return web.WriteList(w, r, list, next)
}

// validatorCursor is the place of a registration in the list of all; none of its
// parts holds a control character.
func validatorCursor(v storage.Validator) string {
	return v.ID + "\n" + string(v.Scope) + "\n" + v.Owner
}

func validatorAt(cursor string) storage.Validator {
	id, rest, _ := strings.Cut(cursor, "\n")
	scope, owner, _ := strings.Cut(rest, "\n")
	return storage.Validator{ID: id, Scope: storage.Scope(scope), Owner: owner}
}

// getValidator answers with the registration that the caller's gates use under
// the id.
func (s *Server) getValidator(w http.ResponseWriter, r *http.Request, c web.Caller) error {
	var stored storage.Validator
	err := s.db.View(r.Context(), func(t storage.Tx) (err error) {
		stored, err = t.Validators().InForce(c.Tenant, c.Subject, r.PathValue("id"))
		return err
	})
	if errors.Is(err, storage.ErrNotFound) {
		return web.NotFound("registered validator")
	}
	if err != nil {
		return err
	}
	answer, err := wireValidator(stored)
	if err != nil {
		return err
	}
	w.Header().Set("ETag", answer.ETag)
	w.Header().Set("Last-Modified", stored.RegisteredAt.UTC().Format(http.TimeFormat))
	web.WriteJSON(w, http.StatusOK, answer)
	return nil
}
