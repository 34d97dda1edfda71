package workflow

import (
	"fmt"
	"slices"

	"github.com/farmountain/aureus-go/aureus"
)

// The rules of a safety policy. See docs/spec/workflows.md#safety-policy.
const (
	ruleAfterCritical = "no_action_after_critical_without_approval"
	rulePermissions   = "require_permissions_for_high_risk"
	ruleCompensation  = "require_compensation_for_critical"
	ruleNoCycles      = "no_cycles"
)

// rule is a rule of a safety policy. The published client sends only the type
// of a rule; such a rule is enabled, is an error, and applies from risk HIGH
// on.
type rule struct {
	kind      string
	warning   bool
	followers []string // ids of tasks that may follow a CRITICAL task
}

// defaultRules apply to a spec without a safety policy.
var defaultRules = []rule{
	{kind: ruleAfterCritical},
	{kind: rulePermissions},
	{kind: ruleCompensation, warning: true},
	{kind: ruleNoCycles},
}

// Safety checks the spec against its safety policy, or against the default
// rules.
func Safety(spec *aureus.WorkflowSpec) (violations, warnings []aureus.SafetyViolation) {
	if spec.SafetyPolicy == nil {
		return checkRules(spec, defaultRules, false)
	}
	rules := make([]rule, len(spec.SafetyPolicy.Rules))
	for i, r := range spec.SafetyPolicy.Rules {
		rules[i] = rule{kind: r.Type}
	}
	return checkRules(spec, rules, spec.SafetyPolicy.FailFast)
}

func checkRules(spec *aureus.WorkflowSpec, rules []rule, failFast bool) (violations, warnings []aureus.SafetyViolation) {
	for _, r := range rules {
		found, known := r.violations(spec)
		switch {
		case !known:
			warnings = append(warnings, aureus.SafetyViolation{Rule: r.kind, Message: fmt.Sprintf("the rule %.80q is unknown and was not checked", r.kind)})
		case r.warning:
			warnings = append(warnings, found...)
		default:
			violations = append(violations, found...)
		}
		if failFast && len(violations) > 0 {
			break
		}
	}
	return violations[:min(len(violations), maxFindings)], warnings[:min(len(warnings), maxFindings)]
}

func (r rule) violations(spec *aureus.WorkflowSpec) (found []aureus.SafetyViolation, known bool) {
	add := func(message string, tasks ...string) {
		if len(found) == maxFindings {
			return
		}
		found = append(found, aureus.SafetyViolation{Rule: r.kind, Tasks: tasks, Message: message})
	}
	switch r.kind {
	case ruleAfterCritical:
		followers := dependentsOf(spec)
		for i := range spec.Tasks {
			if critical := &spec.Tasks[i]; critical.RiskTier == "CRITICAL" {
				for _, follower := range r.unsafeFollowers(followers[critical.ID], critical) {
					add(fmt.Sprintf("the task %q follows the CRITICAL task %q, but is not its hook and has no compensation action", follower, critical.ID), critical.ID, follower)
				}
			}
		}
	case rulePermissions:
		for i := range spec.Tasks {
			task := &spec.Tasks[i]
			if high := task.RiskTier == "HIGH" || task.RiskTier == "CRITICAL"; high && len(task.RequiredPermissions) == 0 {
				add(fmt.Sprintf("the task %q is %s and requires no permission", task.ID, task.RiskTier), task.ID)
			}
		}
	case ruleCompensation:
		for i := range spec.Tasks {
			task := &spec.Tasks[i]
			hooked := task.Compensation != nil && (task.Compensation.OnFailure != "" || task.Compensation.OnTimeout != "")
			if task.RiskTier == "CRITICAL" && !hooked && task.CompensationAction == nil {
				add(fmt.Sprintf("the task %q is CRITICAL, but has neither a hook nor a compensation action", task.ID), task.ID)
			}
		}
	case ruleNoCycles:
		for _, cycle := range cycles(spec) {
			add("the dependencies form a cycle", cycle...)
		}
	default:
		return nil, false
	}
	return found, true
}

// dependentsOf returns for each task the tasks that depend on it directly, in
// the order of the spec.
func dependentsOf(spec *aureus.WorkflowSpec) map[string][]*aureus.TaskSpec {
	followers := map[string][]*aureus.TaskSpec{}
	for i := range spec.Tasks {
		task := &spec.Tasks[i]
		for _, id := range spec.Dependencies[task.ID] {
			if list := followers[id]; len(list) == 0 || list[len(list)-1] != task { // ignore a dependency that is named twice
				followers[id] = append(list, task)
			}
		}
	}
	return followers
}

// unsafeFollowers returns the tasks that must not follow the critical task:
// those that are neither its hooks, nor have a compensation action, nor are
// allowed by the rule.
func (r rule) unsafeFollowers(followers []*aureus.TaskSpec, critical *aureus.TaskSpec) (ids []string) {
	for _, task := range followers {
		hook := critical.Compensation != nil && (critical.Compensation.OnFailure == task.ID || critical.Compensation.OnTimeout == task.ID)
		if !hook && task.CompensationAction == nil && !slices.Contains(r.followers, task.ID) {
			ids = append(ids, task.ID)
		}
	}
	return ids
}
