package ginguard

import (
	"fmt"
	"reflect"
)

// routeNode is a route in a tree of gin.
type routeNode struct {
	handlers reflect.Value // a slice of functions, not empty
	path     string
}

// eachRoute calls visit for each route of an engine. It reads the fields of an engine as they
// are in gin 1.12: the trees, each with a method and a root, whose nodes have children, handlers
// and a fullPath. Any other layout is an error.
func eachRoute(engine reflect.Value, visit func(method string, node routeNode)) error {
	trees, err := fieldOf(engine, "trees", reflect.Slice)
	if err != nil {
		return err
	}
	for i := range trees.Len() {
		method, err := fieldOf(trees.Index(i), "method", reflect.String)
		if err != nil {
			return err
		}
		root, err := fieldOf(trees.Index(i), "root", reflect.Pointer)
		if err != nil {
			return err
		}
		if err := readNode(root, method.String(), visit); err != nil {
			return err
		}
	}
	return nil
}

// readNode reads a node of a tree, and those below it.
func readNode(pointer reflect.Value, method string, visit func(method string, node routeNode)) error {
	if pointer.Kind() != reflect.Pointer || pointer.IsNil() {
		return fmt.Errorf("a node is of the kind %s, or nil", pointer.Kind())
	}
	node := pointer.Elem()
	handlers, err := fieldOf(node, "handlers", reflect.Slice)
	if err != nil {
		return err
	}
	if kind := handlers.Type().Elem().Kind(); kind != reflect.Func {
		return fmt.Errorf("a handler is of the kind %s", kind)
	}
	path, err := fieldOf(node, "fullPath", reflect.String)
	if err != nil {
		return err
	}
	if handlers.Len() > 0 {
		visit(method, routeNode{handlers, path.String()})
	}
	children, err := fieldOf(node, "children", reflect.Slice)
	if err != nil {
		return err
	}
	for i := range children.Len() {
		if err := readNode(children.Index(i), method, visit); err != nil {
			return err
		}
	}
	return nil
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
