package jsonscan_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/internal/jsonscan"
	"github.com/farmountain/aureus-go/internal/strictjson"
)

type color string

func (color) Words() []string { return []string{"red", "green"} }

type thing struct {
	Name   string            `json:"name"`
	Color  color             `json:"color,omitzero"`
	Share  *float64          `json:"share,omitzero"`
	Task   string            `json:"task_k,omitempty"`
	Hidden string            `json:"-"`
	Flag   bool              `json:"flag"`
	Tags   map[string]string `json:"tags,omitzero"`
	Free   map[string]any    `json:"free,omitzero"`
	Parts  []thing           `json:"parts,omitzero"`
}

var shape = jsonscan.ShapeOf[thing]()

func (v *thing) read(s *jsonscan.Scanner) bool {
	return s.Object(shape, func(name string) bool {
		switch name {
		case "name":
			return s.String(&v.Name)
		case "color":
			return s.Word((*string)(&v.Color), v.Color.Words())
		case "share":
			v.Share = new(float64)
			return s.Float(v.Share)
		case "task_k":
			return s.String(&v.Task)
		case "flag":
			return s.Bool(&v.Flag)
		case "tags":
			return s.Strings(&v.Tags)
		case "free":
			return s.Map(&v.Free)
		case "parts":
			v.Parts = []thing{}
			return s.List(func() bool {
				var part thing
				ok := part.read(s)
				v.Parts = append(v.Parts, part)
				return ok
			})
		}
		return false
	})
}

func readThing(text string) (v thing, ok bool) {
	s := jsonscan.New(text)
	ok = v.read(&s) && s.End()
	return v, ok
}

var things = map[string]struct {
	text string
	want bool
}{
	"required members only":                       {`{"name":"n","flag":false}`, true},
	"in another order":                            {`{"flag":true,"task_k":"t","name":"n","color":"red"}`, true},
	"all members":                                 {`{"name":"n","color":"green","share":1,"task_k":"t","flag":true,"tags":{"a":"b"},"free":{"a":[1]},"parts":[{"name":"m","flag":false}]}`, true},
	"empty values":                                {`{"name":"","flag":false,"tags":{},"free":{},"parts":[]}`, true},
	"an escaped name":                             {`{"n\u0061me":"n","flag":false}`, true},
	"null for every optional member":              {`{"name":"n","color":null,"share":null,"task_k":null,"flag":true,"tags":null,"free":null,"parts":null}`, true},
	"unknown names":                               {`{"x":{"NAME":[1]},"name":"n","y":null,"flag":true,"Hidden":1,"naïve":"é","-":2}`, true},
	"many unknown names":                          {`{"name":"n","flag":true,` + manyNames(40)[1:], true},
	"no members":                                  {`{}`, false},
	"no name":                                     {`{"flag":true}`, false},
	"null for a required member":                  {`{"name":null,"flag":true}`, false},
	"null instead of the object":                  {`null`, false},
	"a list instead of the object":                {`[]`, false},
	"a declared name twice":                       {`{"name":"n","name":"n","flag":true}`, false},
	"a declared name twice as null":               {`{"name":"n","flag":true,"color":null,"color":null}`, false},
	"a declared name twice, escaped":              {`{"name":"n","\u006eame":"n","flag":true}`, false},
	"an unknown name twice":                       {`{"name":"n","flag":true,"x":1,"x":1}`, false},
	"an unknown name twice, among many":           {`{"name":"n","flag":true,"last":2,` + manyNames(40)[1:], false},
	"a name twice in an unknown value":            {`{"name":"n","flag":true,"x":[{"a":1,"a":1}]}`, false},
	"an unpaired surrogate in an unknown value":   {`{"name":"n","flag":true,"x":"\ud800"}`, false},
	"a name in another case":                      {`{"name":"n","flag":true,"Color":"red"}`, false},
	"a name in another case, beside the declared": {`{"name":"n","flag":true,"NAME":"m"}`, false},
	"a name with a long s":                        {`{"name":"n","flag":true,"tag` + "\u017f" + `":{}}`, false},
	"a name with the Kelvin sign":                 {`{"name":"n","flag":true,"tas` + "\u212a" + `_k":"t"}`, false},
	"a name with a long s, escaped":               {`{"name":"n","flag":true,"\u017fhare":1}`, false},
	"an unknown word":                             {`{"name":"n","flag":true,"color":"blue"}`, false},
	"a word in another case":                      {`{"name":"n","flag":true,"color":"Red"}`, false},
	"an empty word":                               {`{"name":"n","flag":true,"color":""}`, false},
	"a tag that is null":                          {`{"name":"n","flag":true,"tags":{"a":null}}`, false},
	"a tag twice":                                 {`{"name":"n","flag":true,"tags":{"a":"b","a":"b"}}`, false},
	"a part that is null":                         {`{"name":"n","flag":true,"parts":[null]}`, false},
	"a part without a name":                       {`{"name":"n","flag":true,"parts":[{}]}`, false},
	"a flag that is a string":                     {`{"name":"n","flag":"true"}`, false},
	"a number that is a string":                   {`{"name":"n","flag":true,"share":"1"}`, false},
	"a number beyond float64":                     {`{"name":"n","flag":true,"share":1e309}`, false},
	"text after the object":                       {`{"name":"n","flag":true}}`, false},
	"the maximum depth":                           {`{"name":"n","flag":true,"free":{"a":` + nested(strictjson.MaxDepth-2) + `},"x":` + nested(strictjson.MaxDepth-1) + `}`, true},
	"one level too deep":                          {`{"name":"n","flag":true,"free":{"a":` + nested(strictjson.MaxDepth-1) + `}}`, false},
	"one level too deep in an unknown value":      {`{"name":"n","flag":true,"x":` + nested(strictjson.MaxDepth) + `}`, false},
}

