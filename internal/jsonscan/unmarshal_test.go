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

// tier has words, and reads them in any case.
type tier string

func (tier) Words() []string { return []string{"low", "high"} }

func (t *tier) UnmarshalText(text []byte) error {
	word := strings.ToLower(string(text))
	if word != "low" && word != "high" {
		return errors.New("no tier")
	}
	*t = tier(word)
	return nil
}

// digest is a struct that reads itself from text.
type digest struct{ text string }

func (d *digest) UnmarshalText(text []byte) error {
	if len(text) != 2 {
		return errors.New("no digest")
	}
	d.text = string(text)
	return nil
}

// model has every kind of field that is read by a plan.
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
	"what is required": {`{"count":0}`, true},
	"everything": {`{"count":-7,"total":9223372036854775807,"share":0.5,"ratio":-1e300,"always":"a","texts":["a","\n"],"tiers":["low","HIGH"],"digest":"ab","digests":{"x":"cd"},"any":[null,{"a":1.50}],"list":[null,1],"by_name":{"t":{"name":"n","flag":true}},"headers":{"A":["b","c"],"D":[],"a":["e"]},
		"thing":{"name":"n","flag":true},"things":[{"name":"m","flag":false},{"name":"o","flag":true,"parts":[]}]}`, true},
	"what is empty":                  {`{"count":0,"texts":[],"headers":{},"things":[]}`, true},
	"nulls for what is optional":     {`{"count":0,"total":null,"texts":null,"headers":null,"thing":null,"things":null}`, true},
	"minus zero":                     {`{"count":-0}`, true},
	"whole, with a point":            {`{"count":2.0}`, true},
	"whole, with an exponent":        {`{"count":2e2,"total":-1.5e1}`, true},
	"beyond 2^53":                    {`{"count":0,"total":9007199254740993}`, true},
	"at the bounds":                  {`{"count":1000,"share":1}`, true},
	"below a bound":                  {`{"count":-11}`, false},
	"above a bound":                  {`{"count":0,"share":1.0000000000000002}`, false},
	"a float beyond float64":         {`{"count":0,"ratio":1e309}`, false},
	"a tier in another case":         {`{"count":0,"tiers":["hIgH"]}`, true},
	"a tier that is none":            {`{"count":0,"tiers":["medium"]}`, false},
	"a tier that is null":            {`{"count":0,"tiers":[null]}`, false},
	"a digest that is none":          {`{"count":0,"digest":"a"}`, false},
	"a digest that is an object":     {`{"count":0,"digest":{}}`, false},
	"a digest that is null in a map": {`{"count":0,"digests":{"x":null}}`, false},
	"a field that JSON has not":      {`{"count":0,"Hidden":1,"-":2}`, true},
	"an optional text that is null":  {`{"count":0,"always":null,"any":null}`, true},
	"a thing that is null in a map":  {`{"count":0,"by_name":{"t":null}}`, false},
	"many items of a list":           {`{"count":0,"things":[` + strings.Repeat(`{"name":"n","flag":true,"tags":{"a":"b"}},`, 20) + `{"name":"n","flag":false}]}`, true},
	"the least":                      {`{"count":0,"total":-9223372036854775808}`, true},
	"one more than the most":         {`{"count":0,"total":9223372036854775808}`, false},
	"one less than the least":        {`{"count":0,"total":-9223372036854775809}`, false},
	"half":                           {`{"count":0.5}`, false},
	"beyond float64":                 {`{"count":1e400}`, false},
	"a number that is a text":        {`{"count":"1"}`, false},
	"a number that breaks off":       {`{"count":1.}`, false},
	"a text that is a number":        {`{"count":0,"texts":["a",1]}`, false},
	"a text that is null":            {`{"count":0,"texts":[null]}`, false},
	"a text for texts":               {`{"count":0,"texts":"a"}`, false},
	"a header twice":                 {`{"count":0,"headers":{"a":[],"a":[]}}`, false},
	"a header that is null":          {`{"count":0,"headers":{"a":null}}`, false},
	"a header that is a text":        {`{"count":0,"headers":{"a":"b"}}`, false},
	"a header of null":               {`{"count":0,"headers":{"a":[null]}}`, false},
	"a thing without its flag":       {`{"count":0,"thing":{"name":"n"}}`, false},
	"a thing that is null in a list": {`{"count":0,"things":[null]}`, false},
	"a thing that is none":           {`{"count":0,"things":[{"name":"n","flag":true},{}]}`, false},
	"null for the whole":             {`null`, false},
	"more behind it":                 {`{"count":0}0`, false},
}

func agree(t *testing.T, text string) bool {
	t.Helper()
	var got, want, either, none model
	ok := jsonscan.Scan([]byte(text), &got)
	err := strictjson.Unmarshal([]byte(text), &want)
	require.Equal(t, err == nil, ok, "%v", err)
	require.Equal(t, err, jsonscan.Unmarshal([]byte(text), &either))
	if !ok {
		require.Equal(t, none, got, "as it was")
		return false
	}
	require.Equal(t, want, got)
	require.Equal(t, want, either)
	return true
}

func TestUnmarshal_TextOfAModel_IsReadAsByStrictjson(t *testing.T) {
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
		"it reads itself from JSON": {`{"a":1}`, new(raw)},
		"an embedded struct":        {`{"name":"n"}`, new(embedded)},
		"a second name":             {`{"from_state":"s"}`, new(renamed)},
		"a field without a tag":     {`{"Name":"n"}`, new(struct{ Name string })},
		"a name in upper case": {`{"aName":"n"}`, new(struct {
			Name string `json:"aName"` //nolint:tagliatelle // that is the point
		})},
		"a number that is a text": {`{"n":"1"}`, new(struct {
			N int `json:"n,string"`
		})},
		"a number as it is written": {`{"n":1.50}`, new(struct {
			N json.Number `json:"n"`
		})},
		"a number of 32 bits": {`{"n":1}`, new(struct {
			N float32 `json:"n"`
		})},
		"bytes": {`{"b":"AAEC"}`, new(struct {
			B []byte `json:"b"`
		})},
		"bounds of a list": {`{"n":[1]}`, new(struct {
			N []int `json:"n" aureus:"min=0"`
		})},
		"names that are no strings": {`{"m":{"a":1}}`, new(struct {
			M map[tier]int `json:"m"`
		})},
	} {
		require.False(t, jsonscan.Scan([]byte(test.text), test.v), name)
	}
	require.False(t, jsonscan.Scan([]byte(`{"count":0}`), (*model)(nil)))
	require.False(t, jsonscan.Scan([]byte(`{"count":0}`), model{}))
	require.False(t, jsonscan.Scan([]byte(`null`), nil))
}

func TestUnmarshal_PartThatTheScannerDoesNotRead_LeavesTheTextToStrictjson(t *testing.T) {
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
