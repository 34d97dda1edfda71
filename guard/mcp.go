package guard

import "github.com/farmountain/aureus-go/aureus"

// The names in an action's metadata that the MCP rule reads.
const (
	mcpServerName         = "mcpServerName"
	mcpActionName         = "mcpActionName"
	requiresCRVValidation = "requiresCRVValidation"
	crvGateName           = "crvGateName"
)

// isMCP reports whether the action's metadata declares it an MCP action.
func isMCP(action *aureus.Action) bool {
	name, _ := action.Metadata[mcpActionName].(string)
	return name != ""
}

// mcpVerdict decides on an MCP action. The metadata that declares it one may come
// from the caller, so the verdict is never more permissive than that of its risk
// tier. See docs/spec/policy.md#mcp-actions.
func mcpVerdict(action *aureus.Action) *verdict {
	v := *riskVerdict(action.RiskTier)
	if v.effect == aureus.Deny {
		return &v
	}
	needsCRV := requiresCRV(action)
	v.rule = ruleMCP
	v.metadata = map[string]any{
		"mcpAction":   true,
		mcpActionName: action.Metadata[mcpActionName],
		"requiresCRV": needsCRV,
	}
	copyText(v.metadata, action, mcpServerName)
	if v.effect == aureus.RequireApproval {
		copyText(v.metadata, action, crvGateName)
		return &v
	}
	v.code, v.reason = aureus.ReasonMCP, "MCP action, allowed"
	if needsCRV && action.RiskTier == aureus.TierMedium {
		v.code, v.reason = aureus.ReasonMCPWithCRV, "MCP action, allowed; its change must pass its CRV gate"
		copyText(v.metadata, action, crvGateName)
	}
	return &v
}

// copyText copies the metadata value of that name if it is a string.
func copyText(metadata map[string]any, action *aureus.Action, name string) {
	if text, ok := action.Metadata[name].(string); ok {
		metadata[name] = text
	}
}

// requiresCRV is true unless the flag is absent, null or false.
func requiresCRV(action *aureus.Action) bool {
	switch required := action.Metadata[requiresCRVValidation].(type) {
	case nil:
		return false
	case bool:
		return required
	default:
		return true
	}
}

// ValidateMCP checks the definition of an MCP action and returns a code for each
// defect, in this order:
//
//   - high_without_permissions: the risk is high or critical, and the action
//     requires no permission;
//   - critical_without_crv: the risk is critical, and the action does not require
//     CRV validation;
//   - missing_server_name: the metadata does not name the server that it calls.
//
// It returns nil for a correct definition and for an action that is not an MCP
// action. It is meant for use when actions are defined; Decide does not call it.
func ValidateMCP(action aureus.Action) []string {
	if !isMCP(&action) {
		return nil
	}
	var issues []string
	critical := action.RiskTier == aureus.TierCritical
	if (critical || action.RiskTier == aureus.TierHigh) && len(action.RequiredPermissions) == 0 {
		issues = append(issues, "high_without_permissions")
	}
	if critical && !requiresCRV(&action) {
		issues = append(issues, "critical_without_crv")
	}
	if server, _ := action.Metadata[mcpServerName].(string); server == "" {
		issues = append(issues, "missing_server_name")
	}
	return issues
}
