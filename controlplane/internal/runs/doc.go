// Package runs executes workflows. A run is one execution of a workflow: it is
// stored, it has its own goroutine while it is under way, and it ends, or waits
// for an approval, independently of the request that started it.
//
// A request to execute a workflow passes through these files, each of which calls
// the next one:
//
//	execute.go   reads the request, and in the end writes the result
//	check.go     refuses what cannot be run
//	start.go     joins the run under way, continues a stored one, or stores a new one
//	live.go      starts the run's goroutine
//	host.go      runs the interpreter (package workflow) and implements its Host:
//	             admit.go decides about an attempt at a task, tool_call.go calls the
//	             tool, save.go stores the state
//	result.go    makes the response from the state of the run
//
// status.go and cancel.go serve the other two paths. wake.go continues runs whose
// approval has been decided and stops those whose key has been revoked.
//
// The behaviour for users is specified in docs/spec/workflows.md.
package runs
