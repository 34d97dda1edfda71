package celx_test

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// string() writes a number in plain digits, without an exponent and without losing
// a digit.
func TestString_Number_PlainDecimalDigits(t *testing.T) {
	t.Parallel()
	for number, want := range map[string]string{
		`0`: "0", `-0`: "0", `-0.0`: "0", `0e5`: "0", `1`: "1", `1.0`: "1", `-1.00`: "-1", `10e-1`: "1",
		`999999`: "999999", `1000000`: "1000000", `123456789`: "123456789", `-123456789`: "-123456789", `123456789.0`: "123456789",
		`1e6`: "1000000", `1.5e9`: "1500000000", `1E21`: "1000000000000000000000", `1000000000000000000000`: "1000000000000000000000",
		`9007199254740991`: "9007199254740991", `9007199254740992`: "9007199254740992", `9007199254740993`: "9007199254740993",
		`-9007199254740993`: "-9007199254740993", `9223372036854775807`: "9223372036854775807", `18446744073709551615`: "18446744073709551615",
		`18446744073709551616`: "18446744073709551616", `1180591620717411303424`: "1180591620717411303424", `1e22`: "10000000000000000000000",
		`0.1`: "0.1", `-0.5`: "-0.5", `1234567.25`: "1234567.25", `0.0000001`: "0.0000001", `1e-7`: "0.0000001", `1.5e-10`: "0.00000000015",
		`0.30000000000000004`: "0.30000000000000004",
	} {
		t.Run(number, func(t *testing.T) {
			t.Parallel()
			data := parse(t, `{"n":`+number+`}`)
			text, err := language.Text(`string(data.n)`)
			require.NoError(t, err)
			rendered, err := text.Render(t.Context(), data, nil)
			require.NoError(t, err)
			require.Equal(t, want, rendered)

			for _, rule := range []string{
				`string(data.n) == "` + want + `"`,
				`string(data.n) in ["0x", "` + want + `"]`,
				`string(data.n).matches("^` + want + `$")`,
				`"id " + string(data.n) + "." == "id ` + want + `."`,
				`{"` + want + `": true}[string(data.n)] == true`,
				`[data.n].map(x, string(x)) == ["` + want + `"]`,
				`[data.n].exists(x, string(x).startsWith("` + want + `"))`,
			} {
				holds, err := condition(t, rule).Holds(t.Context(), data, nil)
				require.NoError(t, err, rule)
				require.True(t, holds, rule)
			}
		})
	}
	for rule, want := range map[string]string{
		`string(1234567)`: "1234567", `string(1234567u)`: "1234567", `string(1234567.0)`: "1234567", `string(1e21)`: "1000000000000000000000",
		`string(data.n + 0.5)`: "123456789.5", `string(data.n * 1000.0)`: "123456789000", `string(double(1234567))`: "1234567",
		`string(dyn(1234567.0))`: "1234567", `string("1e6")`: "1e6", `string(true)`: "true", `string(b"ab")`: "ab",
		`string(duration("90s"))`: "90s", `string(timestamp("2024-01-01T00:00:00Z"))`: "2024-01-01T00:00:00Z",
	} {
		text, err := language.Text(rule)
		require.NoError(t, err, rule)
		rendered, err := text.Render(t.Context(), parse(t, `{"n":123456789}`), nil)
		require.NoError(t, err, rule)
		require.Equal(t, want, rendered, rule)
	}
}

// A number that no type represents exactly is an error in every expression that
// uses it.
func TestNumber_NotRepresentable_IsAnError(t *testing.T) {
	t.Parallel()
	for _, number := range []string{
		`123456789012345678901234`, `18446744073709551617`, `-9223372036854775809`, `1e23`,
		`9007199254740992.5`, `9007199254740993.5`, `4503599627370497.3`, // fractions beyond the digits of a double
		`100.00000000000000001`, `0.3000000000000000000001`, `1e-400`, `1e400`, `2.00000000000000000000000000001`,
	} {
		for _, rule := range []string{`data.n <= 1e300`, `data.n == data.n`, `string(data.n) != ""`, `!(data.n in [1.0])`, `int(data.n) != 1`, `data.n != 5`} {
			holds, err := condition(t, rule).Holds(t.Context(), parse(t, `{"n":`+number+`}`), nil)
			require.ErrorContains(t, err, "represented exactly", "%s: %s", number, rule)
			require.False(t, holds)
		}
	}
	// A number is accepted with as many digits as programs print for a double, and
	// also with all digits of a double.
	for _, number := range []string{`0.1`, `0.10000000000000001`, `0.1000000000000000055511151231257827021181583404541015625`, `5e-324`, `4.9406564584124654e-324`, `0.30000000000000004`, `123.4500`} {
		holds, err := condition(t, `data.n > 0`).Holds(t.Context(), parse(t, `{"n":`+number+`}`), nil)
		require.NoError(t, err, number)
		require.True(t, holds, number)
	}
}

