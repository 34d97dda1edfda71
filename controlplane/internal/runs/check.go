package runs

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane/internal/web"
	"github.com/farmountain/aureus-go/controlplane/internal/workflow"
	"github.com/farmountain/aureus-go/internal/invalidrequest"
	"github.com/farmountain/aureus-go/internal/nametext"
	"github.com/farmountain/aureus-go/internal/strictjson"
	"github.com/farmountain/aureus-go/internal/wire"
)

const (
	maxCorrelationID = 1024 // bytes
	maxProblems      = 100  // problems that checkNames returns at most
)

type (
	request   = wire.RunRequest[aureus.WorkflowSpec]
	violation = aureus.SafetyViolation
)

// check makes all checks that are possible before the run starts. Its error is the
// response. The warnings are part of the result.
func (s *Service) check(c web.Caller, body *request) (warnings []violation, err error) {
	problems := workflow.Check(&body.Workflow)
	for i := range problems {
		problems[i].Pointer = "/workflow" + problems[i].Pointer
	}
	if len(body.CorrelationID) > maxCorrelationID {
		problems = append(problems, strictjson.Problem{Pointer: "/correlation_id", Message: fmt.Sprintf("must not be longer than %d bytes", maxCorrelationID)})
	}
	problems = append(problems, checkContext(body.Context)...)
	if len(problems) == 0 {
		problems = checkNames(c, body)
	}
	if len(problems) > 0 {
		shape := &strictjson.ShapeError{Problems: problems}
		return nil, web.BadBody(shape)
	}
	if id, ok := body.Context["principal_id"].(string); ok && id != "" {
		if err := c.MaySpeakFor(id); err != nil {
			return nil, err
		}
	}
	violations, warnings := workflow.Safety(&body.Workflow)
	if len(violations) > 0 {
		return nil, web.Problem(http.StatusUnprocessableEntity, wire.CodePolicyViolation, "the workflow violates its safety policy: "+violations[0].Message,
			web.WithDetails(violations), web.WithRemediation("Change the tasks that are named, or the workflow's safety_policy."))
	}
	return s.addWarningsByTool(&body.Workflow, warnings), nil
}

// checkContext checks the two members of the context that this package reads.
func checkContext(context map[string]any) (problems []strictjson.Problem) {
	if id, given := context["principal_id"]; given && id != nil {
		switch text, ok := id.(string); {
		case !ok || text == "":
			problems = append(problems, strictjson.Problem{Pointer: "/context/principal_id", Message: "must be a text that is not empty"})
		case nametext.Identifier(text) != "":
			problems = append(problems, strictjson.Problem{Pointer: "/context/principal_id", Message: nametext.Identifier(text)})
		}
	}
	claimed, given := context["principal_permissions"]
	if !given {
		return problems
	}
	permissions, err := permissionsOf(claimed)
	if err != nil {
		problems = append(problems, strictjson.Problem{Pointer: "/context/principal_permissions", Message: err.Error()})
	}
	for i := range permissions {
		if reason := cmp.Or(nametext.Label(permissions[i].Action), nametext.Label(permissions[i].Resource)); reason != "" {
			return append(problems, strictjson.Problem{Pointer: "/context/principal_permissions/" + strconv.Itoa(i), Message: "has a text that " + reason})
		}
	}
	return problems
}

// checkNames finds invalid names of tasks, tools and the principal, with which a
// policy request would fail later. It returns at most one problem for each policy
// request, and at most maxProblems.
func checkNames(c web.Caller, body *request) (problems []strictjson.Problem) {
	check := func(request aureus.Request, pointers ...string) {
		if bad, ok := errors.AsType[*invalidrequest.Error](request.Validate()); ok {
			problems = append(problems, strictjson.Problem{Pointer: strings.NewReplacer(pointers...).Replace(bad.Pointer), Message: bad.Reason})
		}
	}
	low := aureus.Action{ID: "task", RiskTier: aureus.TierLow}
	check(aureus.Request{Principal: principalOf(c, body.Context), Action: low, WorkflowID: body.Workflow.ID},
		"/principal/id", "/context/principal_id", "/principal/permissions", "/context/principal_permissions", "/workflow_id", "/workflow/id")
	for i := range body.Workflow.Tasks {
		task := &body.Workflow.Tasks[i]
		path := "/workflow/tasks/" + strconv.Itoa(i)
		check(aureus.Request{
			Principal: aureus.Principal{ID: "principal"}, Tool: task.ToolName, TaskID: task.ID, Action: aureus.Action{
				ID: task.ID, Name: task.Name, RiskTier: aureus.TierLow, RequiredPermissions: task.RequiredPermissions,
				Intent: task.Intent, DataZone: task.DataZone, AllowedTools: task.AllowedTools,
			},
		}, "/action/", path+"/", "/tool_name", path+"/tool_name", "/task_id", path+"/id")
		if undo := task.CompensationAction; undo != nil {
			check(aureus.Request{Principal: aureus.Principal{ID: "principal"}, Tool: undo.Tool, Action: low}, "/tool_name", path+"/compensation_action/tool")
		}
	}
	return problems[:min(len(problems), maxProblems)]
}

// addWarningsByTool checks the safety policy again, and uses the tier of the tool for
// each task without a tier. Because the author of the workflow did not set these
// tiers, the violations found only now are warnings.
func (s *Service) addWarningsByTool(spec *aureus.WorkflowSpec, warnings []violation) []violation {
	effective := *spec
	effective.Tasks = slices.Clone(spec.Tasks)
	for i := range effective.Tasks {
		task := &effective.Tasks[i]
		if tool, ok := s.config.Tools[task.ToolName]; ok && task.RiskTier == "" {
			task.RiskTier = aureus.RiskTier(strings.ToUpper(string(tool.tier())))
		}
	}
	violations, more := workflow.Safety(&effective)
	for _, v := range slices.Concat(violations, more) {
		if !slices.ContainsFunc(warnings, func(w violation) bool { return w.Message == v.Message }) {
			warnings = append(warnings, v)
		}
	}
	return warnings
}
