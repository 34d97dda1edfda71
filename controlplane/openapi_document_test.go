package controlplane_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/controlplane"
	"github.com/farmountain/aureus-go/internal/strictjson"
)

// document is the parsed OpenAPI document. Its checker knows the part of JSON Schema
// 2020-12 that the document uses, and fails for any other keyword.
type document map[string]any

func readContract(t *testing.T) document {
	t.Helper()
	value, err := strictjson.Parse(controlplane.Contract())
	require.NoError(t, err)
	object, ok := value.(map[string]any)
	require.True(t, ok)
	return object
}

// at returns the object at the path of names, or nil.
func (d document) at(names ...string) map[string]any {
	object := map[string]any(d)
	for _, name := range names {
		object, _ = object[name].(map[string]any)
	}
	return object
}

// resolve follows $ref, which is a path in this document.
func (d document) resolve(object map[string]any) map[string]any {
	ref, ok := object["$ref"].(string)
	if !ok {
		return object
	}
	names := strings.Split(strings.TrimPrefix(ref, "#/"), "/")
	return d.at(names...)
}

// operation is one method of one path.
type operation struct {
	name string // "METHOD /path"
	role string
	body map[string]any
}

// operations returns all operations, by "METHOD /path".
func (d document) operations() map[string]operation {
	all := map[string]operation{}
	for path, item := range d.at("paths") {
		methods, _ := item.(map[string]any)
		for method, body := range methods {
			name := strings.ToUpper(method) + " " + path
			object, _ := body.(map[string]any)
			role, _ := object["x-role"].(string)
			all[name] = operation{name, role, object}
		}
	}
	return all
}

// documentedHandler stands for an operation in the mux of a document.
type documentedHandler struct{ http.Handler }

// mux returns a mux that finds the operation of a request. Its handlers are not called.
func (d document) mux() *http.ServeMux {
	mux := http.NewServeMux()
	for name := range d.operations() {
		mux.Handle(strings.Replace(name, "{trace_id}", "{trace_id...}", 1), documentedHandler{})
	}
	return mux
}

// response returns the response that the operation documents for the status, or nil.
func (d document) response(o operation, status int) map[string]any {
	responses, _ := o.body["responses"].(map[string]any)
	response, ok := responses[strconv.Itoa(status)].(map[string]any)
	if !ok {
		return nil
	}
	return d.resolve(response)
}

// checker compares a value with a schema. If it is closed, an object that declares its
// fields must not have others.
type checker struct {
	document document
	closed   bool
	problems []string
}

// check returns the differences of the value from the schema.
func (d document) check(schema map[string]any, value any, closed bool) []string {
	c := checker{document: d, closed: closed}
	c.value("", schema, value)
	return c.problems
}

func (c *checker) addf(pointer, format string, args ...any) {
	c.problems = append(c.problems, pointer+": "+fmt.Sprintf(format, args...))
}

func (c *checker) value(pointer string, schema map[string]any, value any) {
	for _, keyword := range slices.Sorted(maps.Keys(schema)) {
		rule := schema[keyword]
		switch keyword {
		case "description", "examples":
		case "properties", "required", "additionalProperties": // with type
		case "$ref":
			c.value(pointer, c.document.resolve(schema), value)
		case "anyOf":
			c.anyOf(pointer, list(rule), value)
		case "type":
			c.kind(pointer, rule, value)
		case "enum":
			if !slices.Contains(list(rule), value) {
				c.addf(pointer, "%v is none of %v", value, rule)
			}
		case "items":
			for i, item := range list(value) {
				c.value(fmt.Sprintf("%s/%d", pointer, i), object(rule), item)
			}
		case "minimum", "maximum":
			c.bound(pointer, keyword, rule, value)
		case "minLength", "maxLength", "pattern":
			c.text(pointer, keyword, rule, value)
		default:
			c.addf(pointer, "the checker does not know the keyword %s", keyword)
		}
	}
	if fields, ok := value.(map[string]any); ok {
		c.object(pointer, schema, fields)
	}
}

func (c *checker) anyOf(pointer string, schemas []any, value any) {
	var reasons []string
	for _, schema := range schemas {
		problems := c.document.check(object(schema), value, c.closed)
		if len(problems) == 0 {
			return
		}
		reasons = append(reasons, problems...)
	}
	c.addf(pointer, "fits none of anyOf: %s", strings.Join(reasons, ", "))
}

func (c *checker) kind(pointer string, rule, value any) {
	kinds := list(rule)
	if kinds == nil {
		kinds = []any{rule}
	}
	got := kindOf(value)
	if !slices.Contains(kinds, any(got)) && (got != "integer" || !slices.Contains(kinds, any("number"))) {
		c.addf(pointer, "is %s and must be %v", got, rule)
	}
}

