package jsonscan_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/internal/jsonscan"
	"github.com/farmountain/aureus-go/internal/strictjson"
)

// tier allows some words only, and accepts them in any case.
type tier string

func (tier) Words() []string { return []string{"low", "high"} }

func (t *tier) UnmarshalText(text []byte) error {
	word := strings.ToLower(string(text))
	if word != "low" && word != "high" {
		return errors.New("not a tier")
	}
	*t = tier(word)
	return nil
}

// digest is a struct with the method UnmarshalText.
type digest struct{ text string }

func (d *digest) UnmarshalText(text []byte) error {
	if len(text) != 2 {
		return errors.New("not a digest")
	}
	d.text = string(text)
	return nil
}

// model has every kind of field that the scanner reads.
type model struct {
	Count   int                 `json:"count" aureus:"min=-10,max=1000"`
	Total   int64               `json:"total,omitzero"`
	Share   *float64            `json:"share,omitzero" aureus:"min=0,max=1"`
	Ratio   float64             `json:"ratio,omitempty"`
	Always  string              `json:"always" aureus:"optional"`
	Texts   []string            `json:"texts,omitzero"`
	Headers map[string][]string `json:"headers,omitzero"`
	Tiers   []tier              `json:"tiers,omitzero"`
	Digest  digest              `json:"digest,omitzero"`
	Digests map[string]*digest  `json:"digests,omitzero"`
	Any     any                 `json:"any,omitzero"`
	List    []any               `json:"list,omitzero"`
	Thing   *thing              `json:"thing,omitzero"`
	Things  []thing             `json:"things,omitzero"`
	ByName  map[string]thing    `json:"by_name,omitzero"`
	Hidden  func()              `json:"-"`
}

var models = map[string]struct {
	text string
	want bool
}{
	"required fields only": {`{"count":0}`, true},
	"all fields": {`{"count":-7,"total":9223372036854775807,"share":0.5,"ratio":-1e300,"always":"a","texts":["a","\n"],"tiers":["low","HIGH"],"digest":"ab","digests":{"x":"cd"},"any":[null,{"a":1.50}],"list":[null,1],"by_name":{"t":{"name":"n","flag":true}},"headers":{"A":["b","c"],"D":[],"a":["e"]},
		"thing":{"name":"n","flag":true},"things":[{"name":"m","flag":false},{"name":"o","flag":true,"parts":[]}]}`, true},
	"empty lists and maps":            {`{"count":0,"texts":[],"headers":{},"things":[]}`, true},
	"null for optional fields":        {`{"count":0,"total":null,"texts":null,"headers":null,"thing":null,"things":null}`, true},
	"minus zero":                      {`{"count":-0}`, true},
	"a whole number with a point":     {`{"count":2.0}`, true},
	"a whole number with an exponent": {`{"count":2e2,"total":-1.5e1}`, true},
	"beyond 2^53":                     {`{"count":0,"total":9007199254740993}`, true},
	"at the bounds":                   {`{"count":1000,"share":1}`, true},
	"below a bound":                   {`{"count":-11}`, false},
	"above a bound":                   {`{"count":0,"share":1.0000000000000002}`, false},
	"a float beyond float64":          {`{"count":0,"ratio":1e309}`, false},
	"a tier in another case":          {`{"count":0,"tiers":["hIgH"]}`, true},
	"an unknown tier":                 {`{"count":0,"tiers":["medium"]}`, false},
	"a tier that is null":             {`{"count":0,"tiers":[null]}`, false},
	"an invalid digest":               {`{"count":0,"digest":"a"}`, false},
	"a digest that is an object":      {`{"count":0,"digest":{}}`, false},
	"a digest that is null in a map":  {`{"count":0,"digests":{"x":null}}`, false},
	"names of fields without JSON":    {`{"count":0,"Hidden":1,"-":2}`, true},
	"an optional text that is null":   {`{"count":0,"always":null,"any":null}`, true},
	"a thing that is null in a map":   {`{"count":0,"by_name":{"t":null}}`, false},
	"many items of a list":            {`{"count":0,"things":[` + strings.Repeat(`{"name":"n","flag":true,"tags":{"a":"b"}},`, 20) + `{"name":"n","flag":false}]}`, true},
	"the smallest int64":              {`{"count":0,"total":-9223372036854775808}`, true},
	"above the largest int64":         {`{"count":0,"total":9223372036854775808}`, false},
	"below the smallest int64":        {`{"count":0,"total":-9223372036854775809}`, false},
	"a fraction":                      {`{"count":0.5}`, false},
	"beyond float64":                  {`{"count":1e400}`, false},
	"a string for a number":           {`{"count":"1"}`, false},
	"an incomplete number":            {`{"count":1.}`, false},
	"a number for a string":           {`{"count":0,"texts":["a",1]}`, false},
	"a null for a string":             {`{"count":0,"texts":[null]}`, false},
	"a string for a list of strings":  {`{"count":0,"texts":"a"}`, false},
	"a header twice":                  {`{"count":0,"headers":{"a":[],"a":[]}}`, false},
	"a header that is null":           {`{"count":0,"headers":{"a":null}}`, false},
	"a header that is a string":       {`{"count":0,"headers":{"a":"b"}}`, false},
	"a null in a header":              {`{"count":0,"headers":{"a":[null]}}`, false},
	"a thing without its flag":        {`{"count":0,"thing":{"name":"n"}}`, false},
	"a thing that is null in a list":  {`{"count":0,"things":[null]}`, false},
	"an empty thing in a list":        {`{"count":0,"things":[{"name":"n","flag":true},{}]}`, false},
	"null":                            {`null`, false},
	"text after the object":           {`{"count":0}0`, false},
}

