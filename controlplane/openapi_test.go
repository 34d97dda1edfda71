package controlplane_test

import (
	"encoding"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane"
	"github.com/farmountain/aureus-go/internal/wire"
)

func TestOpenAPI_Paths_AreThoseOfTheRoutes(t *testing.T) {
	d := readContract(t)
	require.Equal(t, "3.1.0", d["openapi"])
	served := map[string]string{}
	for pattern, need := range controlplane.Served(open(t)) {
		served[pattern] = string(need)
		if need == "" {
			served[pattern] = "none"
		}
	}
	described := map[string]string{}
	names := map[string]bool{}
	for name, o := range d.operations() {
		described[name] = o.role
		id, _ := o.body["operationId"].(string)
		require.NotEmpty(t, id, name)
		require.False(t, names[id], "two operations are called %s", id)
		names[id] = true
		for _, text := range []string{"summary", "description"} {
			require.NotEmpty(t, o.body[text], name)
		}
		_, open := o.body["security"]
		require.Equal(t, o.role == "none", open, "%s: security must say whether a key is needed", name)
	}
	require.Equal(t, served, described, "on the left the routes and roles of the server, on the right those of the document")
}

// A route that is registered elsewhere would be missing in the comparison above.
func TestRoutes_Mux_IsFilledInOnePlace(t *testing.T) {
	found := 0
	for _, text := range sources(t) {
		found += len(regexp.MustCompile(`\bmux\.Handle(Func)?\(`).FindAllString(text, -1))
	}
	require.Equal(t, 1, found, "register routes with web.Kernel.Handle")
}

// sources returns the source text of the control plane, with its internal packages.
func sources(t *testing.T) (texts []string) {
	t.Helper()
	files, err := filepath.Glob("*.go")
	require.NoError(t, err)
	inside, err := filepath.Glob("internal/*/*.go")
	require.NoError(t, err)
	files = append(files, inside...)
	for _, file := range files {
		if !strings.HasSuffix(file, "_test.go") {
			text, err := os.ReadFile(file)
			require.NoError(t, err)
			texts = append(texts, string(text))
		}
	}
	require.NotEmpty(t, texts)
	return texts
}

// The error responses of a path follow from its properties.
func TestOpenAPI_EveryPath_HasItsResponses(t *testing.T) {
	d := readContract(t)
	proofs := []string{"GET /api/v1/audit/checkpoint", "GET /api/v1/audit/proof", "GET /api/v1/audit/consistency"} // of what may not be there
	for name, o := range d.operations() {
		want := map[int]bool{200: true, 400: true, 403: true, 500: true, 503: true} // 400: an invalid query
		if o.role != "none" {
			want[401], want[429] = true, true
		}
		if !strings.HasPrefix(name, "GET ") { // these have a body and an Idempotency-Key
			want[408], want[409], want[413], want[415], want[422] = true, true, true, true, true
		}
		text := name == "GET /api/v1/policy/bundle" || name == "GET /api/v1/policy/bundle/history/{version}"
		want[304] = text || name == "GET /api/v1/policy/stops"
		want[404] = text || strings.Contains(name, "{id}") || slices.Contains(proofs, name) || name == "DELETE /api/v1/policy/stops/{scope}"
		want[412] = name == "PUT /api/v1/policy/bundle"
		want[422] = want[422] || strings.HasSuffix(name, "/summary") // a range that ends before it begins
		for status := range 600 {
			require.Equal(t, want[status], d.response(o, status) != nil, "%s: %d", name, status)
		}
	}
}

func TestOpenAPI_QueryParameters_AreThoseOfTheRoutes(t *testing.T) {
	d := readContract(t)
	declared := controlplane.Parameters(open(t))
	read := map[string]bool{}
	reads := regexp.MustCompile(`(?:Query\(\)|query|values)\.Get\("([a-z_]+)"\)|(?:QueryTime\(r, |\.time\()"([a-z_]+)"`)
	for _, text := range sources(t) {
		for _, found := range reads.FindAllStringSubmatch(text, -1) {
			read[found[1]+found[2]] = true
		}
	}
	described := map[string]bool{}
	for name, o := range d.operations() {
		inPath, inQuery, inHeader := map[string]bool{}, []string{}, map[string]bool{}
		for _, parameter := range list(o.body["parameters"]) {
			p := d.resolve(object(parameter))
			at, _ := p["name"].(string)
			require.NotEmpty(t, p["description"], "%s: %s", name, at)
			switch p["in"] {
			case "query":
				described[at] = true
				inQuery = append(inQuery, at)
			case "path":
				require.Equal(t, true, p["required"])
				inPath[at] = true
			case "header":
				inHeader[at] = true
			}
		}
		require.ElementsMatch(t, declared[name], inQuery, "%s: on the left the parameters of the route, on the right those of the document", name)
		for _, found := range regexp.MustCompile(`\{(\w+)\}`).FindAllStringSubmatch(name, -1) {
			require.True(t, inPath[found[1]], "%s: %s is not described", name, found[1])
			delete(inPath, found[1])
		}
		require.Empty(t, inPath, name)
		if !strings.HasPrefix(name, "GET ") {
			require.True(t, inHeader["Idempotency-Key"], name)
		}
	}
	require.Equal(t, read, described, "on the left the parameters that the server reads, on the right those of the document")
}

