package syntax

import (
	"strings"

	"go.yaml.in/yaml/v4"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/internal/jsonvalue"
)

func (r *reader) rules(to *[]Rule) reads {
	return r.list("rules", MaxRules, func(n *yaml.Node) {
		rule := Rule{Pos: positionOf(n)}
		r.object(
			n, "a rule",
			member{"id", "a name that no other rule or budget has", r.text(&rule.ID, "the id of a rule", name)},
			member{"effect", "deny or require_approval", r.effect(&rule.Effect)},
			member{"actions", "a list of actions that it applies to", r.someTexts(&rule.Actions, "the actions of a rule", "the action of a rule", maxPatterns, nameOrPrefix)},
			member{"when", "", r.text(&rule.When, "a condition", condition)},
			member{"reason", "", r.text(&rule.Reason, "a reason", label)},
			member{"remedy", "", r.text(&rule.Remedy, "a remedy", label)},
			member{"mode", "", r.word(&rule.Mode, "a mode", modes...)},
		)
		*to = append(*to, rule)
	})
}

// effect reads the effect of a rule. A rule cannot allow.
func (r *reader) effect(to *Text) reads {
	read := r.word(to, "an effect", "deny", "require_approval")
	return func(n *yaml.Node) {
		if kindOf(n) == kindText && n.Value == "allow" {
			r.problemf(positionOf(n), "an effect must be deny or require_approval, not allow: only a grant of a role allows")
			return
		}
		read(n)
	}
}

func (r *reader) budgets(to *[]Budget) reads {
	return r.list("budgets", MaxBudgets, func(n *yaml.Node) {
		b := Budget{Pos: positionOf(n)}
		r.object(
			n, "a budget",
			member{"id", "a name that no other rule or budget has", r.text(&b.ID, "the id of a budget", name)},
			member{"actions", "a list of actions that it counts", r.someTexts(&b.Actions, "the actions of a budget", "the action of a budget", maxPatterns, nameOrPrefix)},
			member{"per", "", r.word(&b.Per, "per", "principal", "action", "all")},
			member{"window", "the duration in which it counts", r.duration(&b.Window, "a window", maxWindow)},
			member{"sum", "", r.text(&b.Sum, "sum", condition)},
			member{"limit", "how much is allowed in a window", r.positive(&b.Limit, "a limit")},
		)
		if b.Limit.Set() && !b.Sum.Set() && !jsonvalue.DecimalOf(b.Limit.Value).IsInteger() {
			r.problemf(b.Limit.Pos, "a limit must be a whole number, because a budget without sum counts requests")
		}
		*to = append(*to, b)
	})
}

func (r *reader) tests(to *[]Test) reads {
	return r.list("tests", MaxTests, func(n *yaml.Node) {
		t := Test{Pos: positionOf(n)}
		r.object(
			n, "a test",
			member{"name", "what it shows", r.text(&t.Name, "the name of a test", label)},
			member{"principal", "who asks", r.text(&t.Principal, "a principal", name)},
			member{"type", "", r.text(&t.Type, "the type of a principal", label)},
			member{"claims", "", r.freeForm(&t.Claims, "claims")},
			member{"on_behalf_of", "", r.text(&t.OnBehalfOf, "on_behalf_of", name)},
			member{"action", "", r.text(&t.Action, "the action of a test", name)},
			member{"tool", "", r.text(&t.Tool, "the tool of a test", name)},
			member{"route", "", r.text(&t.Route, "the route of a test", route)},
			member{"arguments", "", r.freeForm(&t.Arguments, "the arguments of a test")},
			member{"used", "", r.used(&t.Used)},
			member{"method", "", r.text(&t.Method, "a method", method)},
			member{"path", "", r.text(&t.Path, "a path", path)},
			member{"host", "", r.text(&t.Host, "a host", label)},
			member{"at", "", r.text(&t.At, "at", timestamp)},
			member{"want", "allow, require_approval or deny", r.word(&t.Want, "want", answers...)},
			member{"rule", "", r.text(&t.Rule, "the rule of a test", name)},
			member{"code", "", r.word(&t.Code, "a reason code", codes...)},
			member{"tier", "", r.word(&t.Tier, "a tier", tiers...)},
		)
		if kindOf(n) == kindObject && !t.Action.Set() && !t.Tool.Set() && !t.Route.Set() {
			r.problemf(t.Pos, "a test needs an action, a tool or a route")
		}
		*to = append(*to, t)
	})
}

// used reads what a test finds used, by the id of the budget.
func (r *reader) used(to *[]Used) reads {
	return func(n *yaml.Node) {
		r.entries(n, "used", MaxBudgets, func(key Text, value *yaml.Node) {
			used := Used{Budget: key}
			r.positive(&used.Amount, "what is used of a budget")(value)
			*to = append(*to, used)
		})
	}
}

// steps are the parts of a decision that are no rule of the bundle, by the names that
// they have in a decision.
var steps = []string{"request", "action", "tool", "permissions", "risk_tier"}

// codes are the reason codes that a decision of a bundle may have without approvals.
var codes = []string{
	string(aureus.ReasonLowRisk), string(aureus.ReasonMediumRisk), string(aureus.ReasonHighRisk), string(aureus.ReasonCriticalRisk),
	string(aureus.ReasonToolNotAllowed), string(aureus.ReasonToolRequired), string(aureus.ReasonPermissionDenied), string(aureus.ReasonInvalidRequest),
	string(aureus.ReasonActionUnknown), string(aureus.ReasonRuleDenied), string(aureus.ReasonConditionError), string(aureus.ReasonBudgetExceeded),
	string(aureus.ReasonRuleNeedsApproval), string(aureus.ReasonTierNeedsApproval), string(aureus.ReasonTierDenied), string(aureus.ReasonTierAllowed),
	string(aureus.ReasonOpenAction),
}

func method(text string) string {
	if text == "" || strings.Trim(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZ-") != "" {
		return "must be a method of HTTP in capital letters, such as GET"
	}
	return ""
}

func path(text string) string {
	if !strings.HasPrefix(text, "/") {
		return "must begin with /"
	}
	return label(text)
}
