package schemax

import (
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"

	"github.com/farmountain/aureus-go/internal/schemax/format"
	"github.com/farmountain/aureus-go/internal/strictjson"
)

const (
	documentURL = "https://schema.invalid/document" // a host that cannot exist (RFC 2606)
	verdictURL  = "https://schema.invalid/verdict"
	dialect     = "https://json-schema.org/draft/2020-12/schema"
)

var (
	errPatterns = fmt.Errorf("the patterns of the schema have more than %d instructions together", maxPatternsSize)
	errOutside  = errors.New("documents other than the schema itself are not loaded")
)

// noLoader is a loader for the schema library that always returns an error.
type noLoader struct{}

// Load implements the library's URLLoader.
func (noLoader) Load(string) (any, error) { return nil, errOutside }

// compileSchema compiles a document, so that each schema in it counts its steps.
func compileSchema(document any) (compiled *compiledSchema, problems []Problem) {
	defer func() {
		if p := recover(); p != nil {
			compiled, problems = nil, []Problem{{Message: "cannot be compiled"}}
		}
	}()
	m := &meter{}
	var schemas []*jsonschema.Schema
	known := map[*jsonschema.Schema]bool{}
	compiler := jsonschema.NewCompiler()
	compiler.DefaultDraft(jsonschema.Draft2020)
	compiler.UseLoader(noLoader{})
	compiler.UseRegexpEngine(m.compilePattern)
	compiler.AssertFormat()
	RegisterFormats(compiler)
	compiler.AssertVocabs()
	compiler.RegisterVocabulary(&jsonschema.Vocabulary{
		URL: "urn:aureus:steps",
		Compile: func(ctx *jsonschema.CompilerContext, object map[string]any) (jsonschema.SchemaExt, error) {
			schema := ctx.Enqueue(nil) // the schema that is being compiled
			if known[schema] {
				return nil, nil // the library calls this more than once for a schema
			}
			known[schema] = true
			schemas = append(schemas, schema)
			if strings.HasPrefix(schema.Location, documentURL+"#") {
				problems = append(problems, checkKeywords(schema, object)...)
			}
			return nil, nil
		},
	})
	if err := compiler.AddResource(documentURL, document); err != nil {
		return nil, schemaProblems(document, err)
	}
	root, err := compiler.Compile(documentURL)
	switch {
	case m.size > maxPatternsSize:
		return nil, []Problem{{Message: errPatterns.Error()}}
	case err != nil:
		return nil, schemaProblems(document, err)
	case len(problems) > 0:
		slices.SortFunc(problems, func(a, b Problem) int { return strings.Compare(a.Pointer, b.Pointer) })
		return nil, problems
	}
	verdict, err := compileVerdict(compiler)
	if err != nil {
		return nil, schemaProblems(document, err)
	}
	deepest, problems := checkInPlace(schemas)
	if len(problems) > 0 {
		return nil, problems
	}
	doc := documentOf(schemas, deepest)
	for _, schema := range schemas {
		m.install(schema, doc)
	}
	return &compiledSchema{root: root, verdict: verdict, meter: m}, nil
}

// RegisterFormats replaces the library's format checks, which accept much that is
// invalid, with those of package format.
func RegisterFormats(compiler *jsonschema.Compiler) {
	for _, name := range format.Names() {
		check := format.Named(name)
		compiler.RegisterFormat(&jsonschema.Format{Name: name, Validate: func(value any) error {
			if text, ok := value.(string); ok {
				return check(text)
			}
			return nil // a format applies to strings only
		}})
	}
}

// compileVerdict compiles a schema that matches the same data as the document but gives no
// reasons, because reasons can need much more memory than the data. The library collects
// none inside the keyword not. The keyword is used twice, so that the same data matches and
// an error of the library in the document counts as no match.
func compileVerdict(compiler *jsonschema.Compiler) (*jsonschema.Schema, error) {
	not := func(schema any) map[string]any { return map[string]any{"not": schema} }
	if err := compiler.AddResource(verdictURL, not(not(map[string]any{"$ref": documentURL}))); err != nil {
		return nil, err
	}
	return compiler.Compile(verdictURL)
}

