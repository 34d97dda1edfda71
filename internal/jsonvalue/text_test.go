package jsonvalue

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestClip_LongText_IsCutBetweenCharacters(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":          "",
		"abcd":      "abcd",
		"a\xff":     "a\xff", // short enough: unchanged
		"abcde":     "abcd…",
		"abcé":      "abc…", // é is two bytes
		"ab€€":      "ab…",
		"\xffabcde": "abc…",
		"€€":        "€…",
		"😀x":        "😀…",
	} {
		require.Equal(t, want, Clip(text, 4), "%q", text)
	}
	require.Equal(t, "…", Clip("€€", 2))
	require.Equal(t, "…", Clip("a", 0))
}
