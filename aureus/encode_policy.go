package aureus

import (
	"encoding/json"
	"errors"

	"github.com/farmountain/aureus-go/internal/strictjson"
)

func (c PolicyContext) appendJSON(b []byte) ([]byte, error) {
	b, err := c.Principal.append(append(b, `{"principal":`...))
	if err != nil {
		return b, err
	}
	if b, err = c.Action.append(append(b, `,"action":`...)); err != nil {
		return b, err
	}
	b = appendString(append(b, `,"current_state":`...), c.CurrentState)
	if len(c.AuditLog) == 0 {
		b = append(b, `,"audit_log":[]`...)
	} else if b, err = appendOther(append(b, `,"audit_log":`...), c.AuditLog); err != nil {
		return b, err
	}
	b = appendOptional(b, `,"tool_name":`, c.ToolName)
	if c.Arguments != nil {
		if b, err = appendFree(append(b, `,"arguments":`...), c.Arguments); err != nil {
			return b, err
		}
	}
	if c.HTTP != nil {
		if b, err = appendOther(append(b, `,"http":`...), c.HTTP); err != nil {
			return b, err
		}
	}
	b = appendOptional(b, `,"on_behalf_of":`, c.OnBehalfOf)
	b = appendTexts(b, `,"volatile":`, c.Volatile)
	b = appendOptional(b, `,"approval_token":`, c.ApprovalToken)
	b = appendOptional(b, `,"workflow_id":`, c.WorkflowID)
	b = appendOptional(b, `,"task_id":`, c.TaskID)
	b = appendOptional(b, `,"trace_id":`, c.TraceID)
	b = appendOptional(b, `,"route":`, c.Route)
	if c.NoRiskTier {
		b = append(b, `,"no_risk_tier":true`...)
	}
	return append(b, '}'), nil
}

func (p Principal) append(b []byte) ([]byte, error) {
	b = appendString(append(b, `{"id":`...), p.ID)
	b = appendString(append(b, `,"type":`...), p.Type)
	b, err := appendPermissions(append(b, `,"permissions":`...), p.Permissions)
	if p.Claims != nil && err == nil {
		b, err = appendFree(append(b, `,"claims":`...), p.Claims)
	}
	return append(b, '}'), err
}

func (a Action) append(b []byte) ([]byte, error) {
	b = appendString(append(b, `{"id":`...), a.ID)
	b = appendString(append(b, `,"name":`...), a.Name)
	b = appendString(append(b, `,"risk_tier":`...), a.RiskTier)
	b, err := appendPermissions(append(b, `,"required_permissions":`...), a.RequiredPermissions)
	if err != nil {
		return b, err
	}
	b = appendOptional(b, `,"intent":`, a.Intent)
	b = appendOptional(b, `,"data_zone":`, a.DataZone)
	b = appendTexts(b, `,"allowed_tools":`, a.AllowedTools)
	if a.Metadata != nil {
		if b, err = appendFree(append(b, `,"metadata":`...), a.Metadata); err != nil {
			return b, err
		}
	}
	return append(b, '}'), nil
}

func appendPermissions(b []byte, permissions []Permission) ([]byte, error) {
	b = append(b, '[')
	for i := range permissions {
		p := &permissions[i]
		if i > 0 {
			b = append(b, ',')
		}
		b = appendString(append(b, `{"action":`...), p.Action)
		b = appendString(append(b, `,"resource":`...), p.Resource)
		b = appendOptional(b, `,"intent":`, p.Intent)
		b = appendOptional(b, `,"data_zone":`, p.DataZone)
		if p.Conditions != nil {
			var err error
			if b, err = appendFree(append(b, `,"conditions":`...), p.Conditions); err != nil {
				return b, err
			}
		}
		b = append(b, '}')
	}
	return append(b, ']'), nil
}

func appendTexts(b []byte, name string, texts []string) []byte {
	if texts == nil {
		return b
	}
	b = append(append(b, name...), '[')
	for i, text := range texts {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendString(b, text)
	}
	return append(b, ']')
}

// appendFree appends a free-form value of a request for a decision. It refuses a
// json.RawMessage that the strict reader would refuse.
func appendFree(b []byte, v any) ([]byte, error) {
	if raw, ok := v.(json.RawMessage); ok {
		if _, err := strictjson.Parse(raw); err != nil {
			return b, errors.New("a json.RawMessage in it is not strict JSON")
		}
	}
	return appendValue(b, v, 0)
}
