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

// The bounds of a spec.
const (
	MaxTasks     = 1000
	MaxAttempts  = 100
	MaxBackoffMS = 24 * 60 * 60 * 1000
	maxID        = 256  // bytes
	maxKey       = 1024 // bytes of an idempotency key
	maxRules     = 100
	maxFindings  = 100 // cycles, violations and warnings that are told of: who mends them asks again
)

// Check lists everything that keeps the spec from being run, with JSON pointers
// into it: ids that cannot stand in a path, duplicates, dependencies on tasks
// that are not there, cycles, hooks that could never run, and numbers beyond the
// bounds. A hook that names no task is accepted and ignored: clients of the
// original send words such as "rollback" there.
func Check(spec *aureus.WorkflowSpec) []strictjson.Problem {
	var problems []strictjson.Problem
	add := func(pointer, format string, args ...any) {
		problems = append(problems, strictjson.Problem{Pointer: pointer, Message: fmt.Sprintf(format, args...)})
	}
	if why := badID(spec.ID); why != "" {
		add("/id", "%s", why)
	}
	if len(spec.Tasks) > MaxTasks {
		add("/tasks", "must not hold more than %d tasks", MaxTasks)
		return problems
	}
	name := func(pointer, text string) {
		problem := nametext.Label
		if strings.HasSuffix(pointer, "/tool_name") || strings.HasSuffix(pointer, "/tool") || strings.Contains(pointer, "/allowed_tools/") {
			problem = nametext.Identifier // it is compared, not only shown
		}
		if why := problem(text); why != "" {
			add(pointer, "%s", why)
		}
	}
	name("/name", spec.Name)
	known, hooks := make(map[string]bool, len(spec.Tasks)), hookTargets(spec)
	for i := range spec.Tasks {
		task, at := &spec.Tasks[i], "/tasks/"+strconv.Itoa(i)
		switch why := badID(task.ID); {
		case why != "":
			add(at+"/id", "%s", why)
		case known[task.ID]:
			add(at+"/id", "is used by another task: %q", task.ID)
		}
		known[task.ID] = true
		names(task, func(pointer, text string) { name(at+pointer, text) })
		if hooks[task.ID] && task.Compensation != nil {
			add(at+"/compensation", "must not be: the task is itself run by a hook, and its own hooks never would be")
		}
		if len(task.IdempotencyKey) > maxKey {
			add(at+"/idempotency_key", "must not be longer than %d bytes", maxKey)
		}
		if task.TimeoutMS > MaxBackoffMS {
			add(at+"/timeout_ms", "must not be more than a day")
		}
		if r := task.Retry; r != nil {
			if r.MaxAttempts > MaxAttempts {
				add(at+"/retry/max_attempts", "must not be more than %d", MaxAttempts)
			}
			if r.BackoffMS > MaxBackoffMS {
				add(at+"/retry/backoff_ms", "must not be more than a day")
			}
		}
	}
	if policy := spec.SafetyPolicy; policy != nil && len(policy.Rules) > maxRules {
		add("/safety_policy/rules", "must not be more than %d", maxRules)
	}
	for _, id := range sortedKeys(spec.Dependencies) {
		at := "/dependencies/" + strictjson.Token(id)
		if !known[id] {
			add(at, "names no task of the workflow")
		}
		for i, dependency := range spec.Dependencies[id] {
			if !known[dependency] {
				add(at+"/"+strconv.Itoa(i), "names no task of the workflow: %.80q", dependency)
			}
			if hooks[dependency] {
				add(at+"/"+strconv.Itoa(i), "names a task that runs only when another one fails: %.80q", dependency)
			}
		}
	}
	for _, cycle := range cycles(spec) {
		add("/dependencies", "go round in a circle: %s", strings.Join(cycle, " -> "))
	}
	return problems[:min(len(problems), maxFindings)]
}

// names are the names in a task that are kept, or that the policy is asked about,
// with their pointers.
func names(task *aureus.TaskSpec, name func(pointer, text string)) {
	name("/name", task.Name)
	name("/tool_name", task.ToolName)
	for i, tool := range task.AllowedTools {
		name("/allowed_tools/"+strconv.Itoa(i), tool)
	}
	for i := range task.RequiredPermissions {
		at := "/required_permissions/" + strconv.Itoa(i)
		name(at+"/action", task.RequiredPermissions[i].Action)
		name(at+"/resource", task.RequiredPermissions[i].Resource)
	}
	if undo := task.CompensationAction; undo != nil {
		name("/compensation_action/tool", undo.Tool)
	}
	if hooks := task.Compensation; hooks != nil {
		name("/compensation/on_failure", hooks.OnFailure)
		name("/compensation/on_timeout", hooks.OnTimeout)
	}
}

// badID returns the reason why an id cannot be used, or "" if it can. An id stands in
// paths, and the published client does not escape it there.
func badID(id string) string {
	switch {
	case id == "":
		return "must not be empty"
	case len(id) > maxID:
		return fmt.Sprintf("must not be longer than %d bytes", maxID)
	case id == ".", id == "..", strings.ContainsRune(id, '/'), strings.Contains(id, ".."):
		return "must hold neither a slash nor two dots in a row, and not be a dot, since it stands in paths"
	}
	return nametext.Identifier(id)
}

// cycles finds circles among the dependencies, each as the way round it, its
// first task again at the end.
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

// order is the order in which the tasks run: that of the spec, each after those
// it depends on. Tasks that only a hook starts are left out.
func order(spec *aureus.WorkflowSpec) []*aureus.TaskSpec {
	tasks, hooks := byID(spec), hookTargets(spec)
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

func byID(spec *aureus.WorkflowSpec) map[string]*aureus.TaskSpec {
	tasks := make(map[string]*aureus.TaskSpec, len(spec.Tasks))
	for i := range spec.Tasks {
		tasks[spec.Tasks[i].ID] = &spec.Tasks[i]
	}
	return tasks
}

// hookTargets are the tasks that another one names as its hook.
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