func TestOpenAPI_Models_AreThoseOfTheCode(t *testing.T) {
	d := readContract(t)
	models := controlplane.Models()
	described := map[string]bool{}
	for name, schema := range d.at("components", "schemas") {
		if object(schema)["properties"] != nil {
			described[name] = true
		}
	}
	// crvgate reads each member of a configuration itself:
	// TestOpenAPI_ValidatorConfigurations_MatchTheDocument tests it.
	for _, name := range []string{"ValidatorConfig", "ValidatorTest"} {
		require.True(t, described[name])
		delete(described, name)
	}
	require.Equal(t, slices.Sorted(maps.Keys(models)), slices.Sorted(maps.Keys(described)))

	known := map[string]bool{}
	for schema, model := range models {
		name, _, _ := strings.Cut(model.Name(), "[") // of a generic type
		known[strings.ToLower(name)], known[strings.ToLower(schema)] = true, true
	}
	unknown := map[string]bool{}
	for _, folder := range []string{"internal/observe", "internal/runs", "../aureus", "../internal/wire"} {
		for name := range structsWithJSON(t, folder) {
			if !known[strings.ToLower(name)] {
				unknown[name] = true
			}
		}
	}
	require.Equal(t, map[string]bool{ // types for JSON that this server neither receives nor sends
		"storedCaller":   true, // only stored
		"failureMembers": true, // members by which the client refuses a response
		"ticketResponse": true, // the part of an ApprovalTicket that the client reads
		"PolicyChange":   true, // the data of an event of the stream
		"checkAnswer":    true, // a CheckResponse, with members of other servers that the client checks
		// The body of a webhook, which another server receives.
		"WebhookEvent": true, "WebhookEventData": true,
	}, unknown)
}

// structsWithJSON returns the named structs of a folder whose fields have json tags.
func structsWithJSON(t *testing.T, folder string) map[string]bool {
	t.Helper()
	found := map[string]bool{}
	forEachDeclaration(t, folder, func(node ast.Node) {
		spec, ok := node.(*ast.TypeSpec)
		if !ok {
			return
		}
		fields, ok := spec.Type.(*ast.StructType)
		if !ok {
			return
		}
		for _, field := range fields.Fields.List {
			if field.Tag != nil && strings.Contains(field.Tag.Value, `json:"`) {
				found[spec.Name.Name] = true
			}
		}
	})
	require.NotEmpty(t, found, folder)
	return found
}

func forEachDeclaration(t *testing.T, folder string, visit func(ast.Node)) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(folder, "*.go"))
	require.NoError(t, err)
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		require.NoError(t, err)
		ast.Inspect(parsed, func(node ast.Node) bool {
			if node != nil {
				visit(node)
			}
			return true
		})
	}
}

// TestOpenAPI_ModelFields_AreThoseOfTheTypes compares each schema with its Go type: the
// fields, whether they are required or may be null, their types, enumerations and limits.
func TestOpenAPI_ModelFields_AreThoseOfTheTypes(t *testing.T) {
	d := readContract(t)
	asked := d.reachable("requestBody")
	for name, model := range controlplane.Models() {
		t.Run(name, func(t *testing.T) {
			schema := d.at("components", "schemas", name)
			require.Equal(t, "object", schema["type"])
			require.NotEmpty(t, schema["description"])
			fields, required := fieldsOf(model)
			required = append(required, alwaysSent[name]...)
			require.ElementsMatch(t, slices.Collect(maps.Keys(fields)), slices.Collect(maps.Keys(object(schema["properties"]))))
			require.ElementsMatch(t, required, list(schema["required"]))
			for field, f := range fields {
				at := name + "." + field
				property := object(object(schema["properties"])[field])
				bare, null := withoutNull(property)
				mayBeNull := asked[name] && !slices.Contains(required, any(field)) && !isAny(f.Type)
				require.Equal(t, mayBeNull, null, "%s: only optional fields of requests may be null", at)
				if narrower[at] {
					continue
				}
				requireKind(t, d, at, bare, f.Type)
				for keyword, key := range map[string]string{"minimum": "min", "maximum": "max"} {
					require.Equal(t, boundOf(t, f, key), bare[keyword], "%s: %s", at, keyword)
				}
			}
		})
	}
}