// With NaN every comparison would be false and its negation true, so double()
// fails for NaN, and for the infinities.
func TestDouble_NotFinite_IsAnError(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"NaN", "nan", "Infinity", "-inf", "+Inf", "1e999"} {
		holds, err := condition(t, `!(double(data.t) > 100.0)`).Holds(t.Context(), parse(t, `{"t":"`+text+`"}`), nil)
		require.Error(t, err, text)
		require.False(t, holds)
	}
	for _, rule := range []string{`!(double("NaN") > data.n)`, `double("Infinity") > data.n`, `string(double("-inf")) != data.n`} {
		compiled, err := language.Condition(rule)
		if err != nil {
			continue // refused when it is compiled
		}
		holds, err := compiled.Holds(t.Context(), parse(t, `{"n":1}`), nil)
		require.Error(t, err, rule)
		require.False(t, holds)
	}
	holds, err := condition(t, `double(data.t) == 1500.0 && double(7) == 7.0 && double(data.n) == 9007199254740992.0`).Holds(t.Context(), parse(t, `{"t":"1.5e3","n":9007199254740993}`), nil)
	require.NoError(t, err)
	require.True(t, holds, "double() rounds")
}

// A double in the expression is compared with a whole number beyond 2^53 in the
// data.
func TestComparison_DoubleAndLargeWhole_IsExact(t *testing.T) {
	t.Parallel()
	data := parse(t, `{"at":10000000000000000,"above":10000000000000001,"below":9999999999999999,"max":18446744073709551615,"min":-9223372036854775807,"list":[10000000000000001],"map":{"a":10000000000000001}}`)
	for rule, want := range map[string]bool{
		`data.above <= 1e16`: false, `data.above > 1e16`: true, `1e16 < data.above`: true, `1e16 >= data.above`: false,
		`data.below < 1e16`: true, `data.below >= 1e16`: false, `data.at <= 1e16 && data.at >= 1e16 && data.at == 1e16`: true,
		`data.above == 1e16`: false, `data.above != 1e16`: true, `1e16 == data.above`: false, `data.at in [1e16]`: true,
		`data.above in [1e16]`: false, `1e16 in data.list`: false, `data.list == [1e16]`: false, `data.map == {"a": 1e16}`: false,
		`data.map != {"a": 1e16}`: true, `data.list == [10000000000000001]`: true, `[data.at] == [1e16]`: true,
		`data.max < 18446744073709551616.0`: true, `data.max == 18446744073709551616.0`: false, `data.min > -9223372036854775808.0`: true,
		`data.min == -9223372036854775808.0`: false, `data.above <= 1e16 + 0.0`: false, `[1e16].exists(x, x == data.above)`: false,
		`data.at != 1e16`: false, `data.at != data.at`: false, `data.list != [10000000000000001]`: false, `"a" != "a"`: false, `"a" != dyn(1)`: true,
		`data.map != {"a": 10000000000000001}`: false, `null != data.at`: true, `data.list != data.list`: false,
		`data.list.all(x, x > 1e16)`: true, `data.list.exists(x, x in [1e16, 2e16])`: false,
	} {
		holds, err := condition(t, rule).Holds(t.Context(), data, nil)
		require.NoError(t, err, rule)
		require.Equal(t, want, holds, rule)
	}
	for _, rule := range []string{`data.above < "a"`, `"a" < data.above`, `data.list < 1.0`, `data.map > data.above`, `true < data.at`, `1 in data.at`} {
		_, err := condition(t, `dyn(0) == 1 || `+rule).Holds(t.Context(), data, nil)
		require.ErrorContains(t, err, "types that it does not accept", rule)
	}
}

