// Package rules brings the admission gate's rule languages: validators that are
// configuration, not code (SPEC 4.6). [Register] makes three types known to a
// [registry.Registry]:
//
//   - cel: one CEL expression over data, previous and metadata.
//   - cross_field_consistency: several, each over fields that must be there.
//   - json_schema: a JSON Schema 2020-12 document for the data.
//
// It is a package of its own so that who needs no rule language links none.
//
//	var registry registry.Registry
//	rules.Register(&registry)
//	_, err := registry.Register(ctx, "no_overdraft", []byte(`{
//		"type": "cel",
//		"parameters": {"expression": "data.amount <= data.balance"}
//	}`))
//
// A configuration is compiled when it is registered, and what is wrong with it
// is a [*registry.ConfigError] with the JSON pointer, and the line and column
// within an expression. Rules come over an API: they read and write nothing, and
// what they may cost is bounded.
//
// # cel
//
// The parameters are expression, message or message_expression, failure_code,
// confidence and remediation. The expression must be a condition: data.approved
// alone may be anything, and data.approved == true is one. previous is null
// where there is no previous state, metadata is an object.
//
// True passes. False fails with failure_code (POLICY_VIOLATION where none is
// given), the message and the remediation (the standard hint where none is
// given). The confidence, 1 where none is given, is that of both. A key that is
// missing is MISSING_DATA, named in the reason and in the metadata's
// missingFields; has(data.key) asks first. Every other error of an evaluation is
// a TOOL_ERROR: values of other kinds than the expression takes, a number too
// large, the cost limit. Reasons never quote data, unless a message_expression
// does. Where a message_expression cannot be evaluated, the failure stands, with
// the message for that case.
//
// Numbers are doubles that integers mix with, so data.amount + 1 is what it
// says; whole numbers beyond 2^53 stay exact, up to 64 bits. A number that
// cannot be held exactly (a larger one, or one with more digits than a double
// has) is a TOOL_ERROR, and never another number. 0.1 + 0.2 is not 0.3, as with
// doubles everywhere: keep money in cents, or compare with a margin. What has to
// be alike in kind is told at registration: size(data.items) == 1.0 is refused
// with the advice to write 1.
//
// string(data.account) writes a number in plain decimal digits without an
// exponent: 123456789, and 1 for 1.0. A number and a text are never equal, so a
// list of texts is asked with it: !(string(data.account) in ["123456789"]).
//
// # cross_field_consistency
//
// The parameters are rules, each with a name, fields, an expression as that of
// cel, and a message. All fields of all rules must be in the data, or the result
// is MISSING_DATA and lists them. Then the first rule that is false is a
// CONFLICT, and the first that cannot be evaluated a TOOL_ERROR with confidence
// 0.5 (SPEC 4.3). An empty list of rules checks that the data is an object, and
// says in the metadata that it checked no rule.
//
// # json_schema
//
// The parameter is schema, a 2020-12 document. Where nothing but absent
// properties is wrong, the code is MISSING_DATA, else CONFLICT. The metadata
// holds violations, at most 20, each with the pointer of the value, the keyword,
// its place in the schema and a message, in the order of the pointers;
// violationCount, how many there are; and missingFields, the pointers of the
// properties that are absent. Messages speak of the schema and never quote data.
//
// A violation's pointer is that of the value, also where a name in it is what is
// wrong (propertyNames), and its place in the schema is that of the keyword. Of
// not, and of anyOf and oneOf, only the keyword itself is told; what if, then,
// else, dependentSchemas and references lead to is told in its own place.
//
// Four things are stricter than the standard asks for:
//
//   - A format is an assertion, by the grammar of the document that defines it:
//     date, time, date-time, duration (RFC 3339), email (RFC 5321), idn-email (RFC
//     6531), hostname (RFC 1123), idn-hostname (IDNA 2008, with Unicode's tables of
//     the Go release), ipv4, ipv6, uri, uri-reference (RFC 3986), iri,
//     iri-reference (RFC 3987), uri-template (RFC 6570), uuid, json-pointer (RFC
//     6901), relative-json-pointer (without a moved index), and semver and period,
//     which the standard does not have. The format regex is RE2's. One that is not
//     known here is refused at registration.
//   - A keyword that is misspelt (Required, max_length, maxLenght), or of an older
//     draft (additionalItems), is refused, since it would check nothing. Remarks of
//     one's own have other names, or begin with x-.
//   - A reference leads to a place in the document itself or to the standard's own
//     metaschema: nothing is ever loaded.
//   - Patterns are RE2, which has no look-around and no backtracking, and whose \s
//     and \d are those of ASCII.
//
// The older keyword dependencies is checked as drafts before 2019-09 have it.
// contentEncoding, contentMediaType and contentSchema are remarks. Numbers compare
// exactly.
//
// # What it may cost
//
// An expression costs at most 100,000 of CEL's units, one that goes through no
// list 1,000,000, and a schema at most 1,000,000 steps for one commit; beyond
// that the result is a TOOL_ERROR. In a gate of the wire all validators together
// have [registry.MaxGateSteps].
package rules
