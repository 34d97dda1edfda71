package contract

import "reflect"

// crvModels describes the types of commit validation.
var crvModels = map[string]model{
	"aureus.FailureTaxonomy": {text: "The class of a validation failure."},
	"aureus.Commit": {text: "A change to validate before it is made.", fields: fields{
		"data":           "Free-form, and may be null, which the validator not_null detects. Numbers keep all their digits.",
		"previous_state": "Free-form; null is none.",
		"metadata":       "With the members workflowId and taskId, the result is also stored as a crv_result event of that task.",
	}},
	"aureus.GateConfig": {text: "A gate: the ids of its validators, in order.", fields: fields{
		"validators":          "An id that is not registered gives an invalid result, not an error. An empty list passes.",
		"block_on_failure":    "Whether a failure blocks the commit. Otherwise it is a warning.",
		"required_confidence": "Every result needs at least this confidence; 0 is no threshold.",
		"recovery_strategy":   "Returned with a failure. Its type is retry_alt_tool (tool_name, max_retries), ask_user (prompt), escalate (reason) or ignore (justification).",
	}},
	"wire.ValidateRequest": {text: "A request to validate a commit."},
	"aureus.ValidationResult": {text: "The result of one validator.", fields: fields{
		"remediation": "What the caller can do about it.",
	}},
	"aureus.GateResult": {text: "The result of a gate.", fields: fields{
		"validation_results": "One for each validator, in order.",
		"crv_status":         "passed, blocked or warning.",
		"failure_code":       "The code of the first failure that has one.",
	}},
	"contract.ValidatorConfig": {text: "The configuration of a validator. Names in parameters may be written in camelCase too. A configuration that cannot be compiled, or that fails its own tests, is refused with the places of the errors, and the version before stays in force.", fields: fields{
		"type":             "not_null, monotonic, schema, max_size, statistical_bounds, anomaly_detection, cross_field_consistency, temporal_monotonic, memory_retention, memory_compression, memory_encryption, compliance_standards, memory_policy, json_schema, cel, custom, and what the host of the server adds.",
		"parameters":       "What the type asks for: schema: fields; max_size: max; statistical_bounds: field, min, max, mean, stddev, tolerance; anomaly_detection: field, history, threshold; cross_field_consistency: rules; temporal_monotonic: timestamp_field, version_field, allow_equal, max_time_drift; memory_retention: max_retention_ms, timestamp_field; memory_compression: threshold, compressed_field; compliance_standards: required; json_schema: schema; cel: expression, message, failure_code, confidence, remediation; custom: whatever the function takes, or min_x and max_x for a field x.",
		"validation_logic": "For the type custom: the function that the host registered under this name.",
		"tests":            "Run at registration; a failing one refuses it. At most 100.",
		"name":             "A note for people.",
		"description":      "A note for people.",
	}},
	"contract.ValidatorTest": {text: "One test of a configuration.", fields: fields{
		"want":         "passed, blocked or warning.",
		"failure_code": "The failure code that is also expected.",
	}},
	"wire.RegisterRequest": {narrower: map[string][]reflect.Type{"config": {reflect.TypeFor[ValidatorConfig]()}}, text: "A request to register a validator.", fields: fields{
		"validator_id": "At most 256 bytes, without slashes and control characters. A built-in validator cannot be replaced.",
	}},
	"aureus.ValidatorRegistration": {text: "The validator that was registered. It is in force.", fields: fields{
		"registered": "Always true.",
		"replaced":   "It replaced an earlier version.",
		"version":    "Counts from 1.",
		"scope":      "subject: for the subject of the key that registered it. tenant: an admin registered it, for every subject of the tenant. former: registered before validators had owners, for every subject that has no validator of its own under this id.",
	}},
	"wire.RegisteredValidator": {text: "A registered validator, in the version that is in force.", fields: fields{
		"scope":         "tenant, subject or former, as in ValidatorRegistration.",
		"subject":       "The subject that it belongs to, where the scope is subject.",
		"etag":          "The same as the header ETag.",
		"config":        "The configuration as it was registered.",
		"registered_by": "The subject of the key.",
	}},
}
