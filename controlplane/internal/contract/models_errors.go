package contract

import (
	"reflect"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/crvgate/registry"
)

// errorsModels describes the types of error responses.
var errorsModels = map[string]model{
	"contract.ErrorCode": {text: "The kind of the error, for programs."},
	"wire.ErrorBody": {name: "Error", narrower: map[string][]reflect.Type{"code": {reflect.TypeFor[ErrorCode]()}, "details": {reflect.TypeFor[[]registry.Problem](), reflect.TypeFor[[]aureus.SafetyViolation](), reflect.TypeFor[map[string]any]()}}, text: "The body of every response that is not a success. It never contains a secret.", fields: fields{
		"error":       "An explanation of the error, for people.",
		"details":     "A list of all problems for VALIDATION_ERROR and POLICY_VIOLATION; the position (line, column, pointer) for MALFORMED_JSON.",
		"remediation": "What the caller can do about it.",
		"request_id":  "The request's id, as in the header X-Request-Id and the server's log.",
	}},
	"registry.Problem": {text: "One problem of a body or a query.", fields: fields{
		"pointer": "A JSON pointer (RFC 6901) into the body; for a query, / and the name of the parameter.",
		"line":    "Line and column, from 1, inside a text at the pointer, such as an expression.",
		"message": "What is wrong, and what would be valid.",
	}},
}
