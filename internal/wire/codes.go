package wire

// The values of the member "code" in an [ErrorBody]. The control plane sends them,
// and also the APPROVAL_… reason codes of package aureus; the client acts on them.
// Add a new one to [ErrorCodes] too.
const (
	CodeMalformed       = "MALFORMED_JSON"         // 400: the body is not one JSON value
	CodeValidation      = "VALIDATION_ERROR"       // 400 for a query, 422 for a body; details list every problem
	CodeUnauthorized    = "AUTHENTICATION_FAILED"  // 401
	CodeForbidden       = "PERMISSION_DENIED"      // 403
	CodeSelfApproval    = "SELF_APPROVAL"          // 403: the requester of an approval tried to decide it
	CodeNotFound        = "NOT_FOUND"              // 404
	CodeMethod          = "METHOD_NOT_ALLOWED"     // 405
	CodeTooSlow         = "BODY_TOO_SLOW"          // 408
	CodeConflict        = "STATE_CONFLICT"         // 409
	CodeInFlight        = "IDEMPOTENCY_IN_FLIGHT"  // 409: a request with the same Idempotency-Key has not ended
	CodeTooLarge        = "BODY_TOO_LARGE"         // 413
	CodeMediaType       = "UNSUPPORTED_MEDIA_TYPE" // 415
	CodeKeyReused       = "IDEMPOTENCY_KEY_REUSED" // 422: the same Idempotency-Key with another request
	CodePolicyViolation = "POLICY_VIOLATION"       // 422: a workflow breaks its safety policy
	CodeExhausted       = "RESOURCE_EXHAUSTED"     // 429: above a rate limit or a quota; 503: a read took too long
	CodeInternal        = "INTERNAL_ERROR"         // 500
	CodeNotServed       = "NOT_IMPLEMENTED"        // 501: only from the test server of package aureustest
	CodeStore           = "STATE_STORE_ERROR"      // 503: the store could not be read or written
	CodeShuttingDown    = "SHUTTING_DOWN"          // 503
	CodeOverloaded      = "OVERLOADED"             // 503: the limit of concurrent requests is reached
	CodeUndecided       = "UNDECIDED"              // 503: the policy could not be evaluated
)

// ErrorCodes lists all codes above. The caller owns the slice.
func ErrorCodes() []string {
	return []string{
		CodeMalformed, CodeValidation, CodeUnauthorized, CodeForbidden, CodeSelfApproval, CodeNotFound, CodeMethod, CodeTooSlow,
		CodeConflict, CodeInFlight, CodeTooLarge, CodeMediaType, CodeKeyReused, CodePolicyViolation, CodeExhausted, CodeInternal,
		CodeNotServed, CodeStore, CodeShuttingDown, CodeOverloaded, CodeUndecided,
	}
}
