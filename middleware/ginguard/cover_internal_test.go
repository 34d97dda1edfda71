package ginguard

import (
	"reflect"
	"testing"

	"github.com/stretchr/testify/require"
)

// A later version of gin may change the fields of an engine. Each difference is an error, so
// that no route is taken for guarded.
func TestReadGuarded_AnotherLayout_IsAnError(t *testing.T) {
	type node struct {
		handlers []func()
		fullPath string
		children []*node
	}
	type tree struct {
		method string
		root   *node
	}
	type engine struct{ trees []tree }
	got, err := readGuarded(reflect.ValueOf(engine{[]tree{{"GET", &node{children: []*node{{handlers: []func(){func() {}}, fullPath: "/a"}}}}}}))
	require.NoError(t, err)
	require.Equal(t, map[string]bool{"GET /a": false}, got)

	for name, other := range map[string]any{
		"no trees":            struct{ routes []tree }{},
		"trees that are maps": struct{ trees map[string]*node }{},
		"a tree of another kind": struct {
			trees []int
		}{[]int{1}},
		"a tree without a method": struct{ trees []struct{ root *node } }{[]struct{ root *node }{{}}},
		"a tree without a root":   struct{ trees []struct{ method string } }{[]struct{ method string }{{}}},
		"a root that is nil":      engine{[]tree{{"GET", nil}}},
		"a child that is nil":     engine{[]tree{{"GET", &node{children: []*node{nil}}}}},
		"a node without handlers": struct {
			trees []struct {
				method string
				root   *struct{ fullPath string }
			}
		}{[]struct {
			method string
			root   *struct{ fullPath string }
		}{{"GET", &struct{ fullPath string }{}}}},
		"handlers that are no functions": struct {
			trees []struct {
				method string
				root   *struct {
					handlers []int
					fullPath string
					children []*node
				}
			}
		}{[]struct {
			method string
			root   *struct {
				handlers []int
				fullPath string
				children []*node
			}
		}{{"GET", &struct {
			handlers []int
			fullPath string
			children []*node
		}{handlers: []int{1}}}}},
	} {
		_, err := readGuarded(reflect.ValueOf(other))
		require.Error(t, err, name)
	}
}

func TestReadLayout_AnotherContext_IsAnError(t *testing.T) {
	got, err := readLayout(reflect.TypeFor[struct {
		handlers []func()
		engine   *struct{}
	}]())
	require.NoError(t, err)
	require.Equal(t, layout{0, 1}, got)
	for _, other := range []reflect.Type{
		reflect.TypeFor[struct{ engine *struct{} }](),
		reflect.TypeFor[struct{ handlers []func() }](),
		reflect.TypeFor[struct {
			handlers map[string]func()
			engine   *struct{}
		}](),
		reflect.TypeFor[struct {
			handlers []func()
			engine   struct{}
		}](),
	} {
		_, err := readLayout(other)
		require.Error(t, err)
	}
}
