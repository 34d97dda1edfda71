package strictjson_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/internal/strictjson"
)

func TestMembers_Object_KeepsTheOrderOfItsNames(t *testing.T) {
	t.Parallel()
	members, err := strictjson.Members([]byte(` {"b": [1, {"z":2}], "a" :null,"c":"x"} `))
	require.NoError(t, err)
	require.Equal(t, []strictjson.Member{
		{Name: "b", Value: []byte(`[1, {"z":2}]`)},
		{Name: "a", Value: []byte(`null`)},
		{Name: "c", Value: []byte(`"x"`)},
	}, members)
}

func TestMembers_OtherText_IsAnError(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"a name twice":          `{"a":1,"a":2}`,
		"a name twice inside":   `{"a":{"b":1,"b":2}}`,
		"text after the object": `{} {}`,
		"an array":              `[1]`,
		"nothing":               ``,
		"null":                  `null`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			members, err := strictjson.Members([]byte(text))
			require.Error(t, err)
			require.Empty(t, members)
		})
	}
}
