package panicsite_test

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/internal/panicsite"
)

// recovered runs a function that panics, and returns what describes the panic.
func recovered(function func(), describe func(value any) string) (description string) {
	defer func() { description = describe(recover()) }()
	function()
	return "it did not panic"
}

var noMap map[string]int // nil

func panics(value any) func() { return func() { panic(value) } }

func TestDescribe_PanicValue_IsNotShown(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		function func()
		want     string
	}{
		"a string":        {panics("secret"), `^ in panicsite_test\.\S+ \(panicsite_test\.go:\d+\) with a string$`},
		"an error":        {panics(errors.New("secret")), `^ in panicsite_test\.\S+ \(panicsite_test\.go:\d+\) with a \*errors\.errorString$`},
		"a runtime error": {func() { noMap["x"] = 1 }, `^ in panicsite_test\.\S+ \(panicsite_test\.go:\d+\): assignment to entry in nil map$`},
	} {
		require.Regexp(t, c.want, recovered(c.function, panicsite.Describe), name)
	}
}

func TestLine_PanicSite_HasFolderFileAndLine(t *testing.T) {
	t.Parallel()
	got := recovered(panics(1), func(any) string { return panicsite.Line() })
	require.Regexp(t, `^panicsite/panicsite_test\.go:\d+$`, got)
}

func TestLine_WithoutAPanic_SaysSo(t *testing.T) {
	t.Parallel()
	require.Equal(t, "an unknown place", panicsite.Line())
	require.Equal(t, " with a <nil>", panicsite.Describe(nil))
}
