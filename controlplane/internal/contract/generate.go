package contract

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/farmountain/aureus-go/controlplane/internal/web"
	"github.com/farmountain/aureus-go/internal/wire"
)

// Generate returns the document for the routes, in their order, without pages for
// people. The error lists everything that has no description, and every description that is not used.
func Generate(routes []web.Route) ([]byte, error) {
	g := generator{
		schemas: schemas{models: models(), byType: map[reflect.Type]bool{}},
		ids:     map[string]bool{}, shared: map[string]web.Parameter{},
	}
	g.schemas.add(reflect.TypeFor[wire.ErrorBody](), false)
	uses := map[string]int{}
	routes = slices.DeleteFunc(slices.Clone(routes), func(route web.Route) bool { return route.Page != nil })
	for _, route := range routes {
		for _, t := range []reflect.Type{route.Doc.Request, route.Doc.Response} {
			if t != nil {
				g.schemas.add(t, t == route.Doc.Request)
			}
		}
		for _, p := range slices.Concat(route.Query, route.Doc.Header, route.Doc.ResponseHeader) {
			if p.Type != nil {
				g.schemas.add(p.Type, false)
			}
		}
		for _, p := range route.Query {
			if key := fmt.Sprint(p); uses[key] == 1 { // the second route that has this parameter
				if _, taken := g.shared[p.Name]; taken {
					g.failf("two parameters with the name %s are used by several routes", p.Name)
				}
				g.shared[p.Name] = p
			}
			uses[fmt.Sprint(p)]++
		}
	}
	paths := g.paths(routes)
	document := slices.Concat(head(), object{{"paths", paths}, {"components", g.components()}})
	if err := errors.Join(append(g.errs, g.schemas.errs...)...); err != nil {
		return nil, fmt.Errorf("the OpenAPI document: %w", err)
	}
	return layout(document)
}

type generator struct {
	schemas schemas
	ids     map[string]bool
	shared  map[string]web.Parameter // the query parameters that several routes have, by name
	errs    []error
}

func (g *generator) failf(format string, args ...any) {
	g.errs = append(g.errs, fmt.Errorf(format, args...))
}

// paths returns the operations of all routes, by path and method.
func (g *generator) paths(routes []web.Route) (paths object) {
	for _, route := range routes {
		method, path, _ := strings.Cut(strings.Replace(route.Pattern, "...}", "}", 1), " ")
		operation := member{strings.ToLower(method), g.operation(method, path, route)}
		i := slices.IndexFunc(paths, func(m member) bool { return m.name == path })
		if i < 0 {
			paths = append(paths, member{path, object{operation}})
			continue
		}
		item, _ := paths[i].value.(object) // every value is an object
		paths[i].value = slices.Concat(item, object{operation})
	}
	return paths
}

func (g *generator) operation(method, path string, route web.Route) object {
	doc := route.Doc
	for what, text := range map[string]string{"id": doc.ID, "summary": doc.Summary, "description": doc.Description, "description of the response": doc.Success} {
		if text == "" {
			g.failf("%s: there is no %s", route.Pattern, what)
		}
	}
	if g.ids[doc.ID] {
		g.failf("two routes have the id %s", doc.ID)
	}
	g.ids[doc.ID] = true
	if !slices.ContainsFunc(tags, func(tag tag) bool { return tag.name == doc.Tag }) {
		g.failf("%s: the tag %q is not one of common.go", route.Pattern, doc.Tag)
	}
	operation := object{{"operationId", doc.ID}, {"tags", list{doc.Tag}}, {"summary", doc.Summary}, {"description", doc.Description}}
	if route.Public {
		operation = append(operation, member{"security", list{}}, member{"x-role", "none"})
	} else {
		operation = append(operation, member{"x-role", string(route.Role)})
	}
	operation = append(operation, member{"parameters", g.parameters(method, path, route)})
	if doc.Request != nil {
		operation = append(operation, member{"requestBody", object{{"required", true}, {"content", content(doc.RequestContentType, g.schemas.schema(doc.Request))}}})
	}
	return append(operation, member{"responses", g.responses(method, path, route)})
}