func agree(t *testing.T, text string) bool {
	t.Helper()
	var got, want, either, none model
	ok := jsonscan.Scan([]byte(text), &got)
	err := strictjson.Unmarshal([]byte(text), &want)
	require.Equal(t, err == nil, ok, "%v", err)
	require.Equal(t, err, jsonscan.Unmarshal([]byte(text), &either))
	if !ok {
		require.Equal(t, none, got, "a refused text must not change the value")
		return false
	}
	require.Equal(t, want, got)
	require.Equal(t, want, either)
	return true
}

func TestUnmarshal_AnyText_AgreesWithStrictjson(t *testing.T) {
	t.Parallel()
	for name, test := range models {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, test.want, agree(t, test.text))
		})
	}
}

func FuzzUnmarshal(f *testing.F) {
	for _, test := range models {
		f.Add(test.text)
	}
	f.Fuzz(func(t *testing.T, text string) { agree(t, text) })
}

type (
	raw      struct{ text string }
	embedded struct{ Base }
	Base     struct {
		Name string `json:"name"`
	}
	renamed struct {
		From string `json:"from_state" aureus:"alias=from"`
	}
	logged struct {
		Name string    `json:"name"`
		Log  []renamed `json:"log"`
	}
)

func (r *raw) UnmarshalJSON(text []byte) error { r.text = string(text); return nil }

// The scanner leaves such types to strictjson.
func TestScan_OtherTypes_ReadsNothing(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		text string
		v    any
	}{
		"a type with UnmarshalJSON": {`{"a":1}`, new(raw)},
		"an embedded struct":        {`{"name":"n"}`, new(embedded)},
		"a second name":             {`{"from_state":"s"}`, new(renamed)},
		"a field without a tag":     {`{"Name":"n"}`, new(struct{ Name string })},
		"a name in upper case": {`{"aName":"n"}`, new(struct {
			Name string `json:"aName"` //nolint:tagliatelle // the test needs a capital letter
		})},
		"the option string": {`{"n":"1"}`, new(struct {
			N int `json:"n,string"`
		})},
		"a json.Number": {`{"n":1.50}`, new(struct {
			N json.Number `json:"n"`
		})},
		"a number of 32 bits": {`{"n":1}`, new(struct {
			N float32 `json:"n"`
		})},
		"bytes": {`{"b":"AAEC"}`, new(struct {
			B []byte `json:"b"`
		})},
		"bounds on a list": {`{"n":[1]}`, new(struct {
			N []int `json:"n" aureus:"min=0"`
		})},
		"map keys that are not strings": {`{"m":{"a":1}}`, new(struct {
			M map[tier]int `json:"m"`
		})},
	} {
		require.False(t, jsonscan.Scan([]byte(test.text), test.v), name)
	}
	require.False(t, jsonscan.Scan([]byte(`{"count":0}`), (*model)(nil)))
	require.False(t, jsonscan.Scan([]byte(`{"count":0}`), model{}))
	require.False(t, jsonscan.Scan([]byte(`null`), nil))
}

func TestUnmarshal_UnsupportedPart_UsesStrictjson(t *testing.T) {
	t.Parallel()
	var got logged
	require.True(t, jsonscan.Scan([]byte(`{"name":"n","log":[]}`), &got))
	require.Equal(t, logged{Name: "n", Log: []renamed{}}, got)
	got = logged{}
	text := []byte(`{"name":"n","log":[{"from":"a"}]}`)
	require.False(t, jsonscan.Scan(text, &got))
	require.Equal(t, logged{}, got)
	require.NoError(t, jsonscan.Unmarshal(text, &got))
	require.Equal(t, logged{Name: "n", Log: []renamed{{From: "a"}}}, got)
	require.Error(t, jsonscan.Unmarshal([]byte(`{"name":"n"}`), new(logged)))
}

func TestScan_TopLevelValues_AreReadAsByStrictjson(t *testing.T) {
	t.Parallel()
	for _, text := range []string{`null`, `1`, `"a"`, `[]`, `["a"]`, `[null]`, `{}`, `{"a":["b"]}`, `{"a":null}`, `true`} {
		for _, v := range []func() (any, any){
			func() (any, any) { return new(any), new(any) },
			func() (any, any) { return new([]string), new([]string) },
			func() (any, any) { return new(map[string][]string), new(map[string][]string) },
			func() (any, any) { return new(map[string]any), new(map[string]any) },
			func() (any, any) { return new(string), new(string) },
			func() (any, any) { return new(bool), new(bool) },
			func() (any, any) { return new(int), new(int) },
		} {
			quick, general := v()
			want := strictjson.Unmarshal([]byte(text), general)
			require.Equal(t, want, jsonscan.Unmarshal([]byte(text), quick), "%s as %T", text, quick)
			require.Equal(t, general, quick, "%s as %T", text, quick)
		}
	}
}

func TestUnmarshal_LongText_StringsAreCopies(t *testing.T) {
	t.Parallel()
	text := `{"count":0,"headers":{"name":["value"]},"x":"` + strings.Repeat("x", 5000) + `"}`
	s := jsonscan.New(text)
	var headers map[string]any
	require.True(t, s.Map(&headers))
	for name := range headers {
		require.False(t, isPart(text, name))
	}
}