func (c *checker) bound(pointer, keyword string, rule, value any) {
	limit, ok1 := float(rule)
	got, ok2 := float(value)
	if ok1 && ok2 && (keyword == "minimum" && got < limit || keyword == "maximum" && got > limit) {
		c.addf(pointer, "%v is beyond the %s %v", got, keyword, limit)
	}
}

func (c *checker) text(pointer, keyword string, rule, value any) {
	text, ok := value.(string)
	if !ok {
		return
	}
	limit, _ := float(rule)
	length := float64(utf8.RuneCountInString(text))
	pattern, _ := rule.(string)
	if keyword == "minLength" && length < limit || keyword == "maxLength" && length > limit ||
		keyword == "pattern" && !regexp.MustCompile(pattern).MatchString(text) {
		c.addf(pointer, "%q breaks %s %v", text, keyword, rule)
	}
}

func (c *checker) object(pointer string, schema, fields map[string]any) {
	properties := object(schema["properties"])
	for _, name := range list(schema["required"]) {
		if _, ok := fields[name.(string)]; !ok {
			c.addf(pointer, "%v is missing", name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		at := pointer + "/" + name
		if property, ok := properties[name]; ok {
			c.value(at, object(property), fields[name])
			continue
		}
		switch more := schema["additionalProperties"].(type) {
		case map[string]any:
			c.value(at, more, fields[name])
		default:
			if c.closed && properties != nil {
				c.addf(at, "is not in the document")
			}
		}
	}
}

func kindOf(value any) string {
	switch v := value.(type) {
	case nil:
		return "null"
	case bool:
		return "boolean"
	case string:
		return "string"
	case json.Number:
		if f, err := v.Float64(); err == nil && f == float64(int64(f)) {
			return "integer"
		}
		return "number"
	case []any:
		return "array"
	default:
		return "object"
	}
}

func list(value any) []any {
	items, _ := value.([]any)
	return items
}

func object(value any) map[string]any {
	fields, _ := value.(map[string]any)
	return fields
}

func float(value any) (float64, bool) {
	number, ok := value.(json.Number)
	if !ok {
		return 0, false
	}
	f, err := number.Float64()
	return f, err == nil
}

// The checker finds each kind of violation.
func TestOpenAPI_SchemaChecker_FindsEachViolation(t *testing.T) {
	d := readContract(t)
	good := `{"commit":{"id":"c","data":null,"previous_state":null},"gate_config":{"name":"g","validators":["a"],"block_on_failure":true,"required_confidence":0.5}}`
	for reason, test := range map[string]struct{ body, want string }{
		"valid":                     {good, ""},
		"a missing field":           {strings.Replace(good, `"id":"c",`, "", 1), "/commit: id is missing"},
		"null for a required field": {strings.Replace(good, `"c"`, "null", 1), "/commit/id: is null and must be string"},
		"another type":              {strings.Replace(good, `["a"]`, `"a"`, 1), "/gate_config/validators: is string and must be array"},
		"another type in a list":    {strings.Replace(good, `["a"]`, `[1]`, 1), "/gate_config/validators/0: is integer and must be string"},
		"above the maximum":         {strings.Replace(good, "0.5", "1.01", 1), "/gate_config/required_confidence: 1.01 is beyond the maximum 1"},
		"below the minimum":         {strings.Replace(good, "0.5", "-1", 1), "beyond the minimum"},
		"an unknown field":          {strings.Replace(good, `"id"`, `"more":1,"id"`, 1), "/commit/more: is not in the document"},
	} {
		t.Run(reason, func(t *testing.T) {
			value, err := strictjson.Parse([]byte(test.body))
			require.NoError(t, err)
			problems := d.check(d.at("components", "schemas", "ValidateRequest"), value, true)
			if test.want == "" {
				require.Empty(t, problems)
				return
			}
			require.Len(t, problems, 1)
			require.Contains(t, problems[0], test.want)
		})
	}
	require.Contains(t, d.check(map[string]any{"oneOf": nil}, true, true)[0], "does not know the keyword oneOf")
	require.Contains(t, d.check(d.at("components", "schemas", "Intent"), "rename", true)[0], "none of")
	require.Contains(t, d.check(d.at("components", "schemas", "Digest"), "md5:1", true)[0], "pattern")
	require.NotEmpty(t, d.check(d.at("components", "schemas", "Error", "properties", "details"), "text", true))
}

func number(text string) json.Number { return json.Number(text) }
