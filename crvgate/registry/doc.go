// Package registry creates validators from configurations: JSON texts with the type of a
// validator and its parameters. It registers them with ids, and validates commits with
// the validators that a gate configuration names by id, as a control plane does. A
// control plane and a service that embeds this package use the same code, so their
// results are the same.
//
//	var r registry.Registry
//	_, err := r.Register(ctx, "small", []byte(`{
//		"type": "max_size",
//		"parameters": {"max": 10000},
//		"tests": [{"name": "an empty object", "commit": {"id": "t", "data": {}}, "want": "passed"}]
//	}`))
//	result := r.Validate(ctx, commit, aureus.GateConfig{Name: "g", Validators: []string{"small"}, BlockOnFailure: true})
//
// [Registry.Validator] returns a registered validator for a gate in Go.
//
// # Configurations
//
// A configuration is a JSON object with these members. Their names, and those of
// parameters, are accepted in snake_case and in camelCase. Unknown names are refused.
//
//   - type: the type of the validator. Required.
//   - parameters: an object. Its members depend on the type.
//   - validation_logic: for the type custom, the name of a function in Go.
//   - tests: an array of tests, each with a name, a commit, want (passed, blocked or
//     warning) and optionally the expected failure_code. They run when the configuration
//     is registered. If a test fails, the configuration is refused.
//   - name and description: texts for people.
//
// The types are those of package validators: not_null, schema, monotonic, max_size,
// statistical_bounds, anomaly_detection, temporal_monotonic, memory_retention,
// memory_compression, memory_encryption, compliance_standards and memory_policy. The
// type custom calls a function that the program added with [Registry.Func]; if there is
// none with that name, parameters such as min_amount and max_amount are limits of fields.
// Package crvgate/rules adds cel, cross_field_consistency and json_schema, and
// [Registry.Type] adds types of your own. docs/spec/gates.md lists the parameters.
package registry
