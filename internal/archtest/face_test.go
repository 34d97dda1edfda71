package archtest

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// budgets says how many names each public package may export: top-level types,
// functions, constants and variables; methods and fields do not count. An exported
// name cannot be removed without breaking users. So the commit that raises a budget
// must say who needs the new name. Lower the budget when a name is removed.
var budgets = map[string]int{
	"aureus":             204, // the last three: a webhook's event, its data, and the check of its signature
	"aureus/aureustest":  28,
	"controlplane":       23, // the last: a webhook of the configuration
	"crvgate":            18,
	"crvgate/registry":   12,
	"crvgate/rules":      8,
	"crvgate/validators": 21,
	"guard":              18, // the last three: a preview of the change before a person is asked
	"guard/policy":       32, // bundles, the engine, budgets, stops, the report of a check, an explanation with its three parts, changes, and the follower
	"middleware":         19,
	"otelbridge":         17,

	"middleware/chiguard":     3,
	"middleware/connectguard": 6,
	"middleware/echoguard":    3,
	"middleware/ginguard":     3,
	"middleware/grpcguard":    5,
	"middleware/muxguard":     3,
}

func TestPublicPackages_ExportedNames_StayWithinTheirBudget(t *testing.T) {
	seen := map[string]bool{}
	for _, p := range allPackages(t) {
		name := strings.TrimPrefix(p.ImportPath, modulePath+"/")
		if !isPublic(p) {
			continue
		}
		seen[name] = true
		names := exportedNames(t, p)
		budget, ok := budgets[name]
		require.True(t, ok, "%s is public and exports %d names: give it a budget in this test, or move it to an internal folder", name, len(names))
		require.LessOrEqual(t, len(names), budget, "%s exports %d names: %s", name, len(names), strings.Join(names, ", "))
	}
	for name := range budgets {
		require.True(t, seen[name], "%s has a budget but is not a public package", name)
	}
}

// isPublic reports whether programs outside this repository may import the package.
func isPublic(p goPackage) bool {
	switch topFolder(p.ImportPath) {
	case "bench", "examples", "tools":
		return false
	}
	return p.Name != "main" && len(p.GoFiles) > 0 && !strings.Contains(p.ImportPath+"/", "/internal/")
}

// exportedNames lists what a package exports at its top level, without methods.
func exportedNames(t *testing.T, p goPackage) (names []string) {
	t.Helper()
	for _, file := range p.GoFiles {
		tree, err := parser.ParseFile(token.NewFileSet(), filepath.Join(p.Dir, file), nil, parser.SkipObjectResolution)
		require.NoError(t, err)
		names = append(names, exportedIn(tree)...)
	}
	return names
}

func exportedIn(tree *ast.File) (names []string) {
	add := func(idents ...*ast.Ident) {
		for _, ident := range idents {
			if ident.IsExported() {
				names = append(names, ident.Name)
			}
		}
	}
	for _, declaration := range tree.Decls {
		switch declaration := declaration.(type) {
		case *ast.FuncDecl:
			if declaration.Recv == nil {
				add(declaration.Name)
			}
		case *ast.GenDecl:
			for _, spec := range declaration.Specs {
				switch spec := spec.(type) {
				case *ast.TypeSpec:
					add(spec.Name)
				case *ast.ValueSpec:
					add(spec.Names...)
				}
			}
		}
	}
	return names
}

func TestExportedIn_EachKindOfDeclaration_IsCounted(t *testing.T) {
	tree, err := parser.ParseFile(token.NewFileSet(), "p.go", `package p

type T struct{ Field int }
type small struct{}
type (
	A = T
	b = T
)
func F() {}
func (T) Method() {}
func f() {}
const C, D = 1, 2
const (
	E = iota
	e
	G
)
var V, v = 1, 2
`, 0)
	require.NoError(t, err)
	require.Equal(t, []string{"T", "A", "F", "C", "D", "E", "G", "V"}, exportedIn(tree))
}
