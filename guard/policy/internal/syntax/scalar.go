package syntax

import (
	"regexp"

	"go.yaml.in/yaml/v4"

	"github.com/farmountain/aureus-go/internal/jsonvalue"
)

// kind is what a node is. Plain scalars are what they are in JSON. What YAML reads as a
// number, a boolean or null and JSON does not, such as 0x1F, 1_000, .inf, True and ~, is
// odd: no value of a bundle may be written like that, because not every reader expects
// it. Dates, yes, no, on and off are text.
type kind uint8

const (
	kindText kind = iota
	kindNumber
	kindBool
	kindNull
	kindOdd
	kindList
	kindObject
)

var kindNames = [...]string{
	kindText: "text", kindNumber: "a number", kindBool: "a boolean", kindNull: "empty",
	kindOdd: "a value that JSON writes in another way", kindList: "a list", kindObject: "a mapping",
}

var oddNumber = regexp.MustCompile(`^[-+]?(?:[0-9][0-9_]*(?:\.[0-9_]*)?(?:[eE][-+]?[0-9_]+)?|\.[0-9][0-9_]*(?:[eE][-+]?[0-9_]+)?|0[xX][0-9a-fA-F_]+|0[oO][0-7_]+|0[bB][01_]+|\.(?:inf|Inf|INF|nan|NaN|NAN))$`)

func kindOf(n *yaml.Node) kind {
	switch {
	case n.Kind == yaml.SequenceNode:
		return kindList
	case n.Kind == yaml.MappingNode:
		return kindObject
	case !isPlain(n):
		return kindText
	}
	switch n.Value {
	case "", "null":
		return kindNull
	case "true", "false":
		return kindBool
	case "~", "Null", "NULL", "True", "TRUE", "False", "FALSE":
		return kindOdd
	}
	switch first := n.Value[0]; {
	case first != '-' && first != '+' && first != '.' && (first < '0' || first > '9'):
		return kindText
	case jsonvalue.IsNumber(n.Value):
		return kindNumber
	case oddNumber.MatchString(n.Value):
		return kindOdd
	}
	return kindText
}

// advice says how to write what is meant, after a value of the wrong kind.
func advice(k kind) string {
	switch {
	case k == kindNumber || k == kindBool:
		return "; put it in quotes"
	case k == kindOdd:
		return "; write it as JSON does, or in quotes if it is text"
	}
	return ""
}
