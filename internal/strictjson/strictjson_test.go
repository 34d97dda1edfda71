package strictjson_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"reflect"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/internal/strictjson"
)

type color string

func (color) Words() []string { return []string{"red", "green"} }

type inner struct {
	Name  string `json:"name"`
	Count int    `json:"count,omitzero" aureus:"min=1,max=5"`
}

type outer struct {
	ID     string            `json:"id"`
	Flag   bool              `json:"flag"`
	Share  *float64          `json:"share,omitzero" aureus:"min=0,max=1"`
	Color  color             `json:"color,omitzero"`
	Inner  *inner            `json:"inner,omitzero"`
	List   []inner           `json:"list"`
	Named  map[string]inner  `json:"named,omitzero"`
	Free   any               `json:"free"`
	Loose  map[string]any    `json:"loose,omitzero"`
	Tags   map[string]string `json:"tags,omitzero"`
	Number int               `json:"number,omitzero"`
}

func TestUnmarshal_ValidText_FillsTheFields(t *testing.T) {
	t.Parallel()
	var got outer
	require.NoError(t, strictjson.Unmarshal([]byte(`{"id":"","flag":false,"share":null,"list":[{"name":"a","count":2.0}],"free":null,"number":2e2,
		"loose":{"big":1000000000000000000000000000000,"nil":null,"f":1.50},"unknown":{"ID":1,"id":2}}`), &got))
	require.Equal(t, outer{
		List: []inner{{Name: "a", Count: 2}}, Number: 200,
		Loose: map[string]any{"big": json.Number("1000000000000000000000000000000"), "nil": nil, "f": json.Number("1.50")},
	}, got)
}

func TestUnmarshal_ManyProblems_ListsAllAtOnce(t *testing.T) {
	t.Parallel()
	var got outer
	err := strictjson.Unmarshal([]byte(`{"flag":"yes","share":1.01,"color":"blue","inner":{"Name":"x","count":9},"list":[{"name":"a"},null,{"name":7,"count":1.5}],
		"named":{"a/b":{},"c~":null},"FREE":1,"tags":{"k":1},"number":"1"}`), &got)
	shape, ok := errors.AsType[*strictjson.ShapeError](err)
	require.True(t, ok, "%v", err)
	problems := map[string]string{}
	for _, p := range shape.Problems {
		problems[p.Pointer] = p.Message
	}
	require.Equal(t, map[string]string{
		"/id":              "is required",
		"/flag":            "must be true or false, not a string",
		"/share":           "must be at most 1",
		"/color":           "must be one of red, green",
		"/inner/name":      "is required",
		"/inner/Name":      `is spelled in another case than "name"`,
		"/inner/count":     "must be at most 5",
		"/list/1":          "must not be null",
		"/list/2/name":     "must be a string, not a number",
		"/list/2/count":    "must be a whole number",
		"/named/a~1b/name": "is required",
		"/named/c~0":       "must not be null",
		"/free":            "is required",
		"/FREE":            `is spelled in another case than "free"`,
		"/tags/k":          "must be a string, not a number",
		"/number":          "must be a number, not a string",
	}, problems)
	require.ErrorContains(t, err, "and 8 more")
}

func TestUnmarshal_Int64_AcceptsWholeNumbersOnly(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int64{
		"0": 0, "-0": 0, "-7": -7, "2.0": 2, "-2e2": -200, "9007199254740993": 9007199254740993,
		"9223372036854775807": math.MaxInt64, "-9223372036854775808": math.MinInt64,
	} {
		var got int64
		require.NoError(t, strictjson.Unmarshal([]byte(text), &got), text)
		require.Equal(t, want, got, text)
	}
	for _, text := range []string{"0.5", "9.2e18", "9007199254740993.0", "9223372036854775808", "-9223372036854775809", "1e19", "-1e19", "1e400", `"1"`} {
		var got int64
		require.Error(t, strictjson.Unmarshal([]byte(text), &got), text)
		var item struct {
			Count int `json:"count"`
		}
		require.ErrorContains(t, strictjson.Unmarshal([]byte(`{"count":`+text+`}`), &item), "/count: ", text)
	}
}

func TestUnmarshal_Alias_IsReadAsTheDeclaredName(t *testing.T) {
	t.Parallel()
	type move struct {
		From color `json:"from_color" aureus:"alias=from"`
		To   color `json:"to_color,omitzero" aureus:"alias=to"`
	}
	type moves struct {
		List []move         `json:"list"`
		Free map[string]any `json:"free,omitzero"`
	}
	var got moves
	require.NoError(t, strictjson.Unmarshal([]byte(`{"list":[{"from":"red","to":"green"},{"from_color":"green","from":"red","to":null}],
		"free":{"from":1000000000000000000000000000000}}`), &got))
	require.Equal(t, moves{
		List: []move{{"red", "green"}, {"green", ""}}, Free: map[string]any{"from": json.Number("1000000000000000000000000000000")},
	}, got, "the declared name has priority, and free-form values are not changed")
	require.Equal(t, `{"from_color":"red","to_color":"green"}`, string(must(t, got.List[0]))) //nolint:testifylint // compares bytes

	err := strictjson.Unmarshal([]byte(`{"list":[{"from":"blue"},{}]}`), &got)
	require.ErrorContains(t, err, "/list/0/from_color: must be one of red, green")
	require.ErrorContains(t, err, "/list/1/from_color: is required")
}

