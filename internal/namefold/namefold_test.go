package namefold_test

import (
	"strings"
	"testing"
	"unicode"

	"github.com/stretchr/testify/require"
	"golang.org/x/text/unicode/norm"

	"github.com/farmountain/aureus-go/internal/namefold"
)

func TestSame_Spellings_AreEqual(t *testing.T) {
	t.Parallel()
	for name, spellings := range map[string][]string{
		"case":                  {"olga", "Olga", "OLGA"},
		"composed, decomposed":  {"Jos\u00e9", "Jose\u0301", "JOSE\u0301", "JOS\u00c9"},
		"sharp s":               {"stra\u00dfe", "STRASSE", "strasse", "STRA\u1e9eE"},
		"ligature":              {"\ufb01nn", "finn", "FINN"},
		"full width":            {"\uff2f\uff4c\uff47\uff41", "Olga"},
		"zero width":            {"ol\u200bga", "olga", "\ufeffolga", "ol\u2060ga", "o\u00adlga", "ol\u200dga"},
		"bidi marks":            {"\u202eolga\u202c", "olga", "ol\u200fga", "\u2066olga\u2069"},
		"variation selectors":   {"olga\ufe0f", "olga", "ol\U000e0100ga", "ol\u180bga"},
		"tags and fillers":      {"olga\U000e0041", "olga", "olga\u3164", "ol\u115fga", "olga\uffa0", "ol\u034fga", "olga\u17b4"},
		"white space within":    {"olga smith", "olga  smith", "Olga\tSmith", "olga\u00a0smith", "olga\u3000smith", "olga \u2009 smith", "olga\u2800smith", "olga\r\nsmith"},
		"white space around":    {"olga", " olga", "olga ", "\u00a0olga\u3000", "\u2800olga"},
		"zero width in a space": {"olga smith", "olga \u200b smith"},
		"control characters":    {"olga", "ol\x00ga", "olga\x7f", "\u0085olga"},
		"sigma":                 {"\u03c3\u03af\u03c3\u03c5\u03c6\u03bf\u03c2", "\u03a3\u038a\u03a3\u03a5\u03a6\u039f\u03a3"},
		"dotted capital I":      {"\u0130", "i\u0307"},
		"kelvin and angstrom":   {"k\u00e5", "\u212a\u212b"},
		"order of marks":        {"a\u0323\u0307", "a\u0307\u0323", "\u1ea1\u0307"},
		"Hangul":                {"\ud55c", "\u1112\u1161\u11ab"},
		"circled and raised":    {"\u24d0\u00b2", "a2"},
		"iota subscript":        {"\u1fb3", "\u03b1\u03b9", "\u1fbc"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, a := range spellings {
				for _, b := range spellings {
					require.True(t, namefold.Same(a, b), "%+q and %+q: %+q and %+q", a, b, namefold.Fold(a), namefold.Fold(b))
				}
			}
		})
	}
}

func TestSame_OtherNames_AreDifferent(t *testing.T) {
	t.Parallel()
	for _, pair := range [][2]string{
		{"olga", "olgb"},
		{"olga", ""},
		{"olga", "\u043elga"}, // a Cyrillic o
		{"olga smith", "olgasmith"},
		{"Jos\u00e9", "Jose"},
		{"key_1", "key-1"},
		{"\u0131", "i"}, // the dotless i is a different letter
	} {
		require.False(t, namefold.Same(pair[0], pair[1]), "%+q and %+q", pair[0], pair[1])
	}
	require.True(t, namefold.Same("", ""))
}

// Every character, between two others, folds to the same form as its variants.
func TestFold_EveryCodePoint_IsStable(t *testing.T) {
	if testing.Short() {
		t.Skip("one call after the other, and long: make test runs it")
	}
	t.Parallel()
	for r := rune(1); r <= unicode.MaxRune; r++ {
		if unicode.Is(unicode.Co, r) || unicode.Is(unicode.Han, r) && norm.NFKC.IsNormalString(string(r)) ||
			!unicode.IsGraphic(r) && !unicode.In(r, unicode.Cc, unicode.Cf, unicode.Other_Default_Ignorable_Code_Point, unicode.Zl, unicode.Zp) {
			continue // does not fold: private use, an ideograph, or not a character
		}
		name := "x" + string(r) + "y"
		want := namefold.Fold(name)
		check := func(variant string) {
			if got := namefold.Fold(variant); got != want {
				t.Errorf("%U: %+q folds to %+q, and %+q to %+q", r, name, want, variant, got)
			}
		}
		check(want)
		for _, form := range []norm.Form{norm.NFC, norm.NFD, norm.NFKC, norm.NFKD} {
			check(form.String(name))
		}
		if r == 'ı' || r == 'İ' { // strings.ToUpper and ToLower map these to other letters
			continue
		}
		check(strings.ToUpper(name))
		check(strings.ToLower(name))
		check("x" + string(unicode.ToTitle(r)) + "y")
		check("x" + string(unicode.SimpleFold(r)) + "y")
	}
}

func FuzzFold(f *testing.F) {
	for _, seed := range []string{"Jose\u0301", "stra\u00dfe", "\ufb01", "a\u0345\u0323\u200b\u0307", "\xff", "\u1e9e\u0130\u0399\u0345"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, name string) {
		folded := namefold.Fold(name)
		require.Equal(t, folded, namefold.Fold(folded), "idempotent: %+q", name)
		for _, variant := range []string{
			norm.NFC.String(name), norm.NFD.String(name), norm.NFKC.String(name), norm.NFKD.String(name), " " + name + "\t", "\u200b" + name,
		} {
			require.Equal(t, folded, namefold.Fold(variant), "%+q and %+q", name, variant)
		}
	})
}
