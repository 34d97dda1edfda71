package controlplane

import "github.com/farmountain/aureus-go/internal/jsonscan"

// The bodies of requests that come in volume are read without reflection: what
// is evaluated, checked and validated, decision records and outcomes, and
// telemetry (see package telemetry there). Others come seldom.
func init() { //nolint:gochecknoinits // beside the readers that package aureus registers
	jsonscan.Register(scanValidateRequest)
	jsonscan.Register(scanCheckRequest)
}

var (
	validateRequestShape = jsonscan.ShapeOf[validateRequest]()
	checkRequestShape    = jsonscan.ShapeOf[checkRequest]()
)

func scanValidateRequest(s *jsonscan.Scanner, v *validateRequest) bool {
	return s.Object(validateRequestShape, func(name string) bool {
		switch name {
		case "commit":
			return jsonscan.Read(s, &v.Commit)
		case "gate_config":
			return jsonscan.Read(s, &v.GateConfig)
		}
		return false
	})
}

func scanCheckRequest(s *jsonscan.Scanner, q *checkRequest) bool {
	return s.Object(checkRequestShape, func(name string) bool {
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