// alwaysSent lists members that this server always sends. They are optional in the Go
// model because other servers do not send them.
var alwaysSent = map[string][]any{"WorkflowExecutionResult": {"run_id", "duration_ms", "correlation_id"}}

// narrower lists fields for which the document is more specific than the Go type.
var narrower = map[string]bool{"RegisterRequest.config": true, "Error.code": true, "Error.details": true}

func fieldsOf(model reflect.Type) (fields map[string]reflect.StructField, required []any) {
	fields = map[string]reflect.StructField{}
	for f := range model.Fields() {
		name, rest, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name == "-" || name == "" {
			continue
		}
		fields[name] = f
		if !strings.Contains(rest, "omitzero") {
			required = append(required, name)
		}
	}
	return fields, required
}

// boundOf returns the minimum or maximum that the struct tag gives a number, in the form
// of the document, or nil.
func boundOf(t *testing.T, f reflect.StructField, key string) any {
	t.Helper()
	for part := range strings.SplitSeq(f.Tag.Get("aureus"), ",") {
		if text, ok := strings.CutPrefix(part, key+"="); ok {
			_, err := strconv.ParseFloat(text, 64)
			require.NoError(t, err)
			return number(text)
		}
	}
	return nil
}

func isAny(t reflect.Type) bool { return t.Kind() == reflect.Interface || t.Name() == "Value" }

// withoutNull returns the schema without null, and whether it permitted null.
func withoutNull(schema map[string]any) (bare map[string]any, null bool) {
	bare = maps.Clone(schema)
	if kinds := list(schema["type"]); kinds != nil {
		bare["type"] = kinds[0]
		return bare, len(kinds) == 2 && kinds[1] == "null"
	}
	if either := list(schema["anyOf"]); len(either) == 2 && object(either[1])["type"] == "null" {
		delete(bare, "anyOf")
		maps.Copy(bare, object(either[0]))
		return bare, true
	}
	return bare, false
}

// requireKind compares a schema with a Go type.
func requireKind(t *testing.T, d document, at string, schema map[string]any, typ reflect.Type) {
	t.Helper()
	for typ.Kind() == reflect.Pointer {
		typ = typ.Elem()
	}
	words, hasWords := reflect.TypeAssert[interface{ Words() []string }](reflect.Zero(typ))
	isText := reflect.PointerTo(typ).Implements(reflect.TypeFor[encoding.TextUnmarshaler]())
	switch named := typ.PkgPath() != ""; {
	case named && typ.Kind() == reflect.String, named && isText: // an enumeration, or a string with a special form
		require.Equal(t, "#/components/schemas/"+typ.Name(), schema["$ref"], at)
		target := d.resolve(schema)
		require.Equal(t, "string", target["type"], at)
		var want []any
		if hasWords {
			for _, word := range words.Words() {
				want = append(want, word)
			}
		}
		require.Equal(t, want, list(target["enum"]), "%s: the enumeration of %s", at, typ.Name())
	case typ.Kind() == reflect.Struct:
		for name, model := range controlplane.Models() {
			if model == typ {
				require.Equal(t, "#/components/schemas/"+name, schema["$ref"], at)
				return
			}
		}
		t.Errorf("%s: %s has no schema", at, typ)
	case isAny(typ):
		require.Nil(t, schema["type"], at)
		require.Nil(t, schema["$ref"], at)
	case typ.Kind() == reflect.Map:
		require.Equal(t, "object", schema["type"], at)
		if isAny(typ.Elem()) {
			require.NotContains(t, schema, "additionalProperties", at)
			return
		}
		requireKind(t, d, at+"{}", object(schema["additionalProperties"]), typ.Elem())
	case typ.Kind() == reflect.Slice:
		require.Equal(t, "array", schema["type"], at)
		requireKind(t, d, at+"[]", object(schema["items"]), typ.Elem())
	default:
		kinds := map[reflect.Kind]string{
			reflect.String: "string", reflect.Bool: "boolean", reflect.Int: "integer", reflect.Int64: "integer", reflect.Float64: "number",
		}
		require.Contains(t, kinds, typ.Kind(), at)
		require.Equal(t, kinds[typ.Kind()], schema["type"], at)
	}
}

