package web

import (
	"reflect"

	"github.com/farmountain/aureus-go/aureus"
)

// Doc is what the OpenAPI document says about a route, beyond what follows from
// the route's other fields: see package contract.
type Doc struct {
	ID          string // the operationId, which no other route has
	Tag         string // the group of the operation
	Summary     string // a few words, without a full stop
	Description string // in Markdown

	// Path describes the one wildcard of the pattern. Empty is a pattern without
	// any.
	Path string

	Header []Parameter // request headers beside those of every request

	// Request is the type of the body. nil is a route that reads none.
	Request reflect.Type

	// Response is the type of the body with status 200, and Success describes it.
	// It is string for a body that is not JSON, of the type ContentType.
	Response    reflect.Type
	Success     string
	ContentType string // empty is application/json

	ResponseHeader []Parameter // response headers beside those that follow from the route

	// Unprocessable is a GET route that can be answered with 422.
	Unprocessable bool
}

// Parameter is a parameter of a query, or a header.
type Parameter struct {
	Name        string
	Description string

	// Type is the type that the text stands for. nil is a string.
	Type reflect.Type

	// Words are the only values that are allowed, Pattern is a regular expression
	// for them, and Minimum is the least number. The zero values allow all.
	Words   []string
	Pattern string
	Minimum int
}

// The parameters of more than one route.
var (
	Limit     = Parameter{Name: "limit", Description: "The number of items on one page; a larger number than the server allows counts as the largest.", Type: reflect.TypeFor[int](), Minimum: 1}
	Cursor    = Parameter{Name: "cursor", Description: "Where the page begins: from the header Link of the page before."}
	StartTime = Parameter{Name: "start_time", Description: "From this time on, itself included.", Type: reflect.TypeFor[aureus.Timestamp]()}
	EndTime   = Parameter{Name: "end_time", Description: "Until this time, itself included.", Type: reflect.TypeFor[aureus.Timestamp]()}
)

// names are the names of the parameters, in their order.
func names(parameters []Parameter) []string {
	list := make([]string, len(parameters))
	for i, p := range parameters {
		list[i] = p.Name
	}
	return list
}
