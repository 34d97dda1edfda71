package jsonvalue_test

import (
	"encoding/json"
	"testing"
	"unicode/utf16"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/internal/jsonvalue"
	"github.com/farmountain/aureus-go/internal/strictjson"
)

func TestSize_AnyValue_IsThatOfJavaScript(t *testing.T) {
	for text, want := range map[string]int{
		`"é€"`:                     4,
		`"😀"`:                      4,
		`"<>&"`:                    5,
		`"\u2028\u2029\u007f"`:     5,
		`"\u0001\u001f"`:           14,
		`"\b\f\n\r\t\"\\\/"`:       17, // the slash is not escaped
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
		require.Equal(t, want, jsonvalue.Size(value), text)
	}
}

func FuzzSize(f *testing.F) {
	f.Add(`{"a":[1,2.50,"é\n\u2028"],"b":null,"😀":true}`)
	f.Add(`"\ud83d\ude00<"`)
	f.Fuzz(func(t *testing.T, text string) {
		value, err := strictjson.Parse([]byte(text))
		if err != nil {
			return
		}
		// strictjson writes the same text as JavaScript, except that numbers keep their
		// digits.
		written, err := strictjson.Marshal(withoutNumbers(value))
		require.NoError(t, err)
		require.Len(t, utf16.Encode([]rune(string(written))), jsonvalue.Size(withoutNumbers(value)))
		require.Positive(t, jsonvalue.Size(value))
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