// parameters returns the parameters of an operation: the wildcard of the path, the query
// and the headers.
func (g *generator) parameters(method, path string, route web.Route) (all list) {
	_, wildcard, found := strings.Cut(path, "{")
	if found != (route.Doc.Path != "") {
		g.failf("%s: a path with a wildcard needs a description of it, and another path has none", route.Pattern)
	}
	if found {
		name, _, _ := strings.Cut(wildcard, "}")
		all = append(all, object{{"name", name}, {"in", "path"}, {"required", true}, {"description", route.Doc.Path}, {"schema", object{{"type", "string"}}}})
	}
	for _, p := range route.Query {
		if shared, found := g.shared[p.Name]; found && fmt.Sprint(p) == fmt.Sprint(shared) {
			all = append(all, reference("parameters", p.Name))
		} else {
			all = append(all, g.parameter("query", p))
		}
	}
	for _, p := range route.Doc.Header {
		all = append(all, g.parameter("header", p))
	}
	if method != http.MethodGet {
		all = append(all, reference("parameters", "IdempotencyKey"))
	}
	return append(all, reference("parameters", "RequestID"))
}

func (g *generator) parameter(in string, p web.Parameter) object {
	return object{{"name", p.Name}, {"in", in}, {"description", p.Description}, {"schema", g.parameterSchema(p)}}
}

func (g *generator) parameterSchema(p web.Parameter) object {
	if p.Description == "" {
		g.failf("the parameter %s has no description", p.Name)
	}
	schema := object{{"type", "string"}}
	if p.Type != nil {
		schema = g.schemas.schema(p.Type)
	}
	if p.Words != nil {
		schema = append(schema, member{"enum", texts(p.Words)})
	}
	if p.Pattern != "" {
		schema = append(schema, member{"pattern", p.Pattern})
	}
	if p.Minimum != 0 {
		schema = append(schema, member{"minimum", p.Minimum})
	}
	return schema
}

// responses returns the success response and the error responses of an operation.
func (g *generator) responses(method, path string, route web.Route) object {
	headers := object{{"X-Request-Id", reference("headers", "RequestID")}}
	if slices.ContainsFunc(route.Query, func(p web.Parameter) bool { return p.Name == web.Cursor.Name }) {
		headers = append(headers, member{"Link", reference("headers", "Link")})
	}
	if route.Replay != web.ReplayNever && method != http.MethodGet {
		headers = append(headers, member{"Idempotency-Replayed", reference("headers", "Replayed")})
	}
	for _, p := range route.Doc.ResponseHeader {
		headers = append(headers, member{p.Name, object{{"description", p.Description}, {"schema", g.parameterSchema(p)}}})
	}
	success := object{{"description", route.Doc.Success}, {"headers", headers}}
	if route.Doc.Response == nil {
		g.failf("%s: the type of the response is not given", route.Pattern)
	} else {
		success = append(success, member{"content", content(route.Doc.ContentType, g.schemas.schema(route.Doc.Response))})
	}
	all := object{{"200", success}}
	if route.Doc.NotModified {
		all = append(all, member{"304", object{{"description", "It is what the If-None-Match names. There is no body."}, {"headers", headers}}})
	}
	for _, e := range errorResponses {
		if e.of(method, path, route) {
			all = append(all, member{strconv.Itoa(e.status), reference("responses", e.name)})
		}
	}
	return all
}

func (g *generator) components() object {
	parameters := commonParameters()
	for _, name := range slices.Sorted(maps.Keys(g.shared)) {
		parameters = append(parameters, member{name, g.parameter("query", g.shared[name])})
	}
	var responses object
	for _, e := range errorResponses {
		headers := object{{"X-Request-Id", reference("headers", "RequestID")}}
		if e.header != "" {
			headers = append(headers, member{e.header, reference("headers", strings.ReplaceAll(e.header, "-", ""))})
		}
		responses = append(responses, member{e.name, object{
			{"description", e.text}, {"headers", headers}, {"content", content("", g.schemas.schema(reflect.TypeFor[wire.ErrorBody]()))},
		}})
	}
	return object{
		{"securitySchemes", securitySchemes()},
		{"parameters", parameters},
		{"headers", commonHeaders()},
		{"responses", responses},
		{"schemas", g.schemas.components()},
	}
}

func content(contentType string, schema object) object {
	if contentType == "" {
		contentType = "application/json"
	}
	return object{{contentType, object{{"schema", schema}}}}
}

func reference(kind, name string) object {
	return object{{"$ref", "#/components/" + kind + "/" + name}}
}
