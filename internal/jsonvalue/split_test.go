package jsonvalue

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestSplit_Array_ReturnsTheTextOfEachItem(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		text string
		want []string
	}{
		"an empty array":                          {` [ ] `, []string{}},
		"one item":                                {`[1]`, []string{`1`}},
		"objects with spaces":                     {"[ {\"a\":1} ,\n{\"b\":[2,3]} ]\n", []string{`{"a":1}`, `{"b":[2,3]}`}},
		"brackets and commas in text":             {`["],[","}\"],",{"\\":"]"}]`, []string{`"],["`, `"}\"],"`, `{"\\":"]"}`}},
		"an item that is not JSON":                {`[1,{bad},2]`, []string{`1`, `{bad}`, `2`}},
		"an item with a duplicate name":           {`[{"a":1,"a":2}]`, []string{`{"a":1,"a":2}`}},
		"an item that is nested too deep to read": {`[` + strings.Repeat("[", 20_000) + strings.Repeat("]", 20_000) + `,1]`, []string{strings.Repeat("[", 20_000) + strings.Repeat("]", 20_000), `1`}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			items, err := Split([]byte(test.text), 10)
			require.NoError(t, err)
			got := []string{}
			for _, item := range items {
				got = append(got, string(item))
			}
			require.Equal(t, test.want, got)
		})
	}
}

func TestSplit_NoArray_IsAnError(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"an empty text":              ``,
		"spaces":                     ` `,
		"an object":                  `{}`,
		"null":                       `null`,
		"an array without an end":    `[`,
		"no end after an item":       `[1`,
		"no end after a comma":       `[1,`,
		"no end of a string":         `["a`,
		"no end after a backslash":   `["a\`,
		"a missing item":             `[1,,2]`,
		"a missing last item":        `[1,]`,
		"a missing first item":       `[,1]`,
		"brackets that do not match": `[{]}]`,
		"a brace too many":           `[1}]`,
		"text after the array":       `[1] 2`,
		"two arrays":                 `[1][2]`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := Split([]byte(text), 10)
			require.ErrorIs(t, err, ErrNoArray)
			require.NotErrorIs(t, err, ErrTooMany)
		})
	}
	_, err := Split([]byte(`[1,2,3]`), 2)
	require.ErrorIs(t, err, ErrTooMany)
	items, err := Split([]byte(`[1,2]`), 2)
	require.NoError(t, err)
	require.Len(t, items, 2)
}

// FuzzSplit compares Split with encoding/json: for every array that encoding/json
// accepts, the items are the same.
func FuzzSplit(f *testing.F) {
	for _, text := range []string{`[]`, `[1,"a,]\"",{"b":[{}]}]`, ` [ null , [ ] ] `, "[]\f", `[1,]`, `[{]}]`, `{"a":[]}`} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		items, err := Split(text, 1_000_000)
		var want []json.RawMessage
		if !strings.HasPrefix(strings.TrimLeft(string(text), " \t\r\n"), "[") || json.Unmarshal(text, &want) != nil {
			return // for other texts, Split may succeed or fail, but must not panic
		}
		if err != nil || len(items) != len(want) {
			t.Fatalf("%d items, want %d: %v", len(items), len(want), err)
		}
		for i := range want {
			if string(items[i]) != string(want[i]) {
				t.Fatalf("item %d is %q, want %q", i, items[i], want[i])
			}
		}
	})
}
