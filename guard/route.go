package guard

import "github.com/farmountain/aureus-go/aureus"

// Route binds the pattern of a route to an action. The zero value binds nothing, and
// requests that match such a route are refused.
type Route struct {
	// Pattern is a pattern of [net/http.ServeMux], such as "GET /accounts/{id}", or that
	// of another router in its own form.
	Pattern string

	// Action is what a request on this route does. If a policy bundle decides, only the id
	// counts: the bundle defines the rest.
	Action aureus.Action

	// Open serves the route without a decision and without a record, such as a health
	// check. It must be true explicitly, and Action.ID is then only a name for reports.
	Open bool

	// Arguments lists the parts of the HTTP request that become Request.Arguments: "path"
	// for the path values, "query" and "body" (a JSON object). nil means only "path".
	Arguments []string

	// Roles lists who holds the permissions of the action, for reports. nil means that it
	// is not known.
	Roles []string
}

// Routes is a fixed table of routes.
type Routes []Route

// Routes returns the table itself, so that a fixed table can be used where the routes
// of a policy bundle, which may change while the program runs, are accepted too.
func (r Routes) Routes() []Route { return r }