// reachable returns the schemas that a part of the operations uses.
func (d document) reachable(part string) map[string]bool {
	found := map[string]bool{}
	var visit func(any)
	visit = func(value any) {
		switch value := value.(type) {
		case map[string]any:
			if ref, ok := value["$ref"].(string); ok {
				name, isSchema := strings.CutPrefix(ref, "#/components/schemas/")
				if isSchema && found[name] {
					return
				}
				found[name] = found[name] || isSchema
				visit(d.resolve(value))
			}
			for _, member := range value {
				visit(member)
			}
		case []any:
			for _, item := range value {
				visit(item)
			}
		}
	}
	for _, o := range d.operations() {
		visit(o.body[part])
	}
	return found
}

func TestOpenAPI_Components_AreAllUsed(t *testing.T) {
	d := readContract(t)
	used := map[string]bool{}
	for _, part := range []string{"requestBody", "parameters", "responses"} {
		maps.Copy(used, d.reachable(part))
	}
	for name := range d.at("components", "schemas") {
		require.True(t, used[name], "no operation refers to the schema %s", name)
	}
	text := string(controlplane.Contract())
	for _, kind := range []string{"parameters", "headers", "responses"} {
		for name := range d.at("components", kind) {
			require.Contains(t, text, `"#/components/`+kind+"/"+name+`"`)
		}
	}
	for _, found := range regexp.MustCompile(`"\$ref": "#/([^"]+)"`).FindAllStringSubmatch(text, -1) {
		require.NotNil(t, d.at(strings.Split(found[1], "/")...), "%s does not exist", found[1])
	}
}

func TestOpenAPI_Enums_HaveEveryValue(t *testing.T) {
	d := readContract(t)
	described := map[string]bool{}
	for name, schema := range d.at("components", "schemas") {
		if object(schema)["enum"] != nil && name != "ErrorCode" {
			described[name] = true
		}
	}
	declared := map[string]bool{}
	forEachDeclaration(t, "../aureus", func(node ast.Node) {
		if f, ok := node.(*ast.FuncDecl); ok && f.Name.Name == "Words" && f.Recv != nil {
			name, _ := f.Recv.List[0].Type.(*ast.Ident)
			declared[name.Name] = true
		}
	})
	require.Equal(t, declared, described)
}

func TestOpenAPI_ErrorCodes_AreComplete(t *testing.T) {
	codes := map[any]bool{ // the codes of package aureus that error bodies contain
		string(aureus.ReasonTooManyPending): true, string(aureus.ReasonApprovalPending): true, string(aureus.ReasonApprovalRejected): true,
		string(aureus.ReasonApprovalExpired): true, string(aureus.ReasonApprovalConsumed): true, string(aureus.ReasonApprovalMismatch): true,
		string(aureus.ReasonApprovalUnknown): true, string(aureus.ReasonApprovalPolicyChanged): true,
	}
	for _, code := range wire.ErrorCodes() {
		codes[code] = true
	}
	delete(codes, wire.CodeNotServed) // only the test server of package aureustest sends it
	schema := readContract(t).at("components", "schemas", "ErrorCode")
	require.ElementsMatch(t, slices.Collect(maps.Keys(codes)), list(schema["enum"]))
}

// The document names the reason codes of package aureus; servers may send others.
func TestOpenAPI_ReasonCodes_AreComplete(t *testing.T) {
	description, _ := readContract(t).at("components", "schemas", "ReasonCode")["description"].(string)
	declared := map[string]bool{}
	forEachDeclaration(t, "../aureus", func(node ast.Node) {
		spec, ok := node.(*ast.ValueSpec)
		if !ok || !strings.HasPrefix(spec.Names[0].Name, "Reason") || len(spec.Values) != 1 {
			return
		}
		if literal, ok := spec.Values[0].(*ast.BasicLit); ok {
			declared[strings.Trim(literal.Value, `"`)] = true
		}
	})
	require.Greater(t, len(declared), 15)
	named := map[string]bool{}
	for _, word := range regexp.MustCompile(`\b[A-Z]+(_[A-Z]+)+\b|\bAPPROVED\b|\bSTOPPED\b`).FindAllString(description, -1) {
		named[word] = true
	}
	require.Equal(t, declared, named)
}
