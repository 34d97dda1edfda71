package jsonscan_test

import (
	"encoding/json"
	"strings"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/internal/jsonscan"
	"github.com/farmountain/aureus-go/internal/strictjson"
)

func value(text string) (v any, ok bool) {
	s := jsonscan.New(text)
	ok = s.Value(&v) && s.End()
	return v, ok
}

func skip(text string) bool {
	s := jsonscan.New(text)
	return s.Skip() && s.End()
}

func nested(levels int) string {
	return strings.Repeat("[", levels) + "0" + strings.Repeat("]", levels)
}

// hollow returns arrays nested in that many levels. The innermost array is empty.
func hollow(levels int) string {
	return strings.Repeat("[", levels) + strings.Repeat("]", levels)
}

// manyNames returns an object with n names.
func manyNames(n int) string {
	var b strings.Builder
	b.WriteString(`{"last":0`)
	for i := range n - 1 {
		b.WriteString(`,"` + strings.Repeat("n", i+1) + `":1`)
	}
	return b.String() + "}"
}

var valid = map[string]string{
	"null":                               `null`,
	"white space of every kind":          " \t\r\n[ 1 ,\n2 ] \r\n",
	"an empty object in an array":        `[{},[],""]`,
	"every escape":                       `"\"\\\/\b\f\n\r\tA\u00e9\uABCD\uabcd"`,
	"a pair of surrogates":               `"\ud83d\ude00"`,
	"an escaped NUL":                     `"\u0000"`,
	"U+FFFD, with and without escape":    "\"\\ufffd\ufffd\"",
	"text outside ASCII":                 `{"naïve":"κόσμος 😀"}`,
	"text after an escape":               `"\nκόσμος"`,
	"DEL, which JSON allows":             "\"\x7f\"",
	"a long text with escapes":           `"` + strings.Repeat(`\n€`, 1000) + `"`,
	"an integer beyond 2^53":             `9007199254740993`,
	"a number beyond float64":            `-1e400`,
	"minus zero":                         `-0`,
	"a number with all parts":            `-10.250E+07`,
	"names that differ in case":          `{"a":1,"A":2}`,
	"a name in two objects":              `[{"a":{"a":1}},{"a":1}]`,
	"many names":                         manyNames(40),
	"the maximum depth":                  nested(strictjson.MaxDepth),
	"the maximum depth, an empty array":  hollow(strictjson.MaxDepth),
	"the maximum depth, an empty object": strings.Replace(hollow(strictjson.MaxDepth), "[]", "{}", 1),
}

var invalid = map[string]string{
	"nothing":                                ``,
	"white space alone":                      " \n",
	"a byte order mark":                      "\ufeff1",
	"a NUL":                                  "\x00",
	"a NUL after the value":                  "1\x00",
	"two values":                             `1 2`,
	"a comma after the value":                `1,`,
	"a letter after a word":                  `nullx`,
	"an incomplete word":                     `tru`,
	"a word in capitals":                     `True`,
	"words without a comma":                  `[truefalse]`,
	"NaN":                                    `NaN`,
	"infinity":                               `-Infinity`,
	"a leading zero":                         `01`,
	"a plus":                                 `+1`,
	"a minus alone":                          `-`,
	"no digit before the point":              `.5`,
	"no digit after the point":               `1.`,
	"no digit in the exponent":               `1e`,
	"a sign alone in the exponent":           `1e+`,
	"hexadecimal":                            `0x1`,
	"an underscore":                          `1_0`,
	"a text without an end":                  `"a`,
	"a text that ends in a backslash":        `"a\`,
	"a text in single quotes":                `'a'`,
	"a line break in a text":                 "\"a\nb\"",
	"a control character after an escape":    "\"\\n\x1f\"",
	"an unknown escape":                      `"\x41"`,
	"an escaped single quote":                `"\'"`,
	"an escape with two digits":              `"\u12"`,
	"an escape with a bad digit":             `"\u12g4"`,
	"an escape with a sign":                  `"\u+123"`,
	"an escape with an underscore":           `"\u1_23"`,
	"a high surrogate alone":                 `"\ud800"`,
	"a low surrogate alone":                  `"\ude00"`,
	"surrogates in the wrong order":          `"\ude00\ud83d"`,
	"two high surrogates":                    `"\ud800\ud800"`,
	"a high surrogate and an escaped letter": `"\ud800\u0041"`,
	"a high surrogate and another escape":    `"\ud800\n"`,
	"bytes that are not UTF-8":               "\"\xff\"",
	"bytes that are not UTF-8, escape first": "\"\\n\xff\"",
	"a surrogate in UTF-8":                   "\"\xed\xa0\x80\"",
	"an overlong UTF-8 sequence":             "\"\xc0\xaf\"",
	"an incomplete rune":                     "\"\xe2\x82\"",
	"a comma at the end of an array":         `[1,]`,
	"a comma at the end of an object":        `{"a":1,}`,
	"a comma at the beginning":               `[,1]`,
	"no comma":                               `[1 2]`,
	"no colon":                               `{"a" 1}`,
	"a name without quotes":                  `{a:1}`,
	"a name that is a number":                `{1:1}`,
	"a wrong closing bracket":                `[1}`,
	"an array without an end":                `[1`,
	"an object without an end":               `{"a":1`,
	"a name twice":                           `{"a":1,"a":1}`,
	"a name twice, once escaped":             `{"a":1,"\u0061":1}`,
	"an empty name twice":                    `{"":1,"":1}`,
	"a comment":                              `1 // one`,
	"one level too deep":                     nested(strictjson.MaxDepth + 1),
	"one level too deep, an empty array":     hollow(strictjson.MaxDepth + 1),
	"one level too deep, an empty object":    strings.Replace(hollow(strictjson.MaxDepth+1), "[]", "{}", 1),
	"far too deep":                           strings.Repeat("[", 1_000_000),
	"far too deep in objects":                strings.Repeat(`{"a":`, 100_000),
}

func TestScanner_ValidText_IsReadAsByStrictjson(t *testing.T) {
	t.Parallel()
	for name, text := range valid {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, ok := value(text)
			require.True(t, ok)
			want, err := strictjson.Parse([]byte(text))
			require.NoError(t, err)
			require.Equal(t, want, got)
			require.True(t, skip(text))
		})
	}
}

