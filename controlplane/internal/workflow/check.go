package workflow

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/internal/nametext"
	"github.com/farmountain/aureus-go/internal/strictjson"
)

// The limits of a spec.
const (
	MaxTasks     = 1000
	MaxAttempts  = 100
	MaxBackoffMS = 24 * 60 * 60 * 1000
	maxID        = 256  // bytes
	maxKey       = 1024 // bytes of an idempotency key
	maxRules     = 100
	maxFindings  = 100 // problems, cycles, violations and warnings that are reported at once
)

// Check returns everything that prevents the spec from being run, with JSON
// pointers into it: invalid ids, duplicates, dependencies on tasks that do not
// exist, cycles, hooks that could never run, and numbers above the limits. A
// hook that is not the id of a task is accepted and ignored, because clients of
// the original send words such as "rollback" there.
func Check(spec *aureus.WorkflowSpec) []strictjson.Problem {
	var problems []strictjson.Problem
	add := func(pointer, format string, args ...any) {
		problems = append(problems, strictjson.Problem{Pointer: pointer, Message: fmt.Sprintf(format, args...)})
	}
	if reason := idProblem(spec.ID); reason != "" {
		add("/id", "%s", reason)
	}
	if len(spec.Tasks) > MaxTasks {
		add("/tasks", "must not hold more than %d tasks", MaxTasks)
		return problems
	}
	name := func(pointer, text string) {
		problem := nametext.Label
		if strings.HasSuffix(pointer, "/tool_name") || strings.HasSuffix(pointer, "/tool") || strings.Contains(pointer, "/allowed_tools/") {
			problem = nametext.Identifier // it is compared, not only displayed
		}
		if reason := problem(text); reason != "" {
			add(pointer, "%s", reason)
		}
	}
	name("/name", spec.Name)
	known, hooks := make(map[string]bool, len(spec.Tasks)), hookTargets(spec)
	for i := range spec.Tasks {
		task, pointer := &spec.Tasks[i], "/tasks/"+strconv.Itoa(i)
		switch reason := idProblem(task.ID); {
		case reason != "":
			add(pointer+"/id", "%s", reason)
		case known[task.ID]:
			add(pointer+"/id", "is used by another task: %q", task.ID)
		}
		known[task.ID] = true
		visitNames(task, func(suffix, text string) { name(pointer+suffix, text) })
		if hooks[task.ID] && task.Compensation != nil {
			add(pointer+"/compensation", "must not be set: the task is itself a hook, and the hooks of a hook never run")
		}
		if len(task.IdempotencyKey) > maxKey {
			add(pointer+"/idempotency_key", "must not be longer than %d bytes", maxKey)
		}
		if task.TimeoutMS > MaxBackoffMS {
			add(pointer+"/timeout_ms", "must not be more than a day")
		}
		if r := task.Retry; r != nil {
			if r.MaxAttempts > MaxAttempts {
				add(pointer+"/retry/max_attempts", "must not be more than %d", MaxAttempts)
			}
			if r.BackoffMS > MaxBackoffMS {
				add(pointer+"/retry/backoff_ms", "must not be more than a day")
			}
		}
	}
	if policy := spec.SafetyPolicy; policy != nil && len(policy.Rules) > maxRules {
		add("/safety_policy/rules", "must not be more than %d", maxRules)
	}
	for _, id := range sortedKeys(spec.Dependencies) {
		pointer := "/dependencies/" + strictjson.Token(id)
		if !known[id] {
			add(pointer, "is not the id of a task of the workflow")
		}
		for i, dependency := range spec.Dependencies[id] {
			if !known[dependency] {
				add(pointer+"/"+strconv.Itoa(i), "is not the id of a task of the workflow: %.80q", dependency)
			}
			if hooks[dependency] {
				add(pointer+"/"+strconv.Itoa(i), "is a task that runs only when another one fails: %.80q", dependency)
			}
		}
	}
	for _, cycle := range cycles(spec) {
		add("/dependencies", "form a cycle: %s", strings.Join(cycle, " -> "))
	}
	return problems[:min(len(problems), maxFindings)]
}

