package web

import (
	"reflect"

	"github.com/farmountain/aureus-go/aureus"
)

// Doc describes a route in the OpenAPI document. What follows from the other fields of
// the route is not repeated here; see package contract.
type Doc struct {
	ID          string // the operationId, which must be unique
	Tag         string // the group of the operation
	Summary     string // a few words, without a full stop
	Description string // in Markdown

	// Path describes the wildcard of the pattern, which has at most one. It is empty for
	// a pattern without a wildcard.
	Path string

	Header []Parameter // request headers besides those of every route

	// Request is the type of the request body; nil if the route reads no body. For a body
	// that is not JSON, it is the type string and RequestContentType is set.
	Request            reflect.Type
	RequestContentType string // empty means application/json

	// Response is the type of the response body with status 200, and Success describes
	// the response. For a body that is not JSON, Response is the type string and
	// ContentType is set.
	Response    reflect.Type
	Success     string
	ContentType string // empty means application/json

	ResponseHeader []Parameter // response headers besides those that follow from other fields of the route

	// Unprocessable adds the response with status 422 to a GET route. Routes that change
	// something always have it.
	Unprocessable bool

	// NotFound adds the response with status 404. Routes with the wildcard id always have
	// it. NotModified adds 304, which has no body, and Precondition 412.
	NotFound, NotModified, Precondition bool
}

// Parameter describes a query parameter or a header.
type Parameter struct {
	Name        string
	Description string

	// Type is the type of the value; nil means string.
	Type reflect.Type

	// Words lists the allowed values, Pattern is a regular expression that a value must
	// match, and Minimum is the smallest allowed number. The zero values allow all.
	Words   []string
	Pattern string
	Minimum int
}

// The parameters that several routes have.
var (
	Limit     = Parameter{Name: "limit", Description: "The number of items on one page; a larger number than the server allows counts as the largest.", Type: reflect.TypeFor[int](), Minimum: 1}
	Cursor    = Parameter{Name: "cursor", Description: "Where the page begins: from the header Link of the page before."}
	StartTime = Parameter{Name: "start_time", Description: "From this time on, itself included.", Type: reflect.TypeFor[aureus.Timestamp]()}
	EndTime   = Parameter{Name: "end_time", Description: "Until this time, itself included.", Type: reflect.TypeFor[aureus.Timestamp]()}
)

// names returns the names of the parameters, in the same order.
func names(parameters []Parameter) []string {
	list := make([]string, len(parameters))
	for i, p := range parameters {
		list[i] = p.Name
	}
	return list
}
