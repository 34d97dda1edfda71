package ginguard

import (
	"fmt"
	"reflect"
	"sync"
	"sync/atomic"

	"github.com/gin-gonic/gin"
)

// chains knows the method of each route, by the address of its handlers. gin does not tell by
// which method it has selected the route of a request, and middleware in front of the guard may
// have changed the method since. So the handlers that the context has are looked up among those
// of the routes. The addresses are read by reflection, without package unsafe.
type chains struct {
	layout layout

	known atomic.Pointer[map[uintptr]string] // nil before the first request

	mu      sync.Mutex
	engines []reflect.Value // those that were read; they keep their handlers at the addresses
}

// layout has the numbers of the fields of a [gin.Context].
type layout struct{ handlers, engine int }

// readLayout finds the fields of gin 1.12 in the type of a context.
func readLayout(context reflect.Type) (layout, error) {
	handlers, ok := context.FieldByName("handlers")
	if !ok || handlers.Type.Kind() != reflect.Slice {
		return layout{}, fmt.Errorf("%s has no list of handlers", context)
	}
	engine, ok := context.FieldByName("engine")
	if !ok || engine.Type.Kind() != reflect.Pointer || engine.Type.Elem().Kind() != reflect.Struct {
		return layout{}, fmt.Errorf("%s has no engine", context)
	}
	return layout{handlers.Index[0], engine.Index[0]}, nil
}

// methodOf returns the method by which gin has selected the route of the context, or a text
// that is no method if the handlers are those of no route.
func (s *chains) methodOf(c *gin.Context) string {
	context := reflect.ValueOf(c).Elem()
	handlers := context.Field(s.layout.handlers).Pointer()
	if known := s.known.Load(); known != nil {
		if method, ok := (*known)[handlers]; ok {
			return method
		}
	}
	if method, ok := s.read(context.Field(s.layout.engine))[handlers]; ok {
		return method
	}
	return "(none)"
}

// read reads the routes of an engine, also those that were registered since it was read, and
// returns the method of each route of all engines.
func (s *chains) read(engine reflect.Value) map[uintptr]string {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := map[uintptr]string{}
	add := func(method string, node routeNode) { all[node.handlers.Pointer()] = method }
	known := false
	for _, other := range s.engines {
		known = known || other.Pointer() == engine.Pointer()
	}
	if !known && !engine.IsNil() {
		s.engines = append(s.engines, engine)
	}
	for _, engine := range s.engines {
		if err := eachRoute(engine.Elem(), add); err != nil {
			continue // its requests are refused, and MustCover says why
		}
	}
	s.known.Store(&all)
	return all
}
