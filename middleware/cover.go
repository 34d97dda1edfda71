package middleware

import (
	"fmt"
	"net/http"
	"reflect"
	"runtime"
	"slices"
	"strings"

	"github.com/farmountain/aureus-go/guard"
)

// MustCover panics if the mux has a route that the table neither binds to an action nor
// declares open. The text names each such route. Call it when the program starts, after every
// handler is registered: [EnforceRoutes] refuses those routes anyway, but only when they are
// requested.
//
// A ServeMux does not list its patterns, so they are read by reflection from its unexported
// fields, without package unsafe. MustCover and [Uncovered] panic if the fields are not those
// that they know, which a later version of Go may bring about; they never assume that a route
// is covered. No handler may be registered while they run. Both panic if an argument is nil.
func MustCover(mux *http.ServeMux, routes interface{ Routes() []guard.Route }) {
	missing := Uncovered(mux, routes)
	if len(missing) > 0 {
		panic(fmt.Sprintf("middleware: MustCover: %d routes are bound to nothing and would be refused; bind each to an action or declare it open:\n\t%s",
			len(missing), strings.Join(missing, "\n\t")))
	}
}

// Uncovered returns the patterns of the mux that the table neither binds to an action nor
// declares open, sorted; for tests, and for programs that do not want to panic. A pattern
// without a method counts as covered if the table binds at least one method of its path: the
// other methods are refused. See [MustCover].
func Uncovered(mux *http.ServeMux, routes interface{ Routes() []guard.Route }) []string {
	if mux == nil || routes == nil {
		panic("middleware: Uncovered: the mux or the table of routes is nil")
	}
	return UncoveredPatterns(patternsOf(mux), routes)
}

// UncoveredPatterns returns those of the patterns that the table neither binds to an action
// nor declares open, sorted, each once. It does for a router that has no adapter what
// [Uncovered] does for a ServeMux: give it all patterns that [Options].Pattern may return,
// those of routes that serve every method without a method. It panics if routes is nil.
func UncoveredPatterns(patterns []string, routes interface{ Routes() []guard.Route }) []string {
	if routes == nil {
		panic("middleware: UncoveredPatterns: the table of routes is nil")
	}
	table := compileTable(routes.Routes())
	served := make(map[string]bool, len(table.routes))
	for key := range table.routes {
		served[key.rest] = true
	}
	var missing []string
	for _, pattern := range patterns {
		key := splitPattern(pattern)
		if table.find(pattern, key.method) == nil && (key.method != "" || !served[key.rest]) {
			missing = append(missing, pattern)
		}
	}
	slices.Sort(missing)
	return slices.Compact(missing)
}

// patternsOf returns the patterns of the mux, sorted, each once.
func patternsOf(mux *http.ServeMux) []string {
	patterns, err := readPatterns(reflect.ValueOf(mux).Elem())
	if err != nil {
		panic(fmt.Sprintf("middleware: the patterns of http.ServeMux cannot be read with %s, so it is not known whether all routes are bound: %s; use a version of this module for that version of Go", runtime.Version(), err))
	}
	slices.Sort(patterns)
	return slices.Compact(patterns)
}

// readPatterns reads the patterns from the fields of a ServeMux as they are in Go 1.22 to
// 1.26. The index has each pattern that ends in a wildcard for the rest of the path in the
// list multis, and every other one once for each segment in the map segments. With
// GODEBUG=httpmuxgo121=1 the patterns are in the map mux121.m instead.
func readPatterns(mux reflect.Value) ([]string, error) {
	index, err := fieldOf(mux, "index", reflect.Struct)
	if err != nil {
		return nil, err
	}
	segments, err := fieldOf(index, "segments", reflect.Map)
	if err != nil {
		return nil, err
	}
	multis, err := fieldOf(index, "multis", reflect.Slice)
	if err != nil {
		return nil, err
	}
	old, err := fieldOf(mux, "mux121", reflect.Struct)
	if err != nil {
		return nil, err
	}
	if old, err = fieldOf(old, "m", reflect.Map); err != nil {
		return nil, err
	}
	if kind := old.Type().Key().Kind(); kind != reflect.String {
		return nil, fmt.Errorf("the keys of mux121.m are of the kind %s", kind)
	}
	patterns, err := appendPatterns(nil, multis)
	for entry := segments.MapRange(); err == nil && entry.Next(); {
		patterns, err = appendPatterns(patterns, entry.Value())
	}
	for entry := old.MapRange(); entry.Next(); {
		patterns = append(patterns, entry.Key().String())
	}
	if err == nil && len(patterns) == 0 {
		err = checkPattern(multis.Type()) // an empty mux must not hide another layout
	}
	return patterns, err
}

func fieldOf(value reflect.Value, name string, kind reflect.Kind) (reflect.Value, error) {
	field := value.FieldByName(name)
	if !field.IsValid() {
		return field, fmt.Errorf("%s has no field %s", value.Type(), name)
	}
	if field.Kind() != kind {
		return field, fmt.Errorf("the field %s of %s is of the kind %s, not %s", name, value.Type(), field.Kind(), kind)
	}
	return field, nil
}

// appendPatterns appends the texts of a slice of pointers to patterns.
func appendPatterns(to []string, list reflect.Value) ([]string, error) {
	if err := checkPattern(list.Type()); err != nil {
		return nil, err
	}
	for i := range list.Len() {
		if list.Index(i).IsNil() {
			return nil, fmt.Errorf("a pattern in %s is nil", list.Type())
		}
		to = append(to, list.Index(i).Elem().FieldByName("str").String())
	}
	return to, nil
}

// checkPattern checks the type of a slice of pointers to patterns.
func checkPattern(list reflect.Type) error {
	if list.Kind() != reflect.Slice || list.Elem().Kind() != reflect.Pointer || list.Elem().Elem().Kind() != reflect.Struct {
		return fmt.Errorf("%s is no list of pointers to patterns", list)
	}
	text, ok := list.Elem().Elem().FieldByName("str")
	if !ok || text.Type.Kind() != reflect.String {
		return fmt.Errorf("%s has no text str", list.Elem().Elem())
	}
	return nil
}
