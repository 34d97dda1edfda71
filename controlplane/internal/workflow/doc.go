// Package workflow interprets workflow specs (docs/spec/workflows.md). It
// checks a spec before it runs, orders its tasks, and runs them one at a time
// with retries, timeouts and compensations. The server supplies a [Host], which
// executes tasks, admits them and stores the state. The package has no state of
// its own. Its only goroutines are those that wait for a tool.
package workflow