func TestUnmarshal_OptionalField_MayBeAbsentAndIsAlwaysWritten(t *testing.T) {
	t.Parallel()
	type answer struct {
		Token  string  `json:"token"`
		Joined bool    `json:"joined" aureus:"optional"`
		Of     *answer `json:"of" aureus:"optional"`
	}
	for _, text := range []string{`{"token":"t"}`, `{"token":"t","joined":null,"of":null}`} {
		var got answer
		require.NoError(t, strictjson.Unmarshal([]byte(text), &got))
		require.Equal(t, answer{Token: "t"}, got)
	}
	require.Equal(t, `{"token":"t","joined":false,"of":null}`, string(must(t, answer{Token: "t"}))) //nolint:testifylint // compares bytes
	require.ErrorContains(t, strictjson.Unmarshal([]byte(`{"joined":true}`), new(answer)), "/token: is required")
}

func must(t *testing.T, v any) []byte {
	t.Helper()
	text, err := strictjson.Marshal(v)
	require.NoError(t, err)
	return text
}

func TestParse_InvalidText_IsASyntaxError(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ text, want string }{
		"empty":                     {"", "the text is empty"},
		"duplicate":                 {"{\"a\":1,\n \"a\":2}", "line 2, column 2: the name a occurs twice"},
		"nested duplicate":          {`[{"b":{"x":1,"x":1}}]`, "the name x occurs twice"},
		"trailing":                  {`{} {}`, "there is text after the value"},
		"trailing comma":            {`[1,]`, "column 3"},
		"cut short":                 {`{"a"`, "not valid JSON"},
		"invalid UTF-8":             {"\"\xff\"", "not valid JSON"},
		"lone surrogate":            {`"\ud800"`, "not valid JSON"},
		"NaN":                       {`NaN`, "not valid JSON"},
		"a comment":                 {`1 // one`, "not valid JSON"},
		"too deep":                  {strings.Repeat("[", 101) + "0" + strings.Repeat("]", 101), "nested more than 100 levels deep"},
		"one empty array too deep":  {strings.Repeat("[", 101) + strings.Repeat("]", 101), "nested more than 100 levels deep"},
		"one empty object too deep": {strings.Repeat("[", 100) + "{}" + strings.Repeat("]", 100), "nested more than 100 levels deep"},
		"too many values":           {"[" + strings.Repeat("[],", 250_000) + "0]", "more than 250000 values"},
		"far too deep":              {strings.Repeat(`{"a":`, 1_000_000), "nested more than 100 levels deep"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := strictjson.Parse([]byte(test.text))
			_, ok := errors.AsType[*strictjson.SyntaxError](err)
			require.True(t, ok, "%v", err)
			require.ErrorContains(t, err, test.want)
			var v any
			require.Error(t, strictjson.Unmarshal([]byte(test.text), &v))
		})
	}
	for _, innermost := range []string{"0", "", `"x"`} {
		_, err := strictjson.Parse([]byte(strings.Repeat("[", 100) + innermost + strings.Repeat("]", 100)))
		require.NoError(t, err)
	}
}

func TestMarshal_ValueWithoutJSONForm_IsAnError(t *testing.T) {
	t.Parallel()
	text, err := strictjson.Marshal(map[string]any{"b": json.Number("1e2"), "a": []any{"<&>", nil, 1.5}})
	require.NoError(t, err)
	require.Equal(t, `{"a":["<&>",null,1.5],"b":1e2}`, string(text)) //nolint:testifylint // compares bytes

	for name, v := range map[string]any{"NaN": math.NaN(), "infinity": math.Inf(1), "not a number": json.Number("1 2"), "text as number": json.Number(`"x"`), "invalid UTF-8": "\xff", "a function": func() {}} {
		_, err := strictjson.Marshal(v)
		require.Error(t, err, name)
	}
	text, err = strictjson.MarshalText("a\xffb")
	require.NoError(t, err)
	require.Equal(t, "\"a\ufffdb\"", string(text))
}

