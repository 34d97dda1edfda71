package ginguard

import (
	"fmt"
	"reflect"

	"github.com/gin-gonic/gin"

	"github.com/farmountain/aureus-go/guard"
	"github.com/farmountain/aureus-go/middleware/internal/coverage"
	"github.com/farmountain/aureus-go/middleware/internal/routepattern"
)

// MustCover panics if the engine has a route that [Uncovered] returns. The text names each.
// Call it when the program starts, after every handler is registered.
func MustCover(engine *gin.Engine, routes interface{ Routes() []guard.Route }) {
	coverage.Must("ginguard: MustCover", Uncovered(engine, routes))
}

// Uncovered returns the routes of the engine that the table neither binds to an action nor
// declares open, sorted, each as a pattern of net/http. The guard refuses these. It also
// returns, with the reason in parentheses, the routes that net/http cannot write, and those
// that the table binds although [Middleware] does not stand in front of them: gin gives a route
// only the middleware that was there when the route was registered.
//
// The handlers of NoRoute and NoMethod are no routes. A guard that stands before the whole
// engine refuses what would reach them; one that stands before groups does not see it.
//
// gin does not tell the handlers of a route, so they are read by reflection from its unexported
// fields, without package unsafe. Uncovered panics if the fields are not those that it knows,
// and if an argument is nil. It does not recognize a guard that your code calls in a handler of
// its own.
func Uncovered(engine *gin.Engine, routes interface{ Routes() []guard.Route }) []string {
	if engine == nil {
		panic("ginguard: Uncovered: the engine is nil")
	}
	guarded, err := readGuarded(reflect.ValueOf(engine).Elem())
	if err != nil {
		panic(fmt.Sprintf("ginguard: Uncovered: it cannot be read which handlers a route of gin %s has: %s; use a version of this module for that version", gin.Version, err))
	}
	var list []coverage.Route
	for _, route := range engine.Routes() {
		own := route.Method + " " + route.Path
		found, ok := guarded[own]
		if !ok {
			panic(fmt.Sprintf("ginguard: Uncovered: the route %s is not among those that were read from gin %s", own, gin.Version))
		}
		problem := ""
		if !found {
			problem = coverage.NoGuard
		}
		list = append(list, coverage.Route{Pattern: routepattern.Colon(route.Method, route.Path), Own: own, Problem: problem})
	}
	return coverage.Uncovered("ginguard: Uncovered", list, routes)
}

// readGuarded returns for each route, written as its method and its path, whether a guard is
// among its handlers. It reads the fields of an engine as they are in gin 1.12: the trees, each
// with a method and a root, whose nodes have children, handlers and a fullPath.
func readGuarded(engine reflect.Value) (map[string]bool, error) {
	trees, err := fieldOf(engine, "trees", reflect.Slice)
	if err != nil {
		return nil, err
	}
	guarded := map[string]bool{}
	for i := range trees.Len() {
		method, err := fieldOf(trees.Index(i), "method", reflect.String)
		if err != nil {
			return nil, err
		}
		root, err := fieldOf(trees.Index(i), "root", reflect.Pointer)
		if err != nil {
			return nil, err
		}
		if err := readNode(root, method.String(), guarded); err != nil {
			return nil, err
		}
	}
	return guarded, nil
}

// readNode reads a node of a tree, and those below it.
func readNode(pointer reflect.Value, method string, guarded map[string]bool) error {
	if pointer.Kind() != reflect.Pointer || pointer.IsNil() {
		return fmt.Errorf("a node is of the kind %s, or nil", pointer.Kind())
	}
	node := pointer.Elem()
	handlers, err := fieldOf(node, "handlers", reflect.Slice)
	if err != nil {
		return err
	}
	path, err := fieldOf(node, "fullPath", reflect.String)
	if err != nil {
		return err
	}
	if handlers.Len() > 0 {
		found, err := hasGuard(handlers)
		if err != nil {
			return err
		}
		guarded[method+" "+path.String()] = found
	}
	children, err := fieldOf(node, "children", reflect.Slice)
	if err != nil {
		return err
	}
	for i := range children.Len() {
		if err := readNode(children.Index(i), method, guarded); err != nil {
			return err
		}
	}
	return nil
}

// hasGuard reports whether one of the handlers is the middleware of a guard.
func hasGuard(handlers reflect.Value) (bool, error) {
	if kind := handlers.Type().Elem().Kind(); kind != reflect.Func {
		return false, fmt.Errorf("a handler is of the kind %s", kind)
	}
	own := reflect.ValueOf((*adapter)(nil).handle).Pointer()
	for i := range handlers.Len() - 1 { // the last one is the handler that is guarded
		if handlers.Index(i).Pointer() == own {
			return true, nil
		}
	}
	return false, nil
}

func fieldOf(value reflect.Value, name string, kind reflect.Kind) (reflect.Value, error) {
	if value.Kind() != reflect.Struct {
		return value, fmt.Errorf("%s is no struct", value.Type())
	}
	field := value.FieldByName(name)
	if !field.IsValid() {
		return field, fmt.Errorf("%s has no field %s", value.Type(), name)
	}
	if field.Kind() != kind {
		return field, fmt.Errorf("the field %s of %s is of the kind %s, not %s", name, value.Type(), field.Kind(), kind)
	}
	return field, nil
}