// Two values of the data are compared as JSON, exactly, even if they contain numbers
// that no type can represent.
func TestEquality_UnrepresentableNumbers_CompareAsJSON(t *testing.T) {
	t.Parallel()
	const large = `123456789012345678901234`
	for rule, want := range map[string]bool{
		`data == previous`: false, `data.same == previous.same`: true, `data.list == previous.list`: false, `data.list != previous.list`: true,
		`data.map == previous.map`: true, `data.mixed == previous.mixed`: true, `data.text == previous.text`: false, `data.tiny == previous.tiny`: false,
		`[data.same] == [previous.same]`: true,
	} {
		holds, err := condition(t, rule).Holds(t.Context(),
			parse(t, `{"same":[`+large+`,1e400],"list":[`+large+`],"map":{"a":1.2345e400},"mixed":[1.0,null,true,"x",-0],"text":["1"],"tiny":[1e-400]}`),
			parse(t, `{"same":[`+large+`.0,10e399],"list":[`+large[:23]+`5],"map":{"a":12345e396},"mixed":[1,null,true,"x",0],"text":[1],"tiny":[0]}`))
		require.NoError(t, err, rule)
		require.Equal(t, want, holds, rule)
	}
	// A comparison with a value computed by the expression is an error. Standard CEL
	// would call items that it cannot compare equal.
	for _, rule := range []string{`data.list == [1]`, `[1] == data.list`, `data.map == {"a": 1}`, `1 in data.list`, `data.list != [1]`, `!(2.5 in data.list)`, `[data.list] == [[1]]`} {
		holds, err := condition(t, rule).Holds(t.Context(), parse(t, `{"list":[`+large+`],"map":{"a":1e400}}`), nil)
		require.ErrorContains(t, err, "represented exactly", rule)
		require.False(t, holds)
	}
	holds, err := condition(t, `1 in data.list`).Holds(t.Context(), parse(t, `{"list":[1e400,1]}`), nil)
	require.NoError(t, err)
	require.True(t, holds, "an equal item is found although another item cannot be represented")
}

func TestArithmetic_ResultBeyondExactDoubles_ExactOrAnError(t *testing.T) {
	t.Parallel()
	data := parse(t, `{"below":9007199254740991,"beyond":9007199254740993,"two":2,"one":1,"half":0.5,"big":2251799813685249.5}`)
	for rule, want := range map[string]bool{
		`data.below + data.two == 9007199254740993`: true, `data.below + data.two == 9007199254740992`: false,
		`-data.below - data.two == -9007199254740993`: true, `data.below + data.one == 9007199254740992`: true,
		`data.below * data.two == 18014398509481982`: true,
		`9007199254740993 / 3 == 3002399751580331`:   true, `data.beyond / 3 == 3002399751580331`: true, `data.big * 4.0 == 9007199254740998.0`: true, `data.below / data.half == 18014398509481982`: true,
	} {
		holds, err := condition(t, rule).Holds(t.Context(), data, nil)
		require.NoError(t, err, rule)
		require.Equal(t, want, holds, rule)
	}
	for _, rule := range []string{`data.beyond / 0 > 1`, `data.beyond / data.none > 1`} {
		_, err := condition(t, rule).Holds(t.Context(), parse(t, `{"beyond":9007199254740993,"none":0}`), nil)
		require.ErrorContains(t, err, "division by zero", rule)
	}
	for _, rule := range []string{`data.below + 1.5 > 0.0`, `data.big * 5.0 > 0.0`, `data.below / 0.3 > 0.0`, `-data.below - 2.5 < 0.0`} {
		_, err := condition(t, rule).Holds(t.Context(), data, nil)
		require.ErrorContains(t, err, "would be rounded", rule)
	}
}

// A text never equals a number; a rule has to convert with string() or int().
func TestComparison_TextAndNumber_AreNeverEqual(t *testing.T) {
	t.Parallel()
	data := parse(t, `{"n":123456789,"t":"123456789"}`)
	for rule, want := range map[string]bool{
		`data.n == data.t`: false, `data.n in ["123456789"]`: false, `data.t in [123456789]`: false, `string(data.n) in [data.t]`: true,
		`string(data.n) in ["123456789"]`: true, `int(data.t) == data.n`: true, `double(data.t) == data.n`: true, `uint(data.t) == data.n`: true,
		`int(data.n) == 123456789`: true, `int("9007199254740993") == 9007199254740993`: true,
	} {
		holds, err := condition(t, rule).Holds(t.Context(), data, nil)
		require.NoError(t, err, rule)
		require.Equal(t, want, holds, rule)
	}
	for _, text := range []string{"1e3", "1.0", " 1", "", "9223372036854775808"} {
		_, err := condition(t, `int(data.t) > 0`).Holds(t.Context(), parse(t, `{"t":"`+text+`"}`), nil)
		require.Error(t, err, text)
	}
}

// The error for a missing numeric key contains the number in plain digits.
func TestEvalError_MissingNumericKey_IsInPlainDigits(t *testing.T) {
	t.Parallel()
	for rule, message := range map[string]string{
		`data.m[data.n] == 1`:           `"123456789"`,
		`data.m[string(data.n)] == 1`:   `"123456789"`,
		`{"a": 1}[string(data.n)] == 1`: `"123456789"`,
		`{1: 1}[data.n] == 1`:           `"123456789"`,
		`data.m[123456789] == 1`:        `"123456789"`,
		`data.m[dyn(123456789.0)] == 1`: `"123456789"`,
	} {
		_, err := condition(t, rule).Holds(t.Context(), parse(t, `{"n":123456789,"m":{"a":1}}`), nil)
		require.ErrorContains(t, err, message, rule)
	}
}
