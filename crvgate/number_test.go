package crvgate

import (
	"encoding/json"
	"math"
	"math/big"
	"os"
	"strconv"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/internal/strictjson"
)

// testdata/numbers.txt was written by a JavaScript engine: the bits of a
// double, its text, and what toFixed(2) makes of it where that applies.
func TestNumbersAsJavaScriptWritesThem(t *testing.T) {
	path := "testdata/numbers.txt"
	if other := os.Getenv("CRVGATE_NUMBERS"); other != "" {
		path = other // a larger file of the same form
	}
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	require.GreaterOrEqual(t, len(lines), 300)
	for _, line := range lines {
		part := strings.Fields(line)
		bits, err := strconv.ParseUint(part[0], 16, 64)
		require.NoError(t, err)
		f := math.Float64frombits(bits)
		require.Equal(t, part[1], numberText(f), line)
		if part[2] != "-" {
			require.Equal(t, part[2], numberText(round2(f)), "two decimals of %s", line)
		}
	}
}

func TestRound2TakesTheLargerOnATie(t *testing.T) {
	for in, want := range map[float64]float64{
		0.125: 0.13, 0.625: 0.63, 0.375: 0.38, 0.875: 0.88, 2.625: 2.63, 0.005: 0.01, 0.015: 0.01, 0: 0, 1: 1, 1e300: 1e300,
	} {
		require.Equal(t, want, round2(in), "%v", in) //nolint:testifylint // the exact double is the point
	}
	require.True(t, math.IsInf(round2(math.Inf(1)), 1))
	require.True(t, math.IsNaN(round2(math.NaN())))
}

func TestDecimalsCompareExactly(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want int
	}{
		{"9007199254740993", "9007199254740992", 1},
		{"0.1", "0.10000000000000000001", -1},
		{"1.0", "1", 0},
		{"-0", "0.00e5", 0},
		{"100", "1e2", 0},
		{"1e400", "1e399", 1},
		{"-1e400", "1e-400", -1},
		{"-2", "-1", -1},
		{"1e999999999999999999999", "1", 1},
		{"1e-999999999999999999999", "1", -1},
		{"0.0012", "12e-4", 0},
		{"10", "9", 1},
	} {
		require.Equal(t, c.want, decimalOf(json.Number(c.a)).compare(decimalOf(json.Number(c.b))), "%s and %s", c.a, c.b)
		require.Equal(t, -c.want, decimalOf(json.Number(c.b)).compare(decimalOf(json.Number(c.a))), "%s and %s", c.b, c.a)
	}
}

func TestIntegers(t *testing.T) {
	for text, want := range map[string]bool{
		"0": true, "0.000": true, "2.0": true, "2e3": true, "1.5e1": true, "-7": true, "1.25e1": false, "0.1": false, "1e-1": false,
	} {
		require.Equal(t, want, decimalOf(json.Number(text)).isInteger(), text)
	}
}

func FuzzDecimal(f *testing.F) {
	for _, seed := range [][2]string{{"1", "1.0"}, {"-0.50", "5e-1"}, {"1E+2", "100"}, {"01", "-"}, {"9007199254740993", "9007199254740992.0"}} {
		f.Add(seed[0], seed[1])
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		require.Equal(t, json.Valid([]byte(a)) && a != "" && strings.Trim(a, " \t\r\n") == a && strings.ContainsAny(a[:1], "-0123456789"), isNumber(a))
		if !isNumber(a) || !isNumber(b) || len(a) > 40 || len(b) > 40 || huge(a) || huge(b) {
			return
		}
		x, _ := new(big.Rat).SetString(a)
		y, _ := new(big.Rat).SetString(b)
		require.Equal(t, x.Cmp(y), decimalOf(json.Number(a)).compare(decimalOf(json.Number(b))))
		require.Equal(t, x.IsInt(), decimalOf(json.Number(a)).isInteger())
		require.Equal(t, x.Sign(), decimalOf(json.Number(a)).sign())
	})
}

// huge says that a number's exponent is too large to be written out.
func huge(text string) bool {
	_, exponent, found := strings.Cut(strings.ToLower(text), "e")
	n, err := strconv.Atoi(exponent)
	return found && (err != nil || n > 400 || n < -400)
}

func TestJSONSize(t *testing.T) {
	for text, want := range map[string]int{
		`"é€"`:                     4,
		`"😀"`:                      4,
		`"<>&"`:                    5,
		`"\u2028\u2029\u007f"`:     5,
		`"\u0001\u001f"`:           14,
		`"\b\f\n\r\t\"\\\/"`:       17, // the slash stays as it is
		`1.0`:                      1,
		`1e21`:                     5,
		`100000000000000000000`:    21,
		`1000000000000000000000`:   5,
		`1e-7`:                     4,
		`0.0000001`:                4,
		`-0`:                       1,
		`-1.50`:                    4,
		`1e400`:                    4,
		`0.1`:                      3,
		`null`:                     4,
		`true`:                     4,
		`false`:                    5,
		`[]`:                       2,
		`{}`:                       2,
		`[1, 2,null]`:              10,
		`{"a": 1, "b": {"c": []}}`: 20,
		`{"ключ": "знач"}`:         15,
	} {
		value, err := strictjson.Parse([]byte(text))
		require.NoError(t, err, text)
		require.Equal(t, want, jsonSize(value), text)
	}
}

func FuzzJSONSize(f *testing.F) {
	f.Add(`{"a":[1,2.50,"é\n\u2028"],"b":null,"😀":true}`)
	f.Add(`"\ud83d\ude00<"`)
	f.Fuzz(func(t *testing.T, text string) {
		value, err := strictjson.Parse([]byte(text))
		if err != nil {
			return
		}
		// strictjson writes as JavaScript does, but for numbers, which it keeps.
		written, err := strictjson.Marshal(withoutNumbers(value))
		require.NoError(t, err)
		require.Len(t, utf16.Encode([]rune(string(written))), jsonSize(withoutNumbers(value)))
		require.Positive(t, jsonSize(value))
	})
}

func withoutNumbers(value any) any {
	switch value := value.(type) {
	case json.Number:
		return "7"
	case []any:
		list := make([]any, len(value))
		for i, item := range value {
			list[i] = withoutNumbers(item)
		}
		return list
	case map[string]any:
		object := map[string]any{}
		for name, item := range value {
			object[name] = withoutNumbers(item)
		}
		return object
	default:
		return value
	}
}

func TestInstants(t *testing.T) {
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
		"2024-01-01T00:00:00.123456":    "1704067200123", // cut to the millisecond
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

func TestTextVersionsCompareInUTF16Order(t *testing.T) {
	require.True(t, lessUTF16("10", "9"))
	require.False(t, lessUTF16("9", "10"))
	require.True(t, lessUTF16("", "a"))
	require.True(t, lessUTF16("a", "ab"))
	require.False(t, lessUTF16("ab", "ab"))
	require.True(t, lessUTF16("😀", "\uffee"), "a surrogate sorts below U+FFEE, although its code point is above")
	require.True(t, lessUTF16("😀", "😁"))
	require.False(t, lessUTF16("😁", "😀"))
}

func TestArraysHaveTheNamesOfTheirElements(t *testing.T) {
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
	require.False(t, found, "inherited names are none")
}
