package nametext_test

import (
	"math/rand/v2"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/internal/nametext"
)

func TestIdentifier_VisibleText_IsAccepted(t *testing.T) {
	t.Parallel()
	for _, name := range []string{
		"", "a", "olga", "Olga Smith", "olga  smith", "Ölga", "オルガ", "o'lga@example.org", "ledger/2", "spiffe://x/y", "e\u0301", "жизнь", "שלום",
		"tool_name-1.2", "emoji \U0001F600", strings.Repeat("x", nametext.MaxBytes), "12345678", "1234567~",
	} {
		require.Empty(t, nametext.Identifier(name), "%+q", name)
		require.Empty(t, nametext.Label(name), "%+q", name)
		require.Equal(t, name, nametext.Shown(name))
	}
}

func TestName_HiddenCharacter_IsRefusedEverywhere(t *testing.T) {
	t.Parallel()
	for what, bad := range map[string]string{
		"NUL": "\x00", "line feed": "\n", "tab": "\t", "escape": "\x1b", "DEL": "\x7f", "C1 control": "\u0085",
		"zero width space": "\u200b", "zero width joiner": "\u200d", "soft hyphen": "\u00ad", "byte order mark": "\ufeff", "word joiner": "\u2060",
		"right to left override": "\u202e", "left to right isolate": "\u2066", "right to left mark": "\u200f", "Arabic letter mark": "\u061c",
		"line separator": "\u2028", "paragraph separator": "\u2029", "tag": "\U000e0041", "Hangul filler": "\u3164", "grapheme joiner": "\u034f",
		"noncharacter": "\uffff", "noncharacter of a plane": "\U0001fffe", "noncharacter of Arabic": "\ufdd0", "interlinear annotation": "\ufff9",
		"stray byte": "\xff", "cut character": "\xe2\x82", "surrogate": "\xed\xa0\x80", "overlong": "\xc0\x80",
	} {
		for _, name := range []string{bad, bad + "olga", "ol" + bad + "ga", "olga" + bad, "olga smith of " + bad + "the ledger", strings.Repeat("x", 40) + bad} {
			require.NotEmpty(t, nametext.Identifier(name), "%s in %+q", what, name)
			require.NotEmpty(t, nametext.Label(name), "%s in %+q", what, name)
			shown := nametext.Shown(name)
			require.Empty(t, nametext.Identifier(shown), "%+q is shown as %+q", name, shown)
		}
	}
}

func TestLabel_SpacesAndUnassigned_AreAccepted(t *testing.T) {
	t.Parallel()
	for _, name := range []string{" olga", "olga ", " ", "olga\u00a0smith", "\u3000", "olga\u2009smith", "olga\u2800smith", "a\ufe0f", "\ue000", "\u0378"} {
		require.NotEmpty(t, nametext.Identifier(name), "%+q", name)
		require.Empty(t, nametext.Label(name), "%+q", name)
	}
	require.NotEmpty(t, nametext.Identifier(strings.Repeat("x", nametext.MaxBytes+1)))
	require.NotEmpty(t, nametext.Label(strings.Repeat("é", nametext.MaxBytes/2+1)))
	require.LessOrEqual(t, len(nametext.Shown(strings.Repeat("\u200b", 1<<20))), 260)
}

func TestIdentifier_Refused_NamesCharacterAndPosition(t *testing.T) {
	t.Parallel()
	require.Contains(t, nametext.Identifier("ol\u202ega"), "U+202E at byte 2")
	require.Contains(t, nametext.Identifier("\xff"), "UTF-8")
	require.Contains(t, nametext.Identifier(" x"), "begin or end")
	require.Contains(t, nametext.Identifier(strings.Repeat("x", nametext.MaxBytes+1)), "1024 bytes")
}

// The check of eight bytes at once must agree with a check of each character.
func TestIdentifier_RandomBytes_AgreesWithCharacterCheck(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(3, 5))
	for range 200_000 {
		text := make([]byte, random.IntN(30))
		for i := range text {
			text[i] = "aZ09 ~!\x1f\x7f\x80\xc3\xa9"[random.IntN(12)]
			if random.IntN(4) > 0 {
				text[i] = 'x'
			}
		}
		name := string(text)
		want := utf8.ValidString(name) && strings.TrimSpace(name) == name && !strings.ContainsFunc(name, nametext.Unseen)
		require.Equal(t, want, nametext.Identifier(name) == "", "%+q", name)
	}
}

func TestIdentifier_GoodNames_DoNotAllocate(t *testing.T) {
	for _, name := range []string{"agent-1", "read.ledger.of.accounts", "Ölga", "オルガ"} {
		require.Zero(t, testing.AllocsPerRun(100, func() {
			if nametext.Identifier(name) != "" || nametext.Label(name) != "" {
				t.Fatal(name)
			}
		}), name)
	}
}

func BenchmarkIdentifier(b *testing.B) {
	for _, name := range []string{"table-9", "agent-0042", "accounts/4711/transfers", "Ölga Schmidt"} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if nametext.Identifier(name) != "" {
					b.Fatal()
				}
			}
		})
	}
}