func TestScanner_Object_AcceptsWhatStrictjsonAccepts(t *testing.T) {
	t.Parallel()
	for name, test := range things {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, ok := readThing(test.text)
			require.Equal(t, test.want, ok)
			var want thing
			err := strictjson.Unmarshal([]byte(test.text), &want)
			require.Equal(t, test.want, err == nil, "%v", err)
			if ok {
				require.Equal(t, want, got)
			}
		})
	}
}

func FuzzObject(f *testing.F) {
	for _, test := range things {
		f.Add([]byte(test.text))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		got, ok := readThing(string(data))
		var want thing
		err := strictjson.Unmarshal(data, &want)
		require.Equal(t, err == nil, ok, "%v", err)
		if ok {
			require.Equal(t, want, got)
		}
	})
}

func TestShapeOf_OtherStructs_Panics(t *testing.T) {
	t.Parallel()
	type embedded struct {
		thing
	}
	type renamed struct {
		From string `json:"from_state" aureus:"alias=from"`
	}
	require.Panics(t, func() { jsonscan.ShapeOf[embedded]() }, "fields of an embedded struct")
	require.Panics(t, func() { jsonscan.ShapeOf[renamed]() }, "a second name")
	require.Panics(t, func() {
		jsonscan.ShapeOf[struct {
			Name string `json:"aName"` //nolint:tagliatelle // the test needs a capital letter
		}]()
	}, "a name in upper case: its other cases would be unknown names")
}

func TestScanner_DuplicateNameAmongMany_IsRefused(t *testing.T) {
	t.Parallel()
	for _, count := range []int{2, 15, 16, 17, 18, 40} {
		object := manyNames(count)
		require.True(t, skip(object))
		for i := range count - 1 {
			require.False(t, skip(strings.TrimSuffix(object, "}")+`,"`+strings.Repeat("n", i+1)+`":2}`), "%d of %d", i, count)
		}
	}
}
