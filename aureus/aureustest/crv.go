package aureustest

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/internal/vocab"
	"github.com/farmountain/aureus-go/internal/wire"
)

// maxValidators limits the registered validators, and maxValidator the bytes of one.
const (
	maxValidators = 1000
	maxValidator  = 64 << 10
)

// validateCommit serves POST /crv/validate with the result that the test set for the
// gate's name.
func (s *Server) validateCommit(q *request) (any, error) {
	var body wire.ValidateRequest[aureus.Commit, aureus.GateConfig]
	if err := q.decode(&body); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	result, ok := s.script.gates[body.GateConfig.Name]
	if !ok {
		result = aureus.GateResult{FailureCode: aureus.ToolError, ValidationResults: []aureus.ValidationResult{{
			Reason:      fmt.Sprintf("the test has set no result for the gate %.80q; see aureustest.Server.Gate", body.GateConfig.Name),
			Confidence:  fullConfidence(),
			FailureCode: aureus.ToolError, Remediation: aureus.ToolError.Remediation(),
		}}}
	}
	result = s.completeGate(result, body.GateConfig)
	s.requests.commits.add(Validated{Commit: body.Commit, Gate: body.GateConfig, Result: result}, len(q.body))
	workflow, _ := body.Commit.Metadata["workflowId"].(string)
	task, _ := body.Commit.Metadata["taskId"].(string)
	if workflow != "" && task != "" {
		data := map[string]any{"gateName": result.GateName, "passed": result.Passed, "blocked": result.BlockedCommit}
		if result.FailureCode != "" {
			data["failureCode"] = string(result.FailureCode)
		}
		s.requests.events.add(aureus.TelemetryEvent{
			Type: aureus.EventCRVResult, Timestamp: aureus.TimestampOf(s.Clock.Now()), WorkflowID: workflow, TaskID: task, Data: data,
			Source: vocab.SourceServer,
		}, len(result.GateName))
	}
	return result, nil
}

// completeGate fills the fields that the test left empty, as a gate of the control plane
// does: docs/spec/gates.md#the-gate-algorithm.
func (s *Server) completeGate(result aureus.GateResult, gate aureus.GateConfig) aureus.GateResult {
	if result.GateName == "" {
		result.GateName = gate.Name
	}
	if result.Timestamp == "" {
		result.Timestamp = aureus.TimestampOf(s.Clock.Now())
	}
	switch {
	case result.Passed:
		result.CRVStatus, result.FailureCode = vocab.CRVPassed, ""
		if result.ValidationResults == nil {
			result.ValidationResults = valid(gate.Validators)
		}
		return result
	case result.CRVStatus == vocab.CRVWarning:
	case result.CRVStatus == vocab.CRVBlocked, result.BlockedCommit, gate.BlockOnFailure:
		result.CRVStatus, result.BlockedCommit = vocab.CRVBlocked, true
	default:
		result.CRVStatus = vocab.CRVWarning
	}
	if result.FailureCode == "" {
		result.FailureCode = firstCode(result.ValidationResults)
	}
	if result.ValidationResults == nil {
		result.ValidationResults = append([]aureus.ValidationResult{{
			Reason: "the test says that it fails", Confidence: fullConfidence(),
			FailureCode: result.FailureCode, Remediation: result.FailureCode.Remediation(),
		}}, valid(gate.Validators[min(1, len(gate.Validators)):])...)
	}
	if result.Remediation == "" {
		result.Remediation = result.FailureCode.Remediation()
	}
	if result.RecoveryStrategy == nil {
		result.RecoveryStrategy = gate.RecoveryStrategy
	}
	return result
}

// valid are the results of validators that pass.
func valid(validators []string) []aureus.ValidationResult {
	results := make([]aureus.ValidationResult, len(validators))
	for i := range results {
		results[i] = aureus.ValidationResult{Valid: true, Reason: "the test says that it passes", Confidence: fullConfidence()}
	}
	return results
}

func fullConfidence() *float64 { return new(1.0) }

func firstCode(results []aureus.ValidationResult) aureus.FailureTaxonomy {
	for _, r := range results {
		if !r.Valid && r.FailureCode != "" {
			return r.FailureCode
		}
	}
	return aureus.PolicyViolation
}

// registerValidator serves POST /crv/validators. The validator is stored and never run:
// the test sets the results of gates.
func (s *Server) registerValidator(q *request) (any, error) {
	var body wire.RegisterRequest[map[string]any]
	if err := q.decode(&body); err != nil {
		return nil, err
	}
	kind, _ := body.Config["type"].(string)
	switch {
	case body.ValidatorID == "", strings.Contains(body.ValidatorID, "/"), body.ValidatorID == ".", body.ValidatorID == "..":
		return nil, refuse(http.StatusUnprocessableEntity, wire.CodeValidation, "/validator_id: is required; it must have no slash and must not be . or ..")
	case len(q.body) > maxValidator:
		return nil, refuse(http.StatusUnprocessableEntity, wire.CodeValidation, "/config: must have at most %d bytes", maxValidator)
	case kind == "":
		return nil, refuse(http.StatusUnprocessableEntity, wire.CodeValidation, "/config/type: is required")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	v := Registered{ID: body.ValidatorID, Config: body.Config, Version: 1}
	at := -1
	for i, known := range s.requests.validators {
		if known.ID == v.ID {
			at, v.Version = i, known.Version+1
		}
	}
	switch {
	case at >= 0:
		s.requests.validators[at] = v
	case len(s.requests.validators) >= maxValidators:
		return nil, refuse(http.StatusConflict, wire.CodeExhausted, "there are %d validators already", maxValidators)
	default:
		s.requests.validators = append(s.requests.validators, v)
	}
	q.header.Set("ETag", v.etag())
	return aureus.ValidatorRegistration{
		ValidatorID: v.ID, Registered: true, Replaced: v.Version > 1, Version: v.Version, Scope: scopeSubject,
	}, nil
}

func (v Registered) etag() string { return strconv.Quote(strconv.Itoa(v.Version)) }

// scopeSubject is the scope of every validator here: the test server knows one
// subject.
const scopeSubject = "subject"

// registeredValidator is a registration in the form of GET validators.
type registeredValidator = wire.RegisteredValidator[aureus.Timestamp]

func (s *Server) registeredValidators() []registeredValidator {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := make([]registeredValidator, len(s.requests.validators))
	for i, v := range s.requests.validators {
		list[i] = registeredValidator{
			ValidatorID: v.ID, Version: int64(v.Version), Scope: scopeSubject, Subject: serviceName, ETag: v.etag(), Config: v.Config,
			RegisteredBy: serviceName, RegisteredAt: aureus.TimestampOf(s.Clock.Now()),
		}
	}
	return list
}

func (s *Server) listValidators(q *request) (any, error) {
	return page(q, s.registeredValidators(), 100, 1000)
}

func (s *Server) getValidator(q *request) (any, error) {
	for _, v := range s.registeredValidators() {
		if v.ValidatorID == q.PathValue("id") {
			q.header.Set("ETag", v.ETag)
			return v, nil
		}
	}
	return nil, refuse(http.StatusNotFound, wire.CodeNotFound, "the validator was not found")
}
