package policy

import "github.com/farmountain/aureus-go/internal/jsonscan"

func init() { //nolint:gochecknoinits // beside the readers that package aureus registers
	jsonscan.Register(scanCheck)
}

var checkShape = jsonscan.ShapeOf[CheckRequest]()

func scanCheck(s *jsonscan.Scanner, q *CheckRequest) bool {
	return s.Object(checkShape, func(name string) bool {
		switch name {
		case "principal":
			return jsonscan.Read(s, &q.Principal)
		case "action":
			return jsonscan.Read(s, &q.Action)
		case "tool_name":
			return s.String(&q.ToolName)
		case "arguments":
			return s.Value(&q.Arguments)
		case "on_behalf_of":
			return s.String(&q.OnBehalfOf)
		case "volatile":
			return s.Texts(&q.Volatile)
		case "workflow_id":
			return s.String(&q.WorkflowID)
		case "task_id":
			return s.String(&q.TaskID)
		case "trace_id":
			return s.String(&q.TraceID)
		}
		return false // a call of HTTP is for the general reader: few ask about one
	})
}