// checkKeywords returns a problem for each keyword that would check nothing, for a $schema
// that names another dialect, and for an unknown format.
func checkKeywords(schema *jsonschema.Schema, object map[string]any) (problems []Problem) {
	pointer := pointerIn(schema.Location)
	for _, name := range slices.Sorted(maps.Keys(object)) {
		if advice := adviceFor(name); advice != "" {
			problems = append(problems, Problem{Pointer: pointer + "/" + strictjson.Token(name), Message: "checks nothing: " + advice})
		}
	}
	if declared, ok := object["$schema"].(string); ok && strings.TrimSuffix(declared, "#") != dialect {
		problems = append(problems, Problem{Pointer: pointer + "/$schema", Message: "must be " + dialect})
	}
	if name, ok := object["format"].(string); ok && schema.Format == nil {
		problems = append(problems, Problem{
			Pointer: pointer + "/format", Message: fmt.Sprintf("%q is not known here: known formats are %s", name, strings.Join(formats, ", ")),
		})
	}
	return problems
}

// schemaProblems returns an error of the library as problems of the document.
func schemaProblems(document any, err error) []Problem {
	if invalid, ok := errors.AsType[*jsonschema.SchemaValidationError](err); ok {
		if violated, ok := errors.AsType[*jsonschema.ValidationError](invalid.Err); ok {
			return notASchema(pointerIn(invalid.URL), violated)
		}
	}
	if pattern, ok := errors.AsType[*jsonschema.InvalidRegexError](err); ok {
		return []Problem{{
			Pointer: pointerIn(pattern.URL),
			Message: fmt.Sprintf("the pattern %.100q is not valid in RE2: %v", pattern.Regex, pattern.Err),
		}}
	}
	message := "cannot be compiled: " + strings.ReplaceAll(err.Error(), documentURL, "")
	if errors.Is(err, errOutside) || isOutside(err) {
		message = "refers to something outside the document, which is not loaded: put it under $defs and refer to #/$defs/…"
	}
	if pointers := references(document, "", err.Error()); len(pointers) > 0 {
		problems := make([]Problem, len(pointers))
		for i, pointer := range pointers {
			problems[i] = Problem{Pointer: pointer, Message: message}
		}
		return problems
	}
	return []Problem{{Message: message}}
}

// notASchema lists where a document differs from the metaschema. If the metaschema has
// alternatives, it uses the first, which authors usually mean.
func notASchema(pointer string, err *jsonschema.ValidationError) (problems []Problem) {
	var visit func(*jsonschema.ValidationError)
	visit = func(err *jsonschema.ValidationError) {
		_, choice := err.ErrorKind.(*kind.AnyOf)
		switch {
		case choice && len(err.Causes) > 0:
			visit(err.Causes[0])
		case len(err.Causes) > 0 && passesOn(err.ErrorKind):
			for _, cause := range err.Causes {
				visit(cause)
			}
		default:
			v := violationOf(err)
			if violated, ok := err.ErrorKind.(*kind.Format); ok {
				v.Message = fmt.Sprintf("is not of the format %s: %v", violated.Want, violated.Err)
			}
			problem := Problem{Pointer: pointer + v.Pointer, Message: v.Message}
			if len(problems) < maxMismatches && !slices.Contains(problems, problem) {
				problems = append(problems, problem)
			}
		}
	}
	visit(err)
	slices.SortStableFunc(problems, func(a, b Problem) int { return strings.Compare(a.Pointer, b.Pointer) })
	return problems
}

// isOutside reports whether the library tried to load something.
func isOutside(err error) bool {
	_, ok := errors.AsType[*jsonschema.LoadURLError](err)
	return ok
}

// references returns the pointers of the references in the document that the text of an
// error mentions.
func references(value any, pointer, text string) (pointers []string) {
	switch value := value.(type) {
	case []any:
		for i, item := range value {
			pointers = append(pointers, references(item, fmt.Sprintf("%s/%d", pointer, i), text)...)
		}
	case map[string]any:
		for _, name := range slices.Sorted(maps.Keys(value)) {
			member := pointer + "/" + strictjson.Token(name)
			target, isText := value[name].(string)
			if isText && target != "" && (name == "$ref" || name == "$dynamicRef" || name == "$schema") {
				outside, fragment, _ := strings.Cut(target, "#")
				if outside != "" && strings.Contains(text, outside) || outside == "" && fragment != "" && strings.Contains(text, fragment) {
					pointers = append(pointers, member)
				}
				continue
			}
			pointers = append(pointers, references(value[name], member, text)...)
		}
	}
	return pointers
}

// pointerIn returns a location of the library as a pointer into the document.
func pointerIn(location string) string {
	_, fragment, _ := strings.Cut(location, "#")
	if decoded, err := url.PathUnescape(fragment); err == nil {
		fragment = decoded
	}
	return fragment
}

// formats has the names of all known formats. The library itself checks semver.
var formats = func() []string {
	names := append(format.Names(), formatRegex, "semver")
	slices.Sort(names)
	return names
}()
