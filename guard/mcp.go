package guard

import "github.com/farmountain/aureus-go/aureus"

// The names in an action's metadata that the MCP rule reads (SPEC 3.3).
const (
	mcpServerName         = "mcpServerName"
	mcpActionName         = "mcpActionName"
	requiresCRVValidation = "requiresCRVValidation"
	crvGateName           = "crvGateName"
)

// isMCP reports whether the action says of itself that it calls an MCP server.
func isMCP(action *aureus.Action) bool {
	name, _ := action.Metadata[mcpActionName].(string)
	return name != ""
}

// judgeMCP decides on an MCP action. Since an action declares itself to be one,
// this is never milder than its risk tier (SPEC 3.3 with P10).
func judgeMCP(action *aureus.Action) *verdict {
	v := *judgeTier(action.RiskTier)
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
	keep(v.metadata, action, mcpServerName)
	if v.effect == aureus.RequireApproval {
		keep(v.metadata, action, crvGateName)
		return &v
	}
	v.code, v.reason = aureus.ReasonMCP, "MCP action, allowed"
	if needsCRV && action.RiskTier == aureus.TierMedium {
		v.code, v.reason = aureus.ReasonMCPWithCRV, "MCP action, allowed; its change has to pass its CRV gate"
		keep(v.metadata, action, crvGateName)
	}
	return &v
}

func keep(metadata map[string]any, action *aureus.Action, name string) {
	if text, ok := action.Metadata[name].(string); ok {
		metadata[name] = text
	}
}

// requiresCRV takes every value but an absent one, null and false for a yes.
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

// ValidateMCP checks the definition of an MCP action, before it is ever asked
// for, and returns what is wrong with it (SPEC 3.3), in this order:
//
//   - high_without_permissions: the risk is high or critical, and nothing is
//     required of the principal;
//   - critical_without_crv: the risk is critical, and no CRV validation is
//     asked for;
//   - missing_server_name: it does not say which server it calls.
//
// It returns nil for a sound definition and for what is no MCP action.
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
