package middleware

import (
	"reflect"
	"testing"

	"github.com/stretchr/testify/require"
)

// A later version of Go may change the fields of a ServeMux. Each difference is an error, so
// that no route is taken for covered.
func TestReadPatterns_AnotherLayout_IsAnError(t *testing.T) {
	t.Parallel()
	type pattern struct{ str string } //nolint:unused // it is read by reflection
	type index struct {
		segments map[int][]*pattern
		multis   []*pattern
	}
	type old struct{ m map[string]int }
	type good struct {
		index  index
		mux121 old
	}
	got, err := readPatterns(reflect.ValueOf(good{
		index{map[int][]*pattern{0: {{"/a"}}, 1: {{"/b"}}}, []*pattern{{"/c/"}}}, old{map[string]int{"/d": 1}},
	}))
	require.NoError(t, err)
	require.ElementsMatch(t, []string{"/a", "/b", "/c/", "/d"}, got)

	type text struct{ text string }
	for name, mux := range map[string]any{
		"no index": struct{ mux121 old }{},
		"an index of another kind": struct {
			index  int
			mux121 old
		}{},
		"no segments": struct {
			index  struct{ multis []*pattern }
			mux121 old
		}{},
		"no multis": struct {
			index  struct{ segments map[int][]*pattern }
			mux121 old
		}{},
		"no mux121": struct{ index index }{},
		"no map in mux121": struct {
			index  index
			mux121 struct{}
		}{},
		"another key in mux121": struct {
			index  index
			mux121 struct{ m map[int]int }
		}{},
		"patterns without a text": struct {
			index struct {
				segments map[int][]*text
				multis   []*text
			}
			mux121 old
		}{},
		"patterns that are no pointers": struct {
			index struct {
				segments map[int][]pattern
				multis   []pattern
			}
			mux121 old
		}{},
		"segments of another type": struct {
			index struct {
				segments map[int]int
				multis   []*pattern
			}
			mux121 old
		}{index: struct {
			segments map[int]int
			multis   []*pattern
		}{segments: map[int]int{1: 1}}},
		"a nil pattern": good{index: index{multis: []*pattern{nil}}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := readPatterns(reflect.ValueOf(mux))
			require.Error(t, err)
		})
	}
}
