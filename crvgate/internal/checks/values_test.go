package checks

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestInstantOf_DateText_IsMilliseconds(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"2024-01-01T00:00:00Z":          "1704067200000",
		"2024-01-01T00:00:00":           "1704067200000", // no zone: UTC
		"2024-01-01T02:00:00+02:00":     "1704067200000",
		"2024-01-01":                    "1704067200000",
		"2024-01":                       "1704067200000",
		"2024":                          "1704067200000",
		"2024-01-01T00:00":              "1704067200000",
		"2024-01-01T00:00Z":             "1704067200000",
		"2024-01-01 00:00:00":           "1704067200000",
		"2024-01-01T00:00:00.123456":    "1704067200123", // truncated to the millisecond
		"2024-01-01T00:00:00.9999Z":     "1704067200999",
		"Mon, 01 Jan 2024 00:00:00 GMT": "1704067200000",
		"1969-12-31T23:59:59.5Z":        "-500",
	} {
		got, ok := instantOf(text)
		require.True(t, ok, text)
		require.Equal(t, want, string(got), text)
	}
	for _, value := range []any{"", "t", "soon", "2024-13-01", "2024-02-30", "1704067200000", nil, true, []any{}, json.Number("1e400"), "Mon, 01 Jan 2024 00:00:00 PST"} {
		_, ok := instantOf(value)
		require.False(t, ok, "%v", value)
	}
	got, ok := instantOf(json.Number("1704067200000.5"))
	require.True(t, ok)
	require.Equal(t, "1704067200000.5", string(got))
}

func TestLessUTF16_SurrogatePair_IsLessThanUFFEE(t *testing.T) {
	t.Parallel()
	require.True(t, lessUTF16("10", "9"))
	require.False(t, lessUTF16("9", "10"))
	require.True(t, lessUTF16("", "a"))
	require.True(t, lessUTF16("a", "ab"))
	require.False(t, lessUTF16("ab", "ab"))
	require.True(t, lessUTF16("😀", "\uffee"), "a surrogate sorts below U+FFEE, although its code point is above")
	require.True(t, lessUTF16("😀", "😁"))
	require.False(t, lessUTF16("😁", "😀"))
}

func TestLookup_Array_HasIndexesAndLength(t *testing.T) {
	t.Parallel()
	list := []any{"a", nil}
	for name, want := range map[string]any{"0": "a", "1": nil, "length": json.Number("2")} {
		got, found := lookup(list, name)
		require.True(t, found, name)
		require.Equal(t, want, got, name)
	}
	for _, name := range []string{"2", "-1", "00", "+1", "toString", ""} {
		_, found := lookup(list, name)
		require.False(t, found, name)
	}
	_, found := lookup(map[string]any{}, "toString")
	require.False(t, found, "an inherited name is not a field")
}