// visitNames calls visit for each name in a task that is stored or that the
// policy uses, with its pointer.
func visitNames(task *aureus.TaskSpec, visit func(pointer, name string)) {
	visit("/name", task.Name)
	visit("/tool_name", task.ToolName)
	for i, tool := range task.AllowedTools {
		visit("/allowed_tools/"+strconv.Itoa(i), tool)
	}
	for i := range task.RequiredPermissions {
		pointer := "/required_permissions/" + strconv.Itoa(i)
		visit(pointer+"/action", task.RequiredPermissions[i].Action)
		visit(pointer+"/resource", task.RequiredPermissions[i].Resource)
	}
	if undo := task.CompensationAction; undo != nil {
		visit("/compensation_action/tool", undo.Tool)
	}
	if hooks := task.Compensation; hooks != nil {
		visit("/compensation/on_failure", hooks.OnFailure)
		visit("/compensation/on_timeout", hooks.OnTimeout)
	}
}

// idProblem returns why an id cannot be used, or "". Ids are parts of URL
// paths, and the published client does not escape them there.
func idProblem(id string) string {
	switch {
	case id == "":
		return "must not be empty"
	case len(id) > maxID:
		return fmt.Sprintf("must not be longer than %d bytes", maxID)
	case id == ".", id == "..", strings.ContainsRune(id, '/'), strings.Contains(id, ".."):
		return "must not be a dot, and must contain neither a slash nor two dots in a row, because it is part of URL paths"
	}
	return nametext.Identifier(id)
}

// cycles returns the cycles among the dependencies, each as a path that ends
// with its first task.
func cycles(spec *aureus.WorkflowSpec) (found [][]string) {
	const visiting, visited = 1, 2
	state := map[string]int{}
	var path []string
	var visit func(id string)
	visit = func(id string) {
		switch {
		case state[id] == visited, len(found) == maxFindings:
			return
		case state[id] == visiting:
			found = append(found, append(slices.Clone(path[slices.Index(path, id):]), id))
			return
		}
		state[id] = visiting
		path = append(path, id)
		for _, dependency := range spec.Dependencies[id] {
			visit(dependency)
		}
		path = path[:len(path)-1]
		state[id] = visited
	}
	for i := range spec.Tasks {
		visit(spec.Tasks[i].ID)
	}
	return found
}

// executionOrder returns the tasks in the order in which they run: that of the
// spec, but each after the tasks that it depends on. Tasks that only a hook
// starts are omitted.
func executionOrder(spec *aureus.WorkflowSpec) []*aureus.TaskSpec {
	tasks, hooks := tasksByID(spec), hookTargets(spec)
	seen := map[string]bool{}
	var sorted []*aureus.TaskSpec
	var visit func(id string)
	visit = func(id string) {
		task := tasks[id]
		if seen[id] || task == nil {
			return
		}
		seen[id] = true
		for _, dependency := range spec.Dependencies[id] {
			visit(dependency)
		}
		if !hooks[id] {
			sorted = append(sorted, task)
		}
	}
	for i := range spec.Tasks {
		visit(spec.Tasks[i].ID)
	}
	return sorted
}

func tasksByID(spec *aureus.WorkflowSpec) map[string]*aureus.TaskSpec {
	tasks := make(map[string]*aureus.TaskSpec, len(spec.Tasks))
	for i := range spec.Tasks {
		tasks[spec.Tasks[i].ID] = &spec.Tasks[i]
	}
	return tasks
}

// hookTargets returns the ids that tasks name as their hooks.
func hookTargets(spec *aureus.WorkflowSpec) map[string]bool {
	targets := map[string]bool{}
	for i := range spec.Tasks {
		if hooks := spec.Tasks[i].Compensation; hooks != nil {
			targets[hooks.OnFailure], targets[hooks.OnTimeout] = true, true
		}
	}
	delete(targets, "")
	return targets
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for key := range m {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}
