package doctest

import (
	"cmp"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// packages lists the packages that a block may use without importing them. A whole
// file must have its own imports, because readers copy it unchanged.
var packages = map[string]string{
	"aureus":       "github.com/farmountain/aureus-go/aureus",
	"aureustest":   "github.com/farmountain/aureus-go/aureus/aureustest",
	"controlplane": "github.com/farmountain/aureus-go/controlplane",
	"crvgate":      "github.com/farmountain/aureus-go/crvgate",
	"guard":        "github.com/farmountain/aureus-go/guard",
	"middleware":   "github.com/farmountain/aureus-go/middleware",
	"otelbridge":   "github.com/farmountain/aureus-go/otelbridge",
	"policy":       "github.com/farmountain/aureus-go/guard/policy",
	"registry":     "github.com/farmountain/aureus-go/crvgate/registry",
	"rules":        "github.com/farmountain/aureus-go/crvgate/rules",
	"validators":   "github.com/farmountain/aureus-go/crvgate/validators",

	"chiguard":     "github.com/farmountain/aureus-go/middleware/chiguard",
	"connectguard": "github.com/farmountain/aureus-go/middleware/connectguard",
	"echoguard":    "github.com/farmountain/aureus-go/middleware/echoguard",
	"ginguard":     "github.com/farmountain/aureus-go/middleware/ginguard",
	"grpcguard":    "github.com/farmountain/aureus-go/middleware/grpcguard",
	"muxguard":     "github.com/farmountain/aureus-go/middleware/muxguard",

	"attribute": "go.opentelemetry.io/otel/attribute",
	"chi":       "github.com/go-chi/chi/v5",
	"echo":      "github.com/labstack/echo/v5",
	"gin":       "github.com/gin-gonic/gin",
	"grpc":      "google.golang.org/grpc",
	"otel":      "go.opentelemetry.io/otel",
	"otelhttp":  "go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp",
	"sdklog":    "go.opentelemetry.io/otel/sdk/log",
	"sdkmetric": "go.opentelemetry.io/otel/sdk/metric",
	"sdktrace":  "go.opentelemetry.io/otel/sdk/trace",
	"tracetest": "go.opentelemetry.io/otel/sdk/trace/tracetest",

	"bytes":    "bytes",
	"context":  "context",
	"ed25519":  "crypto/ed25519",
	"errors":   "errors",
	"fmt":      "fmt",
	"http":     "net/http",
	"httptest": "net/http/httptest",
	"httputil": "net/http/httputil",
	"io":       "io",
	"iter":     "iter",
	"json":     "encoding/json",
	"log":      "log",
	"os":       "os",
	"require":  "github.com/stretchr/testify/require",
	"signal":   "os/signal",
	"slices":   "slices",
	"slog":     "log/slog",
	"sql":      "database/sql",
	"strconv":  "strconv",
	"strings":  "strings",
	"sync":     "sync",
	"syscall":  "syscall",
	"testing":  "testing",
	"tls":      "crypto/tls",
	"time":     "time",
	"url":      "net/url",
}

// defaultFunction is the function around statements without the option in.
const defaultFunction = "func(ctx context.Context) error"

// leadingImports matches the import declarations at the beginning of
// statements.
var leadingImports = regexp.MustCompile(`\A(\s|//[^\n]*\n)*(import\s+(\([^)]*\)|[^\n(]+)\s*\n\s*)+`)

// files returns the source files, by name, of a package that compiles the block. They
// have line directives, so that compiler errors name the page and its line.
func (b block) files(root string) (map[string]string, error) {
	files := map[string]string{}
	if file, err := parse(b.lineDirective(root) + b.text); err == nil {
		if len(b.before) > 0 {
			return nil, b.errorf("a whole file cannot continue a block")
		}
		if b.test {
			return nil, b.errorf("a block of tests must not have a package clause or imports")
		}
		files["block.go"] = b.lineDirective(root) + b.text
		return files, declare(files, root, file.Name.Name, b.context)
	}
	if b.run {
		return nil, b.errorf("only a whole program can be run, and it must start with \"package main\"")
	}
	if b.test {
		return b.testFiles(root)
	}

	const name = "docs"
	declarations := slices.Clone(b.context)
	var statements []fragment
	for _, f := range append(slices.Clone(b.before), b.fragment) {
		if _, err := parse("package " + name + "\n" + f.text); err == nil {
			declarations = append(declarations, f)
		} else {
			statements = append(statements, f)
		}
	}
	if len(statements) > 0 {
		text, err := inFunction(root, name, cmp.Or(b.function, defaultFunction), statements)
		if err != nil {
			return nil, b.errorf("this is neither a Go file nor Go declarations nor Go statements: %w", err)
		}
		files["statements.go"] = text
	}
	return files, declare(files, root, name, declarations)
}

// testFiles returns the source files, by name, of a package with the block's tests.
func (b block) testFiles(root string) (map[string]string, error) {
	const name = "docs"
	files := map[string]string{}
	if err := declare(files, root, name, slices.Concat(b.context, b.before, []fragment{b.fragment})); err != nil {
		return nil, err
	}
	tests := map[string]string{}
	for file, text := range files {
		tests[strings.TrimSuffix(file, ".go")+"_test.go"] = text
	}
	return tests, nil
}

// declare adds a file for each fragment of declarations.
func declare(files map[string]string, root, name string, declarations []fragment) error {
	for _, f := range declarations {
		text := "\n" + f.lineDirective(root) + f.text
		file, err := parse("package " + name + text)
		if err != nil {
			return f.errorf("this is not a list of Go declarations: %w", err)
		}
		files[fmt.Sprintf("declarations_%d.go", f.line)] = "package " + name + missing(file) + text
	}
	return nil
}

// inFunction returns a source file with the statements in a function of the given type.
func inFunction(root, name, function string, statements []fragment) (string, error) {
	parameters, ok := strings.CutPrefix(function, "func")
	if !ok {
		return "", fmt.Errorf("%q is not the type of a function", function)
	}
	var own, body strings.Builder
	for _, f := range statements {
		imports := leadingImports.FindString(f.text)
		if imports != "" {
			own.WriteString("\n" + f.lineDirective(root) + imports)
		}
		rest := fragment{page: f.page, line: f.line + strings.Count(imports, "\n"), text: f.text[len(imports):]}
		body.WriteString("\n" + rest.lineDirective(root) + rest.text)
	}
	// The statements are in an inner block, so they may declare variables that have the
	// names of parameters.
	open, end := "\nfunc statements"+parameters+" {{", "\n}; panic(\"after the block\") }\n"
	file, err := parse("package " + name + own.String() + open + body.String() + end)
	if err != nil {
		return "", err
	}
	// Pages often declare a variable without using it, so every variable is used here.
	for _, variable := range variables(file) {
		fmt.Fprintf(&body, "; _ = %s", variable)
	}
	return "package " + name + missing(file) + own.String() + open + body.String() + end, nil
}

// variables returns the variables that the statements of the last function declare,
// without those declared in nested blocks.
func variables(file *ast.File) []string {
	function, ok := file.Decls[len(file.Decls)-1].(*ast.FuncDecl)
	if !ok {
		return nil
	}
	block, ok := function.Body.List[0].(*ast.BlockStmt)
	if !ok {
		return nil
	}
	names := map[string]bool{}
	add := func(expressions ...ast.Expr) {
		for _, expression := range expressions {
			if name, ok := expression.(*ast.Ident); ok && name.Name != "_" {
				names[name.Name] = true
			}
		}
	}
	for _, statement := range block.List {
		switch statement := statement.(type) {
		case *ast.AssignStmt:
			if statement.Tok == token.DEFINE {
				add(statement.Lhs...)
			}
		case *ast.DeclStmt:
			ast.Inspect(statement, func(node ast.Node) bool {
				if values, ok := node.(*ast.ValueSpec); ok {
					for _, name := range values.Names {
						add(name)
					}
				}
				return true
			})
		}
	}
	return slices.Sorted(maps.Keys(names))
}

// missing returns import declarations, to follow the package clause, for the
// packages of the table that the file uses without importing them.
func missing(file *ast.File) string {
	unknown := map[*ast.Ident]bool{}
	for _, name := range file.Unresolved {
		unknown[name] = true
	}
	needed := map[string]bool{}
	ast.Inspect(file, func(node ast.Node) bool {
		if selector, ok := node.(*ast.SelectorExpr); ok {
			if name, ok := selector.X.(*ast.Ident); ok && unknown[name] && packages[name.Name] != "" {
				needed[name.Name] = true
			}
		}
		return true
	})
	for _, own := range file.Imports {
		for name, path := range packages {
			if (own.Name != nil && own.Name.Name == name) || (own.Name == nil && own.Path.Value == strconv.Quote(path)) {
				delete(needed, name)
			}
		}
	}
	var text strings.Builder
	for _, name := range slices.Sorted(maps.Keys(needed)) {
		fmt.Fprintf(&text, "; import %s %q", name, packages[name])
	}
	return text.String()
}

// parse parses a source file. Its errors follow the line directives in the text.
func parse(text string) (*ast.File, error) {
	return parser.ParseFile(token.NewFileSet(), "", text, parser.ParseComments)
}

// lineDirective returns the comment that makes the compiler report the following lines
// as lines of the page.
func (f fragment) lineDirective(root string) string {
	return fmt.Sprintf("//line %s/%s:%d:1\n", root, f.page, f.line)
}

func (f fragment) errorf(format string, args ...any) error {
	return fmt.Errorf("%s:%d: %w", f.page, f.line, fmt.Errorf(format, args...))
}
