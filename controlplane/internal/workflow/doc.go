// Package workflow interprets workflow specs (docs/spec/workflows.md): it checks one
// before it runs, puts its tasks in order, and runs them one at a time with
// retries, timeouts and compensations. What a task does, who admits it and where
// progress is kept is handed in by the server; the package has no state and no
// goroutine of its own but the one that waits for a tool.
package workflow
