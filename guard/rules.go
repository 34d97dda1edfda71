package guard

import (
	"strconv"

	"github.com/farmountain/aureus-go/aureus"
)

// The values of Decision.Rule.
const (
	ruleRequest     = "request"
	ruleTool        = "tool"
	rulePermissions = "permissions"
	ruleMCP         = "mcp"
	ruleRiskTier    = "risk_tier"
)

// verdict is the result of the rules for a request. The zero value is a denial.
// Verdicts are passed by pointer because copying one costs as much as applying a
// rule; those by risk tier are shared variables.
type verdict struct {
	effect   aureus.Effect
	code     aureus.ReasonCode
	rule     string
	reason   string
	metadata map[string]any
}

// applyRules applies the rules to a valid request in this order: tool,
// permissions, MCP, risk tier. The first rule that applies decides. The result
// depends on the arguments alone. See docs/spec/policy.md#order-of-the-rules.
func applyRules(request *aureus.Request, lenient bool) *verdict {
	action := &request.Action
	if len(action.AllowedTools) > 0 && !allowsTool(action, request.Tool) {
		return denyTool(request)
	}
	if lacksPermission(request, lenient) {
		return &verdict{code: aureus.ReasonPermissionDenied, rule: rulePermissions, reason: describeMissing(request, lenient)}
	}
	if len(action.Metadata) > 0 && isMCP(action) {
		return mcpVerdict(action)
	}
	return riskVerdict(action.RiskTier)
}

// The verdicts by risk tier. They are shared and must not be changed.
var (
	lowRisk      = verdict{effect: aureus.Allow, code: aureus.ReasonLowRisk, rule: ruleRiskTier, reason: "low risk, allowed"}
	mediumRisk   = verdict{effect: aureus.Allow, code: aureus.ReasonMediumRisk, rule: ruleRiskTier, reason: "medium risk, allowed with monitoring"}
	highRisk     = verdict{effect: aureus.RequireApproval, code: aureus.ReasonHighRisk, rule: ruleRiskTier, reason: "high risk, a person has to approve it first"}
	criticalRisk = verdict{effect: aureus.RequireApproval, code: aureus.ReasonCriticalRisk, rule: ruleRiskTier, reason: "critical risk, a person has to approve it first"}
	unknownRisk  = verdict{code: aureus.ReasonInvalidRequest, rule: ruleRequest, reason: "the risk tier is unknown"}
)

// riskVerdict decides by the risk tier alone. [aureus.Request.Validate]
// has already refused unknown tiers.
func riskVerdict(tier aureus.PolicyRiskTier) *verdict {
	switch tier {
	case aureus.TierLow:
		return &lowRisk
	case aureus.TierMedium:
		return &mediumRisk
	case aureus.TierHigh:
		return &highRisk
	case aureus.TierCritical:
		return &criticalRisk
	}
	return &unknownRisk
}

// allowsTool reports whether the action lists the tool. An empty tool is never
// listed.
func allowsTool(action *aureus.Action, tool string) bool {
	if tool == "" {
		return false
	}
	for i := range action.AllowedTools {
		if equalNames(action.AllowedTools[i], tool) {
			return true
		}
	}
	return false
}

func denyTool(request *aureus.Request) *verdict {
	v := &verdict{code: aureus.ReasonToolNotAllowed, rule: ruleTool}
	text := make([]byte, 0, 256)
	if request.Tool == "" {
		v.code = aureus.ReasonToolRequired
		text = append(text, "not allowed without a tool: the action "...)
		text = appendName(text, request.Action.ID)
		text = append(text, " lists the tools it allows, and the request names none"...)
	} else {
		text = append(text, "the tool "...)
		text = appendName(text, request.Tool)
		text = append(text, " is not allowed for the action "...)
		text = appendName(text, request.Action.ID)
	}
	v.reason = string(text)
	return v
}

// maxName is the maximum number of bytes of a name from the request in a reason.
const maxName = 64

// appendName appends a name from the request, quoted, escaped and cut to at most
// maxName bytes.
func appendName(text []byte, name string) []byte {
	if len(name) <= maxName {
		return strconv.AppendQuote(text, name)
	}
	cut := maxName
	for cut > maxName-4 && name[cut]&0xC0 == 0x80 { // not in the middle of a character
		cut--
	}
	return append(strconv.AppendQuote(text, name[:cut]), "…"...)
}
