package aureus

import "github.com/farmountain/aureus-go/internal/jsonscan"

var policyContextShape = jsonscan.ShapeOf[PolicyContext]()

func scanPolicyContext(s *jsonscan.Scanner, c *PolicyContext) bool {
	return s.Object(policyContextShape, func(name string) bool {
		switch name {
		case "principal":
			return scanPrincipal(s, &c.Principal)
		case "action":
			return scanAction(s, &c.Action)
		case "current_state":
			return s.Word((*string)(&c.CurrentState), stateWords)
		case "audit_log": // one that is not empty is for the general reader: nothing depends on it
			c.AuditLog = []AuditEntry{}
			return s.List(func() bool { return false })
		case "tool_name":
			return s.String(&c.ToolName)
		case "arguments":
			return s.Value(&c.Arguments)
		case "http":
			c.HTTP = new(HTTPCall)
			return scanHTTPCall(s, c.HTTP)
		case "on_behalf_of":
			return s.String(&c.OnBehalfOf)
		case "volatile":
			return s.Texts(&c.Volatile)
		case "approval_token":
			return s.String(&c.ApprovalToken)
		case "workflow_id":
			return s.String(&c.WorkflowID)
		case "task_id":
			return s.String(&c.TaskID)
		case "trace_id":
			return s.String(&c.TraceID)
		}
		return false
	})
}
