package jsonvalue_test

import (
	"encoding/json"
	"math"
	"math/big"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/internal/jsonvalue"
)

// A JavaScript engine wrote testdata/numbers.txt. Each line has the bits of a double,
// its text, and for some doubles the result of toFixed(2).
func TestFloatText_TestdataNumbers_AreWrittenAsInJavaScript(t *testing.T) {
	path := "testdata/numbers.txt"
	if other := os.Getenv("JSONVALUE_NUMBERS"); other != "" {
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
		require.Equal(t, part[1], jsonvalue.FloatText(f), line)
		if part[2] != "-" {
			require.Equal(t, part[2], jsonvalue.FloatText(jsonvalue.Round2(f)), "two decimals of %s", line)
		}
	}
}

func TestRound2_ExactTie_RoundsUp(t *testing.T) {
	for in, want := range map[float64]float64{
		0.125: 0.13, 0.625: 0.63, 0.375: 0.38, 0.875: 0.88, 2.625: 2.63, 0.005: 0.01, 0.015: 0.01, 0: 0, 1: 1, 1e300: 1e300,
	} {
		require.Equal(t, want, jsonvalue.Round2(in), "%v", in) //nolint:testifylint // compares the exact doubles
	}
	require.True(t, math.IsInf(jsonvalue.Round2(math.Inf(1)), 1))
	require.True(t, math.IsNaN(jsonvalue.Round2(math.NaN())))
}

func TestDecimal_Compare_IsExact(t *testing.T) {
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
		{"1e999999999999999999999", "2e999999999999999999999", -1},
		{"1e999999999999999999999", "9e999999999999999999998", 1},
		{"1e1000000000000000000000", "1e999999999999999999999", 1},
		{"1e-1000000000000000000000", "1e-999999999999999999999", -1},
		{"-1e1000000000000000000000", "-1e999999999999999999999", -1},
		{"1e1000000000000000001", "10e1000000000000000000", 1}, // more than 18 digits
		{"1e0000000000000000000000002", "100", 0},
		{"1e400000000", "1e300000000", 1},
		{"1e1000000000000000000", "10e999999999999999999", 0},
		{"0.0012", "12e-4", 0},
		{"10", "9", 1},
	} {
		require.Equal(t, c.want, jsonvalue.DecimalOf(json.Number(c.a)).Compare(jsonvalue.DecimalOf(json.Number(c.b))), "%s and %s", c.a, c.b)
		require.Equal(t, -c.want, jsonvalue.DecimalOf(json.Number(c.b)).Compare(jsonvalue.DecimalOf(json.Number(c.a))), "%s and %s", c.b, c.a)
	}
}

func TestDecimal_IsInteger_AnySpelling(t *testing.T) {
	for text, want := range map[string]bool{
		"0": true, "0.000": true, "2.0": true, "2e3": true, "1.5e1": true, "-7": true, "1.25e1": false, "0.1": false, "1e-1": false,
	} {
		require.Equal(t, want, jsonvalue.DecimalOf(json.Number(text)).IsInteger(), text)
	}
}

func FuzzDecimal(f *testing.F) {
	for _, seed := range [][2]string{{"1", "1.0"}, {"-0.50", "5e-1"}, {"1E+2", "100"}, {"01", "-"}, {"9007199254740993", "9007199254740992.0"}} {
		f.Add(seed[0], seed[1])
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		require.Equal(t, json.Valid([]byte(a)) && a != "" && strings.Trim(a, " \t\r\n") == a && strings.ContainsAny(a[:1], "-0123456789"), jsonvalue.IsNumber(a))
		if !jsonvalue.IsNumber(a) || !jsonvalue.IsNumber(b) || len(a) > 40 || len(b) > 40 || huge(a) || huge(b) {
			return
		}
		x, _ := new(big.Rat).SetString(a)
		y, _ := new(big.Rat).SetString(b)
		require.Equal(t, x.Cmp(y), jsonvalue.DecimalOf(json.Number(a)).Compare(jsonvalue.DecimalOf(json.Number(b))))
		require.Equal(t, x.IsInt(), jsonvalue.DecimalOf(json.Number(a)).IsInteger())
		require.Equal(t, x.Sign(), jsonvalue.DecimalOf(json.Number(a)).Sign())
	})
}

// huge reports whether a number's exponent is too large for a conversion to digits.
func huge(text string) bool {
	_, exponent, found := strings.Cut(strings.ToLower(text), "e")
	n, err := strconv.Atoi(exponent)
	return found && (err != nil || n > 400 || n < -400)
}
