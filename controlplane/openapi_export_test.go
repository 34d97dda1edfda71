package controlplane

import (
	"reflect"
	"strings"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane/internal/approvals"
	"github.com/farmountain/aureus-go/controlplane/internal/contract"
	"github.com/farmountain/aureus-go/controlplane/internal/crv"
	"github.com/farmountain/aureus-go/controlplane/internal/observe"
	"github.com/farmountain/aureus-go/controlplane/internal/policy"
	"github.com/farmountain/aureus-go/controlplane/internal/web"
	"github.com/farmountain/aureus-go/crvgate/registry"
	"github.com/farmountain/aureus-go/internal/wire"
)

// Contract returns the document that the server serves.
func Contract() []byte { return contract.Document() }

// Routes returns the routes that the server serves.
func Routes(s *Server) []web.Route { return s.web.Routes() }

// Served returns the routes of the API in the mux, as "METHOD /path", with the role that
// each needs.
func Served(s *Server) map[string]Role {
	served := map[string]Role{}
	for _, one := range s.web.Routes() {
		if one.Page != nil {
			continue
		}
		served[strings.ReplaceAll(one.Pattern, "...}", "}")] = Role(one.Role)
	}
	return served
}

// Parameters returns the query parameters of each path of the API, by "METHOD /path".
func Parameters(s *Server) map[string][]string {
	parameters := map[string][]string{}
	for _, one := range s.web.Routes() {
		if one.Page != nil {
			continue
		}
		names := []string{}
		for _, p := range one.Query {
			names = append(names, p.Name)
		}
		parameters[strings.ReplaceAll(one.Pattern, "...}", "}")] = names
	}
	return parameters
}

// Models returns the Go types of the document's schemas that have fields.
func Models() map[string]reflect.Type {
	return map[string]reflect.Type{
		"Permission": reflect.TypeFor[aureus.Permission](), "Principal": reflect.TypeFor[aureus.Principal](), "Action": reflect.TypeFor[aureus.Action](),
		"StateTransition": reflect.TypeFor[aureus.StateTransition](), "AuditEntry": reflect.TypeFor[aureus.AuditEntry](),
		"HTTPCall": reflect.TypeFor[aureus.HTTPCall](), "PolicyContext": reflect.TypeFor[aureus.PolicyContext](),
		"GuardDecision": reflect.TypeFor[aureus.GuardDecision](), "RuleMatch": reflect.TypeFor[aureus.RuleMatch](), "ApprovalRef": reflect.TypeFor[aureus.ApprovalRef](),
		"CheckRequest": reflect.TypeFor[policy.CheckRequest](), "CheckResponse": reflect.TypeFor[wire.CheckResponse](),

		"StopRequest": reflect.TypeFor[wire.StopRequest](), "PolicyStop": reflect.TypeFor[aureus.PolicyStop](), "PolicyBundle": reflect.TypeFor[aureus.PolicyBundle](),

		"ApprovalRequest": reflect.TypeFor[approvals.Request](), "ApprovalResponse": reflect.TypeFor[approvals.Response](),
		"Approval": reflect.TypeFor[aureus.Approval](), "Quorum": reflect.TypeFor[aureus.Quorum](), "MayChange": reflect.TypeFor[aureus.MayChange](),
		"ApprovalDecision": reflect.TypeFor[aureus.ApprovalDecision](), "ApprovalVerdict": reflect.TypeFor[wire.ApprovalVerdict[aureus.Digest]](),
		"ApprovalUse": reflect.TypeFor[aureus.ApprovalUse](), "ApprovalTerms": reflect.TypeFor[wire.ApprovalTerms](),

		"AuditCheckpoint": reflect.TypeFor[aureus.AuditCheckpoint](), "AuditProof": reflect.TypeFor[aureus.AuditProof](), "AuditConsistency": reflect.TypeFor[aureus.AuditConsistency](),
		"AuditRecord": reflect.TypeFor[aureus.AuditRecord](), "AuditVerification": reflect.TypeFor[aureus.AuditVerification](),
		"DecisionRecord": reflect.TypeFor[aureus.DecisionRecord](), "Outcome": reflect.TypeFor[aureus.Outcome](),
		"GateRecord": reflect.TypeFor[aureus.GateRecord](), "DecisionDetails": reflect.TypeFor[aureus.DecisionDetails](), "DecisionInput": reflect.TypeFor[aureus.DecisionInput](),
		"DecisionOutcome": reflect.TypeFor[aureus.DecisionOutcome](),

		"Commit": reflect.TypeFor[aureus.Commit](), "GateConfig": reflect.TypeFor[aureus.GateConfig](), "ValidateRequest": reflect.TypeFor[crv.ValidateRequest](),
		"ValidationResult": reflect.TypeFor[aureus.ValidationResult](), "GateResult": reflect.TypeFor[aureus.GateResult](),
		"RegisterRequest": reflect.TypeFor[crv.RegisterRequest](), "ValidatorRegistration": reflect.TypeFor[aureus.ValidatorRegistration](),
		"RegisteredValidator": reflect.TypeFor[crv.RegisteredValidator](),

		"TelemetryEvent": reflect.TypeFor[aureus.TelemetryEvent](), "Metric": reflect.TypeFor[aureus.Metric](), "Span": reflect.TypeFor[aureus.Span](),
		"SpanLog": reflect.TypeFor[aureus.SpanLog](), "Rejection": reflect.TypeFor[aureus.Rejection](), "BatchResponse": reflect.TypeFor[wire.BatchResponse[aureus.Rejection]](),
		"Summary": reflect.TypeFor[aureus.Summary](),

		"WorkflowSpec": reflect.TypeFor[aureus.WorkflowSpec](), "TaskSpec": reflect.TypeFor[aureus.TaskSpec](), "RetryConfig": reflect.TypeFor[aureus.RetryConfig](),
		"CompensationHooks": reflect.TypeFor[aureus.CompensationHooks](), "CompensationAction": reflect.TypeFor[aureus.CompensationAction](),
		"SandboxConfig": reflect.TypeFor[aureus.SandboxConfig](), "SafetyPolicy": reflect.TypeFor[aureus.SafetyPolicy](),
		"RunRequest": reflect.TypeFor[wire.RunRequest[aureus.WorkflowSpec]](), "WorkflowExecutionResult": reflect.TypeFor[aureus.WorkflowExecutionResult](), "TaskResult": reflect.TypeFor[aureus.TaskResult](),
		"WorkflowStatus": reflect.TypeFor[aureus.WorkflowStatus](), "WorkflowCancellation": reflect.TypeFor[aureus.WorkflowCancellation](),
		"SafetyViolation": reflect.TypeFor[aureus.SafetyViolation](), "PendingApproval": reflect.TypeFor[aureus.PendingApproval](),
		"SafetyRule": reflect.TypeFor[aureus.SafetyRule](),

		"Health": reflect.TypeFor[observe.Health](), "Error": reflect.TypeFor[wire.ErrorBody](), "Problem": reflect.TypeFor[registry.Problem](),
	}
}
