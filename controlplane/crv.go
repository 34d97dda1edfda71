package controlplane

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane/internal/store"
	"github.com/farmountain/aureus-go/crvgate"
	"github.com/farmountain/aureus-go/internal/strictjson"
)

const (
	pageValidators    = 100
	maxPageValidators = 1000
)

func (s *Server) registerCRV(mux *http.ServeMux) {
	s.handle(mux, "POST /api/v1/crv/validate", RoleService, s.validateCommit)
	s.handle(mux, "POST /api/v1/crv/validators", RoleService, s.registerValidator)
	s.handle(mux, "GET /api/v1/crv/validators", RoleService, s.listValidators, "limit", "cursor")
	s.handle(mux, "GET /api/v1/crv/validators/{id}", RoleService, s.getValidator)
}

// validation asks for a commit to be judged by a gate.
type validation struct {
	Commit     aureus.Commit     `json:"commit"`
	GateConfig aureus.GateConfig `json:"gate_config"`
}

// validateCommit judges a commit with the tenant's validators. The result goes
// out only once it stands in the audit log.
func (s *Server) validateCommit(w http.ResponseWriter, r *http.Request, c caller) error {
	var body validation
	if err := readJSON(r, &body); err != nil {
		return err
	}
	if err := boundNames(map[string]string{"/commit/id": body.Commit.ID, "/gate_config/name": body.GateConfig.Name}); err != nil {
		return problem(http.StatusUnprocessableEntity, codeValidation, err.Error())
	}
	registry, err := s.validators.of(c.tenant)
	if err != nil {
		return err
	}
	result := registry.Validate(r.Context(), body.Commit, body.GateConfig)
	err = s.db.Write(r.Context(), func(t *store.Tx) error {
		details := gateDetails(result)
		details["commit_id"] = body.Commit.ID
		details["validators"] = body.GateConfig.Validators[:min(len(body.GateConfig.Validators), maxListedProblems)]
		return t.AppendAudit(c.tenant, s.config.Now(), aureus.AuditRecord{
			Kind: aureus.AuditGateResult, Decision: result.CRVStatus, By: c.subject, KeyID: c.keyID, Details: details,
		})
	})
	if err != nil {
		return err
	}
	if event, ok := crvgate.CRVResultEvent(body.Commit, result); ok {
		s.report(r, c, event)
	}
	writeJSON(w, http.StatusOK, result)
	return nil
}

// gateDetails is what the audit log keeps of a gate's result: no data, and no
// reasons, which may quote it.
func gateDetails(result aureus.GateResult) map[string]any {
	details := map[string]any{"gate_name": result.GateName, "passed": result.Passed, "blocked": result.BlockedCommit, "crv_status": result.CRVStatus}
	if result.FailureCode != "" {
		details["failure_code"] = string(result.FailureCode)
	}
	return details
}

// registration asks for a validator to be put in force. The text of its
// configuration is kept as it came: the order of its fields counts.
type registration struct {
	ValidatorID string         `json:"validator_id"`
	Config      jsontext.Value `json:"config"`
}

// registered is the answer to a registration (SPEC 4.6).
type registered struct {
	ValidatorID string `json:"validator_id"`
	Registered  bool   `json:"registered"`
	Replaced    bool   `json:"replaced"`
	Version     int64  `json:"version"`
}

// registerValidator puts a validator in force for the tenant, from now on and
// after every start. One that another subject registered is replaced only by an
// admin.
func (s *Server) registerValidator(w http.ResponseWriter, r *http.Request, c caller) error {
	var body registration
	if err := readJSON(r, &body); err != nil {
		return err
	}
	if strings.Contains(body.ValidatorID, "/") || body.ValidatorID == "." || body.ValidatorID == ".." {
		return invalidBody("/validator_id", "must not hold a slash and be neither . nor .., since it stands in paths")
	}
	registry, err := s.validators.of(c.tenant)
	if err != nil {
		return err
	}
	if err := registry.Compile(r.Context(), body.ValidatorID, body.Config); err != nil {
		return validatorProblem(err)
	}
	stored := store.Validator{
		Tenant: c.tenant, ID: body.ValidatorID, Config: string(body.Config), RegisteredBy: c.subject, KeyID: c.keyID, RegisteredAt: s.config.Now(),
	}
	err = s.db.Write(r.Context(), func(t *store.Tx) error {
		if err := mayReplace(t, c, body.ValidatorID); err != nil {
			return err
		}
		if stored.Version, err = t.PutValidator(stored); err != nil {
			return err
		}
		return t.AppendAudit(c.tenant, stored.RegisteredAt, aureus.AuditRecord{
			Kind: aureus.AuditValidator, By: c.subject, KeyID: c.keyID,
			Details: map[string]any{"validator_id": stored.ID, "version": stored.Version, "config_sha256": hashText(stored.Config)},
		})
	})
	if err != nil {
		return err
	}
	if err := s.validators.restore(r.Context(), registry, stored); err != nil {
		return fmt.Errorf("putting the validator in force: %w", err)
	}
	w.Header().Set("ETag", etag(stored))
	writeJSON(w, http.StatusOK, registered{
		ValidatorID: stored.ID, Registered: true, Replaced: stored.Version > 1, Version: stored.Version,
	})
	return nil
}

