package wire_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/internal/wire"
)

// The client refuses a decision that allows and has an error code, so a code that
// is missing in the list would be taken for an unknown reason.
func TestErrorCodes_ListEveryConstantOnce(t *testing.T) {
	t.Parallel()
	file, err := parser.ParseFile(token.NewFileSet(), "codes.go", nil, parser.SkipObjectResolution)
	require.NoError(t, err)
	var declared []string
	ast.Inspect(file, func(node ast.Node) bool {
		if spec, ok := node.(*ast.ValueSpec); ok {
			literal, ok := spec.Values[0].(*ast.BasicLit)
			require.True(t, ok, spec.Names[0].Name)
			code, err := strconv.Unquote(literal.Value)
			require.NoError(t, err)
			declared = append(declared, code)
		}
		return true
	})
	require.NotEmpty(t, declared)
	require.ElementsMatch(t, declared, wire.ErrorCodes())
}
