// Package console serves the pages for operators under /console/: the policy bundle in
// force, its versions and their differences, the stops, and why a request was decided as
// it was.
//
// The pages are made on the server. They need no JavaScript and load nothing from
// elsewhere; the Content-Security-Policy permits neither inline scripts nor inline
// styles. The files of a page are in the folders templates and assets.
//
// An operator logs in with an API key of the role operator or admin and gets a session:
// see [sessions]. Everything that a page shows or changes is that of the tenant of the
// key. The files in their order:
//
//	service.go           Service, and its routes
//	page.go              how a page, a redirect and an error are written
//	session.go, login.go sessions, logging in and out
//	form.go              reading the form of a request, which must come from a page of the session
//	bundle.go            the bundle in force and single versions
//	history.go, diff.go  the list of versions, and the difference between two
//	stops.go             listing, adding and lifting stops
//	why.go               a decision, with links to the lines of the bundle
package console