func TestNormalize_AnyValue_GivesFreeForm(t *testing.T) {
	t.Parallel()
	got, err := strictjson.Normalize(inner{Name: "n", Count: 3})
	require.NoError(t, err)
	require.Equal(t, map[string]any{"name": "n", "count": json.Number("3")}, got)
	for _, bad := range []any{make(chan int), "\xff", json.Number("1 2")} {
		_, err = strictjson.Normalize(bad)
		require.Error(t, err, "%v", bad)
	}
}

// A value that is read can be written again, and reads back as the same value.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{`{"a":[1,2.50,-0,1e400,"é\u0000",null,true]}`, `{"A":1,"a":2}`, `"x" `, `[[[]]]`, "{\"\xff\":1}", `{"id":"x","flag":true,"list":[],"free":1}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		tree, err := strictjson.Parse(data)
		if err != nil {
			return
		}
		text, err := strictjson.Marshal(tree)
		require.NoError(t, err)
		again, err := strictjson.Parse(text)
		require.NoError(t, err)
		require.True(t, reflect.DeepEqual(tree, again))

		var o outer
		if strictjson.Unmarshal(data, &o) == nil {
			require.Empty(t, strictjson.Check(tree, reflect.TypeFor[outer]()), "a value that was read has the shape")
		}
	})
}

// encoding/json accepts these names for declared ones.
func TestUnmarshal_NameInAnotherCase_IsAnError(t *testing.T) {
	t.Parallel()
	type decision struct {
		Passed bool   `json:"passed"`
		Task   string `json:"task,omitzero"`
	}
	for _, name := range []string{"PASSED", "pa\u017fsed", "PA\u017f\u017fED", `pa\u017fsed`, "tas\u212a", `tas\u212A`, "Task"} {
		text := fmt.Sprintf(`{"passed":false,%s:true}`, `"`+name+`"`)
		if strings.EqualFold(name, "task") || strings.HasPrefix(name, "tas") {
			text = fmt.Sprintf(`{"passed":false,%s:"t"}`, `"`+name+`"`)
		}
		var lenient decision
		require.NoError(t, json.Unmarshal([]byte(text), &lenient), name)
		require.NotEqual(t, decision{}, lenient, "encoding/json reads %s", name)
		var strict decision
		require.ErrorContains(t, strictjson.Unmarshal([]byte(text), &strict), "another case", name)
	}
	var strict decision
	require.NoError(t, strictjson.Unmarshal([]byte(`{"passed":true,"ﬁeld":1,"paßed":2,"tàsk":3,"task\u0131":4}`), &strict), "these names do not differ in case only")
}

// Whole numbers keep every digit, or are refused.
func TestUnmarshal_LargeWholeNumber_KeepsItsDigits(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int64{
		"0": 0, "-0": 0, "2.0": 2, "2e3": 2000, "-1.5e1": -15,
		"9007199254740993": 1<<53 + 1, "9007199254740991.0": 1<<53 - 1,
		"9223372036854775807": math.MaxInt64, "-9223372036854775808": math.MinInt64,
	} {
		var got struct {
			N int64 `json:"n"`
		}
		require.NoError(t, strictjson.Unmarshal([]byte(`{"n":`+text+`}`), &got), text)
		require.Equal(t, want, got.N, text)
	}
	for _, text := range []string{"9007199254740993.0", "9007199254740993e0", "9223372036854775808", "-9223372036854775809", "1e19", "1e300", "1e400", "0.5", "1e-400x", "1e-3"} {
		var got struct {
			N int64 `json:"n"`
		}
		require.Error(t, strictjson.Unmarshal([]byte(`{"n":`+text+`}`), &got), text)
		require.Zero(t, got.N, text)
	}
}

// encoding/json finds a member by any of these names.
func TestFold_LettersThatDifferOnlyInCase_AreTheSame(t *testing.T) {
	t.Parallel()
	for _, same := range [][]string{{"amount", "AMOUNT", "aMount"}, {"sum", "\u017fum", "SUM"}, {"k", "K", "\u212a"}, {"\u03c3", "\u03c2", "\u03a3"}, {"\u03c0", "\u03d6"}, {"\u00b5", "\u03bc"}, {"\u00e5", "\u212b"}} {
		for _, name := range same {
			require.Equal(t, strictjson.Fold(same[0]), strictjson.Fold(name), "%+q", name)
			object := reflect.New(reflect.StructOf([]reflect.StructField{{Name: "X", Type: reflect.TypeFor[int](), Tag: reflect.StructTag(`json:"` + same[0] + `"`)}}))
			require.NoError(t, json.Unmarshal([]byte(`{"`+name+`":1}`), object.Interface()))
			require.EqualValues(t, 1, object.Elem().Field(0).Int(), "%+q", name)
		}
	}
	require.NotEqual(t, strictjson.Fold("a"), strictjson.Fold("b"))
	require.NotEqual(t, strictjson.Fold("\u00e9"), strictjson.Fold("e"))
}
