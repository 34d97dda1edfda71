package muxguard

import (
	"reflect"
	"testing"

	"github.com/stretchr/testify/require"
)

// A later version of gorilla/mux may change the fields of a router. That is an error, so that
// no route is taken for guarded.
func TestHasGuard_AnotherLayout_IsAnError(t *testing.T) {
	for name, router := range map[string]any{
		"no middlewares":                 struct{ handlers []any }{},
		"middlewares of another kind":    struct{ middlewares map[string]any }{},
		"middlewares that are functions": struct{ middlewares []func() }{},
	} {
		_, err := hasGuard(reflect.ValueOf(router))
		require.Error(t, err, name)
	}
	found, err := hasGuard(reflect.ValueOf(struct{ middlewares []any }{[]any{1, (&adapter{}).wrap}}))
	require.NoError(t, err)
	require.True(t, found)
}