func TestScanner_InvalidText_IsRefused(t *testing.T) {
	t.Parallel()
	for name, text := range invalid {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, ok := value(text)
			require.False(t, ok)
			_, err := strictjson.Parse([]byte(text))
			require.Error(t, err)
			require.False(t, skip(text))
		})
	}
}

// For texts within its length limit, the scanner accepts exactly what strictjson
// accepts, and reads the same value.
func FuzzValue(f *testing.F) {
	for _, texts := range []map[string]string{valid, invalid} {
		for _, text := range texts {
			if len(text) < 10_000 {
				f.Add([]byte(text))
			}
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		got, ok := value(string(data))
		want, err := strictjson.Parse(data)
		require.Equal(t, err == nil, ok, "%v", err)
		require.Equal(t, ok, skip(string(data)))
		if ok {
			require.Equal(t, want, got)
		}
	})
}

// The longest text that the scanner reads cannot contain more values than
// strictjson.MaxValues; a longer text could.
func TestScanner_TextBeyondTheLimit_IsRefused(t *testing.T) {
	t.Parallel()
	longest := "[" + strings.Repeat("0,", strictjson.MaxValues-2) + "0]"
	require.True(t, skip(longest))
	_, err := strictjson.Parse([]byte(longest))
	require.NoError(t, err)
	for name, longer := range map[string]string{
		"one more value": strings.Replace(longest, "0]", "0,0]", 1),
		"one more space": longest + " ",
	} {
		require.False(t, skip(longer), name)
		_, ok := value(longer)
		require.False(t, ok, name)
	}
}

func TestScanner_ZeroValue_ReadsNothing(t *testing.T) {
	t.Parallel()
	var s jsonscan.Scanner
	var v any
	require.False(t, s.Null() || s.Value(&v) || s.Skip())
}

func TestScanner_Spaced_ReportsWhiteSpaceBetweenTokens(t *testing.T) {
	t.Parallel()
	for text, spaced := range map[string]bool{`{"a b":[1," "]}`: false, ` 1`: true, `1 `: true, `{"a": 1}`: true, "[1,\n2]": true} {
		s := jsonscan.New(text)
		require.True(t, s.Skip() && s.End())
		require.Equal(t, spaced, s.Spaced(), text)
	}
}

func TestScanner_Float_AcceptsFloat64Range(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{`1`: true, `-0`: true, `1e-400`: true, `1.5E3`: true, `1e400`: false, `"1"`: false, `null`: false, `true`: false} {
		s := jsonscan.New(text)
		var got, read float64
		require.Equal(t, want, s.Float(&got), text)
		if want {
			require.NoError(t, json.Unmarshal([]byte(text), &read))
			require.InDelta(t, read, got, 0, text)
		}
	}
}

// A string shares memory with a short text only, so keeping it does not keep a long text.
func TestScanner_LongText_StringsAreCopies(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		length int
		part   bool
	}{"a short text": {4 << 10, true}, "a longer one": {4<<10 + 1, false}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			const head = `[{"name":"value"},"plain",12,"`
			text := head + strings.Repeat("x", test.length-len(head)-2) + `"]`
			require.Len(t, text, test.length)
			v, ok := value(text)
			require.True(t, ok)
			list, _ := v.([]any)
			object, _ := list[0].(map[string]any)
			for key, kept := range object {
				require.Equal(t, test.part, isPart(text, key))
				require.Equal(t, test.part, isPart(text, kept.(string)))
			}
			require.Equal(t, test.part, isPart(text, list[1].(string)))
			require.Equal(t, test.part, isPart(text, string(list[2].(json.Number))))
		})
	}
}

func isPart(text, part string) bool {
	begin, at := uintptr(unsafe.Pointer(unsafe.StringData(text))), uintptr(unsafe.Pointer(unsafe.StringData(part)))
	return begin <= at && at < begin+uintptr(len(text))
}

func TestScanner_Skip_DoesNotAllocate(t *testing.T) {
	const text = `{"name":"n","value":-1.5e3,"flag":true,"free":{"a":[1,2,{"b":null}],"c":"d"},"list":["x","y"]}`
	require.Zero(t, testing.AllocsPerRun(100, func() {
		if !skip(text) {
			t.Error("not read")
		}
	}))
}
