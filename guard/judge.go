package guard

import (
	"strconv"

	"github.com/farmountain/aureus-go/aureus"
)

// The names of the rules, as Decision.Rule tells them.
const (
	ruleRequest     = "request"
	ruleTool        = "tool"
	rulePermissions = "permissions"
	ruleMCP         = "mcp"
	ruleRiskTier    = "risk_tier"
)

// verdict is what the rules say of a request. The zero value is a denial.
// Verdicts are passed by pointer, and those of every allow are shared, since
// copying one costs as much as a rule.
type verdict struct {
	effect   aureus.Effect
	code     aureus.ReasonCode
	rule     string
	reason   string
	metadata map[string]any
}

// judge applies the rules, to a valid request, in this order: tool, permissions,
// MCP, risk tier; the first that answers decides. It looks at nothing but the
// request and changes nothing.
func judge(request *aureus.Request, lenient bool) *verdict {
	action := &request.Action
	if len(action.AllowedTools) > 0 && !allows(action, request.Tool) {
		return toolDenied(request)
	}
	if lacks(request, lenient) {
		return &verdict{code: aureus.ReasonPermissionDenied, rule: rulePermissions, reason: whatLacks(request, lenient)}
	}
	if len(action.Metadata) > 0 && isMCP(action) {
		return judgeMCP(action)
	}
	return judgeTier(action.RiskTier)
}

// The verdicts by risk alone. Nothing changes them.
var (
	lowRisk      = verdict{effect: aureus.Allow, code: aureus.ReasonLowRisk, rule: ruleRiskTier, reason: "low risk, allowed"}
	mediumRisk   = verdict{effect: aureus.Allow, code: aureus.ReasonMediumRisk, rule: ruleRiskTier, reason: "medium risk, allowed with monitoring"}
	highRisk     = verdict{effect: aureus.RequireApproval, code: aureus.ReasonHighRisk, rule: ruleRiskTier, reason: "high risk, a person has to approve it first"}
	criticalRisk = verdict{effect: aureus.RequireApproval, code: aureus.ReasonCriticalRisk, rule: ruleRiskTier, reason: "critical risk, a person has to approve it first"}
	unknownRisk  = verdict{code: aureus.ReasonInvalidRequest, rule: ruleRequest, reason: "the risk tier is unknown"}
)

// judgeTier decides by risk alone. The tier is a known one: see [aureus.Request.Validate].
func judgeTier(tier aureus.PolicyRiskTier) *verdict {
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

// allows reports whether the action lists the tool. No tool is none of them.
func allows(action *aureus.Action, tool string) bool {
	if tool == "" {
		return false
	}
	for i := range action.AllowedTools {
		if same(action.AllowedTools[i], tool) {
			return true
		}
	}
	return false
}

func toolDenied(request *aureus.Request) *verdict {
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

// maxName bounds, in bytes, what of a caller's text goes into a reason.
const maxName = 64

// appendName quotes a caller's text, escaped and cut to a bounded length.
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
