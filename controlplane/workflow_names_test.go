package controlplane_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
)

// A workflow with a name that is too long, in any field, is refused before a task runs.
func TestExecute_NameBeyondItsBound_Is422(t *testing.T) {
	t.Parallel()
	s := newSite(t, open(t))
	execute := func(spec aureus.WorkflowSpec, context string) answer {
		return s.post(t, "/api/v1/workflows/execute", `{"workflow":`+mustMarshal(t, spec)+`,"context":`+context+`}`)
	}
	long, short := strings.Repeat("x", 1025), strings.Repeat("x", 1024)
	inTask := func(change func(t *aureus.TaskSpec, name string)) func(string) answer {
		return func(name string) answer {
			return execute(chain("w", task("a", "", func(t *aureus.TaskSpec) { change(t, name) })), `{}`)
		}
	}
	inContext := func(before, after string) func(string) answer {
		return func(name string) answer { return execute(chain("w", task("a", "")), before+name+after) }
	}
	for pointer, ask := range map[string]func(name string) answer{
		"/workflow/name": func(name string) answer {
			spec := chain("w", task("a", ""))
			spec.Name = name
			return execute(spec, `{}`)
		},
		"/workflow/tasks/0/name":                    inTask(func(t *aureus.TaskSpec, name string) { t.Name = name }),
		"/workflow/tasks/0/tool_name":               inTask(func(t *aureus.TaskSpec, name string) { t.ToolName = name }),
		"/workflow/tasks/0/allowed_tools/1":         inTask(func(t *aureus.TaskSpec, name string) { t.AllowedTools = []string{"a", name} }),
		"/workflow/tasks/0/compensation/on_failure": inTask(func(t *aureus.TaskSpec, name string) { t.Compensation = &aureus.CompensationHooks{OnFailure: name} }),
		"/workflow/tasks/0/compensation/on_timeout": inTask(func(t *aureus.TaskSpec, name string) { t.Compensation = &aureus.CompensationHooks{OnTimeout: name} }),
		"/workflow/tasks/0/compensation_action/tool": inTask(func(t *aureus.TaskSpec, name string) {
			t.CompensationAction = &aureus.CompensationAction{Tool: name}
		}),
		"/workflow/tasks/0/required_permissions/0/action": inTask(func(t *aureus.TaskSpec, name string) {
			t.RequiredPermissions = []aureus.Permission{{Action: name, Resource: "r"}}
		}),
		"/workflow/tasks/0/required_permissions/0/resource": inTask(func(t *aureus.TaskSpec, name string) {
			t.RequiredPermissions = []aureus.Permission{{Action: "a", Resource: name}}
		}),
		"/workflow/tasks/0/idempotency_key": inTask(func(t *aureus.TaskSpec, name string) { t.IdempotencyKey = name }),
		"/context/principal_id":             inContext(`{"principal_id":"`, `"}`),
		"/context/principal_permissions/0":  inContext(`{"principal_permissions":[{"action":"`, `","resource":"r"}]}`),
		"/correlation_id": func(name string) answer {
			return s.post(t, "/api/v1/workflows/execute", `{"workflow":`+mustMarshal(t, chain("w", task("a", "")))+`,"correlation_id":"`+name+`"}`)
		},
	} {
		t.Run(strings.ReplaceAll(pointer, "/", "."), func(t *testing.T) {
			body := ask(long).refusal(t, 422, "VALIDATION_ERROR")
			require.Contains(t, mustMarshal(t, body["details"]), `"`+pointer+`"`)
			ask(short).ok(t)
		})
	}
}

// A name with a character that an approver cannot see is refused before anything
// runs.
func TestExecute_NameWithInvisibleCharacter_Is422(t *testing.T) {
	t.Parallel()
	s := newSite(t, open(t))
	hidden := "pay\u202e"
	for pointer, change := range map[string]func(task *aureus.TaskSpec, context map[string]any){
		"/workflow/tasks/0/id":              func(task *aureus.TaskSpec, _ map[string]any) { task.ID = hidden },
		"/workflow/tasks/0/name":            func(task *aureus.TaskSpec, _ map[string]any) { task.Name = hidden },
		"/workflow/tasks/0/tool_name":       func(task *aureus.TaskSpec, _ map[string]any) { task.ToolName = hidden },
		"/workflow/tasks/0/allowed_tools/0": func(task *aureus.TaskSpec, _ map[string]any) { task.AllowedTools = []string{hidden} },
		"/workflow/tasks/0/compensation_action/tool": func(task *aureus.TaskSpec, _ map[string]any) {
			task.CompensationAction = &aureus.CompensationAction{Tool: hidden}
		},
		"/context/principal_id": func(_ *aureus.TaskSpec, context map[string]any) { context["principal_id"] = hidden },
	} {
		one, context := task("a", ""), map[string]any{}
		change(&one, context)
		body := s.post(t, "/api/v1/workflows/execute", `{"workflow":`+mustMarshal(t, chain("w", one))+`,"context":`+mustMarshal(t, context)+`}`).refusal(t, 422, "VALIDATION_ERROR")
		require.Contains(t, mustMarshal(t, body["details"]), `"`+pointer+`"`)
	}
	s.get(t, "/api/v1/workflows/w/status").refusal(t, 404, "NOT_FOUND")
}
