package contract

// telemetryModels describes the types of telemetry and of the state of the server.
var telemetryModels = map[string]model{
	"aureus.TelemetryEventType": {text: "The kind of a telemetry event. The published Python client knows all but the last three."},
	"aureus.LogLevel":           {text: "The level of a span's log."},
	"aureus.TelemetryEvent": {text: "Something that happened.", fields: fields{
		"data":   "Free-form, in camelCase. step_end: success, duration (ms), error; policy_check: allowed, requiresHumanApproval, reason; crv_result: gateName, passed, blocked, failureCode.",
		"source": "server for events that the control plane itself made; absent for reported ones. A value in a report is not stored.",
	}},
	"aureus.Metric": {text: "One measured value.", fields: fields{
		"value": "JSON has no NaN and no infinities: such a value, which the published client sends as null, is refused.",
	}},
	"aureus.SpanLog": {text: "A timed message inside a span."},
	"aureus.Span": {text: "One timed operation of a trace. Ids are any text.", fields: fields{
		"duration": "Milliseconds.",
	}},
	"aureus.Rejection": {text: "Why one item of a batch was rejected.", fields: fields{
		"index": "The index of the item in the array, from 0.",
	}},
	"wire.BatchResponse": {text: "The number of accepted items, which are stored durably, and the rejected ones."},
	"aureus.Summary": {text: "Figures derived from the events.", fields: fields{
		"task_success_rate_by_type": "Share of successful step_end events, 0 to 1, by task_type; events without one count under unknown.",
		"mttr_ms":                   "Mean time from the first failure of a task to its next success, milliseconds; 0 without any.",
		"human_escalation_rate":     "Share of policy_check events that needed an approval: of the events that the control plane itself made, or, where it made none, of the reported ones.",
		"policy_checks":             "The number of policy_check events that the control plane itself made; absent without any.",
		"policy_checks_reported":    "The number of reported policy_check events, which the rate leaves out; absent where the control plane made none.",
		"cost_per_success_ms":       "Mean duration of a success, milliseconds.",
		"start_time":                "The begin of the range; absent where everything is covered.",
		"end_time":                  "The end of the range.",
	}},
	"observe.Health": {text: "The state of the server.", fields: fields{
		"status":  "ok or ready.",
		"version": "The version of the server.",
	}},
}
