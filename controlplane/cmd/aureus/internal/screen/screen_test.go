package screen

import (
	"strings"
	"testing"
	"unicode"

	"github.com/stretchr/testify/require"
)

func TestLine_ControlsAndBidi_AreVisible(t *testing.T) {
	for text, want := range map[string]string{
		"plain":                 "plain",
		"\x1b[2J\x1b]0;title\a": `\u{001B}[2J\u{001B}]0;title\u{0007}`,
		"a\u202Eb\u2066c":       `a\u{202E}b\u{2066}c`,
		"one\ntwo\r\n\tthree":   `one\u{000A}two\u{000D}\u{000A}\u{0009}three`,
		"\u009b31m":             `\u{009B}31m`,
		"zero\u200bwidth":       `zero\u{200B}width`,
		"not \xff UTF-8":        "not \uFFFD UTF-8",
	} {
		require.Equal(t, want, Line(text))
	}
}

func TestJSON_InvisibleCharacters_AreEscapedWithTheSameValue(t *testing.T) {
	text := []byte("{\"a\\n\": \"b\u202E\u009b\U000E0001\x7fü\"}")
	escaped := JSON(text)
	require.Equal(t, `{"a\n": "b\u202e\u009b\udb40\udc01\u007fü"}`, string(escaped)) //nolint:testifylint // the bytes matter
	require.JSONEq(t, string(text), string(escaped))
	require.Equal(t, "{}", string(JSON([]byte("{}"))))
}

func FuzzTable_AnyCells_StayInsideAndHaveNoControls(f *testing.F) {
	f.Add("GET /accounts", "a long reason\x1b[31m with words\nand lines", "\uFF21\uFF22\uFF23 e\u0301", 40)
	f.Add("", strings.Repeat("x", 300), "  indented text that is wrapped", 80)
	f.Fuzz(func(t *testing.T, a, b, c string, width int) {
		width = 30 + (width%200+200)%200
		for _, row := range Table([][]string{{"A", "B", "C"}, {a, b, c}}, width) {
			for _, line := range row {
				require.LessOrEqual(t, Width(line), width)
				for _, r := range line {
					require.False(t, unicode.IsControl(r) || unicode.In(r, unicode.Bidi_Control), "%q", line)
				}
			}
		}
	})
}

func TestTable_NarrowScreen_KeepsEveryCharacter(t *testing.T) {
	text := strings.Repeat("0123456789", 12)
	rows := Table([][]string{{"one", text, "two"}}, 40)
	var got strings.Builder
	for _, line := range rows[0] {
		got.WriteString(strings.TrimSpace(strings.NewReplacer("one", "", "two", "").Replace(line)))
	}
	require.Equal(t, text, got.String())
}

func TestWrap_Words_StayWhole(t *testing.T) {
	require.Equal(t, []string{"  a line with", "  several words"}, Wrap("  a line with several words", 15))
	require.Equal(t, []string{"unlimited line"}, Wrap("unlimited line", 0))
}

func TestCut_LongText_EndsWithAnEllipsis(t *testing.T) {
	require.Equal(t, "\uFF21\uFF22…", Cut("\uFF21\uFF22\uFF23\uFF24", 6))
	require.Equal(t, "short", Cut("short", 6))
}
