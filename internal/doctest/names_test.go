package doctest

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Where a page has a qualified name of one of our packages as inline code, such as
// `guard.Local.Volatile`, the package must export that name.
func TestNames_InPages_AreExported(t *testing.T) {
	root := repository(t)
	exported := map[string]exports{}
	for name, imported := range packages {
		folder, ours := strings.CutPrefix(imported, "github.com/farmountain/aureus-go/")
		if ours {
			exported[name] = exportsOf(t, filepath.Join(root, filepath.FromSlash(folder)))
		}
	}
	checked := 0
	for _, page := range pageNames(t, root) {
		for _, found := range qualified.FindAllStringSubmatch(fenced.ReplaceAllString(readText(t, root, page), ""), -1) {
			if names := exported[found[1]]; names != nil {
				require.True(t, names.has(found[2]), "%s names %s.%s, which is not exported", page, found[1], found[2])
				checked++
			}
		}
	}
	require.Greater(t, checked, 20, "hardly any page has a qualified name, so the pattern may be wrong")
}

func TestNames_Patterns_FindEachForm(t *testing.T) {
	require.Equal(t, [][]string{{"`guard.Local.Volatile", "guard", "Local.Volatile"}, {"`aureus.NewClient", "aureus", "NewClient"}},
		qualified.FindAllStringSubmatch("`guard.Local.Volatile`, `aureus.NewClient(url)`, `go.mod`, Guard.Local", -1))
	own := exportsOf(t, filepath.Join("..", "..", "guard"))
	for _, name := range []string{"Local", "Local.Volatile", "Local.Preview", "Check", "ErrDenied", "Decider.Decide", "ErrDenied.Decide"} {
		require.True(t, own.has(name), name)
	}
	for _, name := range []string{"policyVersion", "Missing", "Local.Missing", "Local.evaluate", "ErrDenied.Missing", "Missing.Decide"} {
		require.False(t, own.has(name), name)
	}
}

// qualified matches a qualified name, such as guard.Local, at the start of inline code.
var qualified = regexp.MustCompile("`([a-z]+)\\.([A-Z][A-Za-z0-9]*(?:\\.[A-Za-z][A-Za-z0-9]*)?)\\b")

// exports holds the exported names of a package. A method or field has the name of
// its type before it: Local.Volatile.
type exports map[string]kind

type kind uint8

const (
	function kind = iota + 1
	value         // a variable or a constant
	typeName
	member
)

// has reports whether the package exports the name. For a variable or constant, a
// member of any type of the package is accepted, because the type of the value is not
// looked up.
func (e exports) has(name string) bool {
	if e[name] != 0 {
		return true
	}
	first, last, _ := strings.Cut(name, ".")
	if e[first] != value || last == "" {
		return false
	}
	for other, kind := range e {
		if kind == member && strings.HasSuffix(other, "."+last) {
			return true
		}
	}
	return false
}

func (e exports) add(kind kind, names ...string) {
	for _, name := range names {
		of, last, _ := strings.Cut(name, ".")
		if ast.IsExported(of) && (last == "" || ast.IsExported(last)) {
			e[name] = kind
		}
	}
}

func exportsOf(t *testing.T, folder string) exports {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(folder, "*.go"))
	require.NoError(t, err)
	found := exports{}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		require.NoError(t, err)
		for _, declaration := range parsed.Decls {
			switch d := declaration.(type) {
			case *ast.FuncDecl:
				found.addFunction(d)
			case *ast.GenDecl:
				for _, spec := range d.Specs {
					found.addSpec(spec)
				}
			}
		}
	}
	require.NotEmpty(t, found, "%s exports nothing", folder)
	return found
}

func (e exports) addFunction(f *ast.FuncDecl) {
	if f.Recv == nil {
		e.add(function, f.Name.Name)
		return
	}
	of := f.Recv.List[0].Type
	for {
		switch t := of.(type) {
		case *ast.StarExpr:
			of = t.X
		case *ast.IndexExpr:
			of = t.X
		case *ast.Ident:
			e.add(member, t.Name+"."+f.Name.Name)
			return
		default:
			return
		}
	}
}

func (e exports) addSpec(spec ast.Spec) {
	switch s := spec.(type) {
	case *ast.ValueSpec:
		for _, name := range s.Names {
			e.add(value, name.Name)
		}
	case *ast.TypeSpec:
		e.add(typeName, s.Name.Name)
		var members *ast.FieldList
		switch t := s.Type.(type) {
		case *ast.StructType:
			members = t.Fields
		case *ast.InterfaceType:
			members = t.Methods
		default:
			return
		}
		for _, field := range members.List {
			for _, name := range field.Names {
				e.add(member, s.Name.Name+"."+name.Name)
			}
		}
	}
}
