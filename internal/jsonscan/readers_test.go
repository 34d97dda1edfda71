package jsonscan_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/internal/jsonscan"
	"github.com/farmountain/aureus-go/internal/strictjson"
)

// model has what a thing has not.
type model struct {
	Count   int                 `json:"count"`
	Total   int64               `json:"total,omitzero"`
	Texts   []string            `json:"texts,omitzero"`
	Headers map[string][]string `json:"headers,omitzero"`
	Thing   *thing              `json:"thing,omitzero"`
	Things  []thing             `json:"things,omitzero"`
}

var modelShape = jsonscan.ShapeOf[model]()

func (v *model) read(s *jsonscan.Scanner) bool {
	return s.Object(modelShape, func(name string) bool {
		switch name {
		case "count":
			return jsonscan.Int(s, &v.Count)
		case "total":
			return jsonscan.Int(s, &v.Total)
		case "texts":
			return s.Texts(&v.Texts)
		case "headers":
			return jsonscan.MapOf(s, &v.Headers, (*jsonscan.Scanner).Texts)
		case "thing":
			v.Thing = new(thing)
			return jsonscan.Read(s, v.Thing)
		case "things":
			return jsonscan.ListOf(s, &v.Things, jsonscan.Read[thing])
		}
		return false
	})
}

func init() { //nolint:gochecknoinits // as for the models that there are
	jsonscan.Register(func(s *jsonscan.Scanner, v *thing) bool { return v.read(s) })
	jsonscan.Register(func(s *jsonscan.Scanner, v *model) bool { return v.read(s) })
}

var models = map[string]struct {
	text string
	want bool
}{
	"what is required": {`{"count":0}`, true},
	"everything": {`{"count":-7,"total":9223372036854775807,"texts":["a","\n"],"headers":{"A":["b","c"],"D":[],"a":["e"]},
		"thing":{"name":"n","flag":true},"things":[{"name":"m","flag":false},{"name":"o","flag":true,"parts":[]}]}`, true},
	"what is empty":                  {`{"count":0,"texts":[],"headers":{},"things":[]}`, true},
	"nulls for what is optional":     {`{"count":0,"total":null,"texts":null,"headers":null,"thing":null,"things":null}`, true},
	"minus zero":                     {`{"count":-0}`, true},
	"whole, with a point":            {`{"count":2.0}`, true},
	"whole, with an exponent":        {`{"count":2e2,"total":-1.5e1}`, true},
	"beyond 2^53":                    {`{"count":9007199254740993}`, true},
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

func TestRegisteredReaders(t *testing.T) {
	for name, test := range models {
		t.Run(name, func(t *testing.T) { require.Equal(t, test.want, agree(t, test.text)) })
	}
}

func FuzzRegisteredReaders(f *testing.F) {
	for _, test := range models {
		f.Add(test.text)
	}
	f.Fuzz(func(t *testing.T, text string) { agree(t, text) })
}

// What has no reader is left to the general one.
func TestWithoutAReader(t *testing.T) {
	type unknown struct {
		Name string `json:"name"`
	}
	var got unknown
	require.False(t, jsonscan.Scan([]byte(`{"name":"n"}`), &got))
	require.NoError(t, jsonscan.Unmarshal([]byte(`{"name":"n"}`), &got))
	require.Equal(t, unknown{Name: "n"}, got)
	require.Error(t, jsonscan.Unmarshal([]byte(`{}`), &unknown{}))
	s := jsonscan.New(`{}`)
	require.False(t, jsonscan.Read(&s, &got))
	require.False(t, jsonscan.Scan([]byte(`{"count":0}`), (*model)(nil)))
	require.False(t, jsonscan.Scan([]byte(`{"count":0}`), model{}))
	require.False(t, jsonscan.Scan([]byte(`null`), nil))
}

func TestATypeHasOneReader(t *testing.T) {
	require.PanicsWithValue(t, "jsonscan: two readers for *jsonscan_test.model", func() {
		jsonscan.Register(func(*jsonscan.Scanner, *model) bool { return true })
	})
}

func TestNamesOfAMapAreNoPartsOfALongText(t *testing.T) {
	text := `{"count":0,"headers":{"name":["value"]},"x":"` + strings.Repeat("x", 5000) + `"}`
	s := jsonscan.New(text)
	var v model
	require.True(t, v.read(&s))
	for name, values := range v.Headers {
		require.False(t, isPart(text, name))
		require.False(t, isPart(text, values[0]))
	}
}