func mayReplace(t *store.Tx, c caller, id string) error {
	known, err := t.Validator(c.tenant, id)
	switch {
	case errors.Is(err, store.ErrNotFound):
		n, err := t.CountValidators(c.tenant)
		if err == nil && n >= crvgate.MaxValidators {
			err = problem(http.StatusConflict, codeExhausted, fmt.Sprintf("the tenant has %d validators already", n))
		}
		return err
	case err != nil:
		return err
	case known.RegisteredBy != c.subject && !c.role.atLeast(RoleAdmin):
		return problem(http.StatusForbidden, codeForbidden, "this validator was registered by someone else, so only an admin may replace it",
			withRemediation("Choose another id, or ask an admin."))
	}
	return nil
}

// validatorProblem is the answer for a configuration that cannot be registered.
func validatorProblem(err error) error {
	if config, ok := errors.AsType[*crvgate.ConfigError](err); ok {
		problems := make([]crvgate.Problem, len(config.Problems))
		for i, p := range config.Problems {
			problems[i] = p
			problems[i].Pointer = "/config" + p.Pointer
		}
		return problem(http.StatusUnprocessableEntity, codeValidation, config.Error(), withDetails(problems),
			withRemediation("Correct the configuration; the version in force, if there is one, has not changed."))
	}
	switch {
	case errors.Is(err, aureus.ErrConflict):
		return problem(http.StatusConflict, codeConflict, err.Error())
	case errors.Is(err, aureus.ErrInvalid):
		return invalidBody("/validator_id", err.Error())
	}
	return err
}

// registeredValidator is the wire's form of a registration (SPEC 1.4).
type registeredValidator struct {
	ValidatorID  string           `json:"validator_id"`
	Version      int64            `json:"version"`
	ETag         string           `json:"etag"`
	Config       any              `json:"config"`
	RegisteredBy string           `json:"registered_by"`
	RegisteredAt aureus.Timestamp `json:"registered_at"`
}

func wireValidator(v store.Validator) (registeredValidator, error) {
	config, err := strictjson.Parse([]byte(v.Config))
	return registeredValidator{
		ValidatorID: v.ID, Version: v.Version, ETag: etag(v), Config: config, RegisteredBy: v.RegisteredBy,
		RegisteredAt: aureus.TimestampOf(v.RegisteredAt),
	}, err
}

func etag(v store.Validator) string {
	return `"` + strconv.FormatInt(v.Version, 10) + "-" + hashText(v.Config)[:16] + `"`
}

func (s *Server) listValidators(w http.ResponseWriter, r *http.Request, c caller) error {
	limit, cursor, err := pageOf(r, pageValidators, maxPageValidators)
	if err != nil {
		return err
	}
	var stored []store.Validator
	if err := s.db.Read(r.Context(), func(t *store.Tx) error {
		stored, err = t.Validators(c.tenant, cursor, limit+1)
		return err
	}); err != nil {
		return err
	}
	next := ""
	if len(stored) > limit {
		stored = stored[:limit]
		next = stored[limit-1].ID
	}
	list := make([]registeredValidator, len(stored))
	for i, v := range stored {
		if list[i], err = wireValidator(v); err != nil {
			return err
		}
	}
	writeList(w, r, list, next)
	return nil
}

func (s *Server) getValidator(w http.ResponseWriter, r *http.Request, c caller) error {
	var stored store.Validator
	err := s.db.Read(r.Context(), func(t *store.Tx) (err error) {
		stored, err = t.Validator(c.tenant, r.PathValue("id"))
		return err
	})
	if errors.Is(err, store.ErrNotFound) {
		return notFound("registered validator")
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
	writeJSON(w, http.StatusOK, answer)
	return nil
}
