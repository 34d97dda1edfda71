// Package registry makes validators of configurations: JSON texts that say the type of
// a validator and its parameters. It keeps them under ids, and judges commits by the
// ids of the validators, as a control plane does. A control plane and a service that
// embeds this package use the same code, so that their results are the same.
//
//	var r registry.Registry
//	_, err := r.Register(ctx, "small", []byte(`{
//		"type": "max_size",
//		"parameters": {"max": 10000},
//		"tests": [{"name": "an empty object", "commit": {"id": "t", "data": {}}, "want": "passed"}]
//	}`))
//	result := r.Validate(ctx, commit, aureus.GateConfig{Name: "g", Validators: []string{"small"}, BlockOnFailure: true})
//
// [Registry.Validator] gives a registered validator to a gate in Go.
//
// # Configurations
//
// A configuration is a JSON object with these members. Their names, and those of
// parameters, are accepted in snake_case and in camelCase. Unknown names are refused.
//
//   - type: the type of the validator. Required.
//   - parameters: an object. What it may hold depends on the type.
//   - validation_logic: for the type custom, the name of a function of the host.
//   - tests: an array of tests, each with a name, a commit, want (passed, blocked or
//     warning) and, if wanted, a failure_code. They run when the configuration is
//     registered, and a test that fails refuses it.
//   - name and description: texts for people.
//
// The types are those of package validators: not_null, schema, monotonic, max_size,
// statistical_bounds, anomaly_detection, temporal_monotonic, memory_retention,
// memory_compression, memory_encryption, compliance_standards and memory_policy. The
// type custom calls a function that the host made known with [Registry.Func]; if there
// is none with that name, parameters such as min_amount and max_amount bound fields.
// Package crvgate/rules adds cel, cross_field_consistency and json_schema, and
// [Registry.Type] adds types of your own. docs/spec/gates.md lists the parameters.
package registry
