package pattern_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/internal/pattern"
)

func TestCompile_Size_IsBounded(t *testing.T) {
	t.Parallel()
	const bytes, instructions = 1000, 1000
	for _, text := range []string{`^(a?){99}b$`, `a{999}`, `[\pL\d]+@x`, ``, strings.Repeat("a", 900), `(a|b|c){1,30}`} {
		compiled, err := pattern.Compile(text, bytes, instructions+100)
		require.NoError(t, err, text)
		require.NoError(t, pattern.Check(text, bytes, instructions+100), text)
		require.Positive(t, compiled.Size)
	}
	for _, text := range []string{
		strings.Repeat("a{999}", 160), `((a{10}){10}){10}b{500}`, `(abc){400}`, `(ab|cd|ef){300,}`, strings.Repeat("x", bytes+1), `(\pL{0,400}){2}x{400}`,
	} {
		_, err := pattern.Compile(text, bytes, instructions)
		require.ErrorIs(t, err, pattern.ErrTooLarge, text)
		require.ErrorIs(t, pattern.Check(text, bytes, instructions), pattern.ErrTooLarge, text)
	}
	for _, text := range []string{`(`, `a{1001}`, `(?=a)`, `\`, "[z-a]"} {
		_, err := pattern.Compile(text, bytes, instructions)
		require.Error(t, err, text)
		require.Error(t, pattern.Check(text, bytes, instructions), text)
	}
}
