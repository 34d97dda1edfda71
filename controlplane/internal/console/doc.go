// Package console serves the pages for operators under /console/: the approvals that wait
// for a person, decisions and why they were made, the runs of workflows, the audit log,
// the stops, and the policy bundle in force with its versions and their differences.
//
// The pages are made on the server. They work without JavaScript and load nothing from
// elsewhere; the Content-Security-Policy permits neither inline scripts nor inline
// styles. One static script shows times in the reader's zone, and asks for a page again
// when the stream of events says that something on it has changed.
//
// An operator logs in with an API key of the role operator or admin and gets a session:
// see [sessions]. Everything that a page shows or changes is that of the tenant of the
// key. docs/architecture.md says how to add a page. The files in their order:
//
//	service.go                        Service, what it needs, and its routes
//	page.go, templates.go, static.go  how a page, a redirect, an error and a file are written
//	form.go                           reading the form of a request, which must come from a page of the session
//	session.go, cookie.go, login.go   sessions, and logging in
//	events.go                         the stream that says what has changed
//	session_page.go                   the session of the operator, and logging out
//	inbox.go                          the approvals that wait, and those that do not
//	approval.go, facts.go             one approval: what will happen, who asks, and deciding it
//	bundle.go, actions.go, text.go    the bundle in force and single versions
//	history.go, diff_page.go, diff.go the list of versions, and the difference between two
//	stops.go                          listing, adding and lifting stops
//	why.go, story.go                  a decision from the request to the outcome, with links to the lines of the bundle
//	runs.go                           the runs of workflows and their tasks
//	audit.go                          the audit log, and checking it
package console
