package jsonvalue

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestClip_LongText_EndsBetweenCharactersWithinTheLimit(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":          "",
		"abcd":      "abcd",
		"a\xff":     "a\xff", // short enough: unchanged
		"abcde":     "abcd…",
		"abcé":      "abc…", // é is two bytes
		"ab日本":      "ab…",
		"\xffabcde": "abc…",
		"日本":        "日…",
		"😀x":        "😀…",
	} {
		require.Equal(t, want, Clip(text, 4), "%q", text)
	}
	require.Equal(t, "…", Clip("日本", 2))
	require.Equal(t, "…", Clip("a", 0))
}
