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

// The client refuses an allow whose reason code is an error code. If the list did not
// contain a code, the client would accept it as an unknown reason code.
func TestErrorCodes_Constants_AreListedOnce(t *testing.T) {
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
