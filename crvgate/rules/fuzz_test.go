package rules_test

import (
	"fmt"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/crvgate"
	"github.com/farmountain/aureus-go/crvgate/rules"
	"github.com/farmountain/aureus-go/internal/strictjson"
)

// A configuration is refused with a pointer or accepted. If it is accepted, each result has
// a JSON form. Nothing panics.
func FuzzRegister(f *testing.F) {
	for _, config := range []string{
		`{"type":"cel","parameters":{"expression":"data.a + 1 > previous.a","message_expression":"string(data.a)"}}`,
		`{"type":"cel","parameters":{"expression":"data.all(x, x.matches(data.b))","confidence":0.5,"failure_code":"CONFLICT"}}`,
		`{"type":"cross_field_consistency","parameters":{"rules":[{"name":"r","fields":["a","b"],"expression":"data.a < data.b"}]}}`,
		`{"type":"json_schema","parameters":{"schema":{"type":"object","required":["a"],"properties":{"a":{"$ref":"#/$defs/n"}},"$defs":{"n":{"multipleOf":0.1}}}}}`,
		`{"type":"json_schema","parameters":{"schema":{"$dynamicAnchor":"a","items":{"$dynamicRef":"#a"},"not":{"pattern":"^a"}}}}`,
	} {
		f.Add(config, `{"a":1e400,"b":9007199254740993}`)
		f.Add(config, `[[1],["x"],{"a":null}]`)
	}
	f.Fuzz(func(t *testing.T, config, document string) {
		r := newRegistry()
		if _, err := r.Register(t.Context(), "rule", []byte(config)); err != nil {
			return
		}
		data, err := strictjson.Parse([]byte(document))
		if err != nil {
			return
		}
		result := r.Validator("rule")(t.Context(), crvgate.Change[any]{Data: data, Previous: data, HasPrevious: true})
		if result.Valid != (result.FailureCode == "") {
			t.Fatalf("%s: %+v", config, result)
		}
		if _, err := strictjson.Marshal(result); err != nil {
			t.Fatalf("%s: %v", config, err)
		}
	})
}

// Data matches a schema if and only if it matches in the library without counting steps.
func FuzzJSONSchema(f *testing.F) {
	for _, schema := range []string{
		`{"type":"object","required":["a"],"properties":{"a":{"minimum":1}},"unevaluatedProperties":false}`,
		`{"oneOf":[{"items":{"type":"integer"}},{"contains":{"const":1},"maxContains":1}],"uniqueItems":true}`,
		`{"if":{"minProperties":1},"then":{"propertyNames":{"pattern":"^a"}},"else":{"not":{}}}`,
		`{"$id":"https://example.com/s","$dynamicAnchor":"n","$ref":"t","unevaluatedItems":false,"$defs":{"t":{"$id":"t","$dynamicAnchor":"n","prefixItems":[{"$dynamicRef":"#n"}]}}}`,
		`{"enum":[1,[2],{"a":3}],"format":"email","dependentSchemas":{"a":{"maxProperties":1}}}`,
	} {
		for _, data := range []string{`{}`, `{"a":1}`, `[1,1.0,2]`, `[[[]],1]`, `"a@b"`, `[2]`} {
			f.Add(schema, data)
		}
	}
	f.Fuzz(func(t *testing.T, schema, document string) {
		tree, err := strictjson.Parse([]byte(schema))
		if err != nil {
			return
		}
		data, err := strictjson.Parse([]byte(document))
		if err != nil {
			return
		}
		r := newRegistry()
		if _, err := r.Register(t.Context(), "rule", fmt.Appendf(nil, `{"type":"json_schema","parameters":{"schema":%s}}`, schema)); err != nil {
			return
		}
		result := r.Validator("rule")(t.Context(), crvgate.Change[any]{Data: data})
		if result.FailureCode == aureus.ToolError || result.Metadata == nil && !result.Valid {
			return // without counting steps, the library has no limits
		}
		compiler := jsonschema.NewCompiler()
		compiler.AssertFormat()
		rules.RegisterFormats(compiler)
		if err := compiler.AddResource("https://schema.invalid/document", tree); err != nil {
			t.Fatal(err)
		}
		plain, err := compiler.Compile("https://schema.invalid/document")
		if err != nil {
			t.Fatalf("%s: %v", schema, err)
		}
		if err := plain.Validate(data); (err == nil) != result.Valid {
			t.Fatalf("%s\n%s\n%v\n%+v", schema, document, err, result)
		}
	})
}
