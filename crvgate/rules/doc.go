// Package rules adds rule languages to the registry of an admission gate: validators
// that are configuration, not code. [Register] adds three types to a
// [registry.Registry]:
//
//   - cel: one CEL expression over data, previous and metadata.
//   - cross_field_consistency: several expressions, each over fields that are required.
//   - json_schema: a JSON Schema 2020-12 document for the data.
//
// It is a separate package, so that programs without rule languages do not link them.
//
//	var r registry.Registry
//	rules.Register(&r)
//	_, err := r.Register(ctx, "no_overdraft", []byte(`{
//		"type": "cel",
//		"parameters": {"expression": "data.amount <= data.balance"}
//	}`))
//
// A configuration is compiled when it is registered. The error for an invalid
// configuration is a [*registry.ConfigError] with the JSON pointer of each problem, and
// with the line and column inside an expression. Rules may come over an API from people
// who may not deploy code, so rules have no input or output, and their cost is limited.
//
// # cel
//
// The parameters are expression, message or message_expression, failure_code,
// confidence and remediation. The expression must be a condition, which is true or
// false: data.approved may have any type, so write data.approved == true. previous is
// null if there is no previous state. metadata is an object.
//
// If the expression is true, the change passes. If it is false, the result has the
// failure_code (default POLICY_VIOLATION), the message and the remediation (default: the
// standard one of the code). The confidence (default 1) is that of both results. If a key
// is absent, the result is MISSING_DATA, and the key is in the reason and in
// missingFields of the metadata; has(data.key) tests for a key first. Every other error
// is a TOOL_ERROR: a value of a type that the expression does not accept, a number that
// is too large, the cost limit. Reasons never contain data, unless a message_expression
// puts it there. If a message_expression cannot be evaluated, the failure has the reason
// that it would have without one.
//
// Numbers are doubles and can be mixed with integers, so data.amount + 1 works. Integers
// beyond 2^53 stay exact up to 64 bits. A number that cannot be represented exactly (a
// larger one, or one with more digits than a double has) is a TOOL_ERROR; it is never
// rounded. 0.1 + 0.2 is not 0.3, as always with doubles: use cents for money, or compare
// with a tolerance. If an expression mixes number types that cannot be equal, as in
// size(data.items) == 1.0, registration fails with a message that says what to write.
//
// string(data.account) writes a number in decimal digits without an exponent: 123456789,
// and 1 for 1.0. A number is never equal to a string, so a list of strings needs the
// conversion: !(string(data.account) in ["123456789"]).
//
// # cross_field_consistency
//
// The parameters are rules, each with a name, fields, an expression like that of cel, and
// optionally a message. All fields of all rules must be in the data; otherwise the result
// is MISSING_DATA and lists them. Then the first rule that is false is a CONFLICT, and
// the first that cannot be evaluated is a TOOL_ERROR with confidence 0.5. With an empty
// list of rules, the validator checks that the data is an object, and its metadata says
// that it checked no rule.
//
// # json_schema
//
// The parameter is schema, a 2020-12 document. If the data only lacks properties, the code
// is MISSING_DATA, otherwise CONFLICT. The metadata has violations, sorted by pointer and
// at most 20: each has the pointer of the value, the keyword, the pointer of the keyword in
// the schema, and a message. violationCount is the number of all violations.
// missingFields has the pointers of absent properties. Messages describe the schema and
// never contain data.
//
// The pointer of a violation is that of the value, also if a property name is wrong
// (propertyNames). For not, anyOf and oneOf there is one violation, of the keyword itself;
// for if, then, else, dependentSchemas and references there are those of the schema that
// they lead to.
//
// Four things are stricter than in the standard:
//
//   - A format is checked, by the grammar of the document that defines it: date, time,
//     date-time, duration (RFC 3339), email (RFC 5321), idn-email (RFC 6531), hostname
//     (RFC 1123), idn-hostname (IDNA 2008, with the Unicode tables of the Go release),
//     ipv4, ipv6, uri, uri-reference (RFC 3986), iri, iri-reference (RFC 3987),
//     uri-template (RFC 6570), uuid, json-pointer (RFC 6901), relative-json-pointer
//     (without an index offset), and semver and period, which the standard does not have.
//     The format regex is that of RE2. An unknown format is refused at registration.
//   - A misspelt keyword (Required, max_length, maxLenght) and a keyword of an older draft
//     (additionalItems) is refused, because it would check nothing. Names of your own
//     annotations must not resemble a keyword, or must begin with x-.
//   - A reference must refer to a part of the document itself or to the metaschema of the
//     standard. Nothing is loaded from a file or a network.
//   - Patterns are RE2, which has no look-around and no backtracking. \s and \d match ASCII
//     characters only.
//
// The older keyword dependencies is checked as drafts before 2019-09 define it.
// contentEncoding, contentMediaType and contentSchema check nothing. Numbers compare
// exactly.
//
// # Limits
//
// For one commit, an expression costs at most 100,000 units of CEL, or 1,000,000 if it
// iterates over no list, and a schema at most 1,000,000 steps. Beyond that the result is a
// TOOL_ERROR. All validators of one call of [registry.Registry.Validate] together have
// [registry.MaxGateSteps]. The constants of this package limit one configuration.
package rules
