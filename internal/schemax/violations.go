package schemax

import (
	"fmt"
	"math/big"
	"slices"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"

	"github.com/farmountain/aureus-go/internal/strictjson"
)

// Violation is one difference between data and a schema. Its message describes the schema
// and never contains data.
type Violation struct {
	Pointer string   // of the value
	Keyword string   // the last name in Schema that is a keyword
	Schema  string   // pointer of the keyword in the schema
	Message string   // what the schema requires, such as: must be at least 3
	Missing []string // pointers of absent properties
}

// violationsOf lists the violations in an error, sorted by pointer, because the library
// reports them in random order. There is at least one.
func violationsOf(err *jsonschema.ValidationError) []Violation {
	var found []Violation
	var visit func(*jsonschema.ValidationError)
	visit = func(err *jsonschema.ValidationError) {
		if len(err.Causes) > 0 && passesOn(err.ErrorKind) && !leadsToFalse(err) {
			for _, cause := range err.Causes {
				visit(cause)
			}
			return
		}
		found = append(found, violationOf(err))
	}
	visit(err)
	slices.SortFunc(found, func(a, b Violation) int {
		return strings.Compare(a.Pointer+"\x00"+a.Schema+"\x00"+a.Message, b.Pointer+"\x00"+b.Schema+"\x00"+b.Message)
	})
	return slices.CompactFunc(found, func(a, b Violation) bool {
		return a.Pointer == b.Pointer && a.Schema == b.Schema && a.Message == b.Message
	})
}

// passesOn reports whether an error has no message of its own, only those of its causes.
func passesOn(k jsonschema.ErrorKind) bool {
	switch k.(type) {
	case *kind.Schema, *kind.Group, *kind.AllOf, *kind.Reference:
		return true
	default:
		return false
	}
}

// leadsToFalse reports whether an error is for a reference to the schema false. That
// schema has no keyword, so the violation is reported for the reference.
func leadsToFalse(err *jsonschema.ValidationError) bool {
	if _, ok := err.ErrorKind.(*kind.Reference); !ok || len(err.Causes) != 1 {
		return false
	}
	_, ok := err.Causes[0].ErrorKind.(*kind.FalseSchema)
	return ok
}

// onlyMissing reports whether absent properties are the only violations in an error.
func onlyMissing(err *jsonschema.ValidationError) bool {
	switch k := err.ErrorKind.(type) {
	case *kind.Required, *kind.DependentRequired, *kind.Dependency:
		return true
	case *kind.Schema, *kind.Group, *kind.AllOf, *kind.AnyOf, *kind.Reference:
	case *kind.OneOf:
		if len(k.Subschemas) > 0 {
			return false
		}
	default:
		return false
	}
	return len(err.Causes) > 0 && !slices.ContainsFunc(err.Causes, func(cause *jsonschema.ValidationError) bool { return !onlyMissing(cause) })
}

// violationOf returns the violation that an error describes.
func violationOf(err *jsonschema.ValidationError) Violation {
	v := Violation{Schema: pointerIn(err.SchemaURL)}
	for _, token := range err.InstanceLocation {
		v.Pointer += "/" + strictjson.Token(token)
	}
	if err.ErrorKind == nil {
		v.Message = "does not satisfy the schema"
		return v
	}
	for _, token := range keywordPath(err.ErrorKind) {
		v.Schema += "/" + strictjson.Token(token)
	}
	v.Keyword = keywordAt(v.Schema)
	v.Message, v.Missing = describe(err.ErrorKind, v.Pointer)
	return v
}

// keywordPath returns the path from the schema of an error to the keyword. It adds the
// paths that the library omits, and corrects one that the library misspells.
func keywordPath(k jsonschema.ErrorKind) []string {
	switch k := k.(type) {
	case *kind.Not:
		return []string{"not"}
	case *kind.Dependency:
		return []string{"dependencies", k.Prop}
	default:
		return k.KeywordPath()
	}
}

// containers lists the keywords whose value is an object with names that the schema
// chooses, or an array of schemas.
var containers = []string{
	"$defs", "definitions", "properties", "patternProperties", "dependentSchemas", "dependentRequired", "dependencies",
	"allOf", "anyOf", "oneOf", "prefixItems",
}

// keywordAt returns the last keyword in a pointer into a schema.
func keywordAt(pointer string) string {
	keyword := ""
	for pointer != "" {
		keyword, pointer, _ = strings.Cut(pointer[1:], "/")
		if pointer != "" {
			pointer = "/" + pointer
		}
		if slices.Contains(containers, keyword) && pointer != "" {
			_, pointer, _ = strings.Cut(pointer[1:], "/")
			if pointer != "" {
				pointer = "/" + pointer
			}
		}
	}
	return keyword
}

// describe returns what the schema requires. The message has names of properties, but no
// values of the data.
func describe(k jsonschema.ErrorKind, pointer string) (message string, missing []string) {
	switch k := k.(type) {
	case *kind.Required:
		return "lacks " + names(k.Missing), membersOf(pointer, k.Missing)
	case *kind.DependentRequired:
		return fmt.Sprintf("lacks %s, which %q needs", names(k.Missing), k.Prop), membersOf(pointer, k.Missing)
	case *kind.Dependency:
		return fmt.Sprintf("lacks %s, which %q needs", names(k.Missing), k.Prop), membersOf(pointer, k.Missing)
	case *kind.Reference:
		return "is not allowed", nil // see leadsToFalse
	case *kind.Type:
		return fmt.Sprintf("must be of type %s, not %s", strings.Join(k.Want, " or "), k.Got), nil
	case *kind.Enum:
		return "must be one of " + strings.TrimSuffix(strings.TrimPrefix(text(k.Want), "["), "]"), nil
	case *kind.Const:
		return "must be " + text(k.Want), nil
	case *kind.Format:
		return "is not of the format " + k.Want, nil
	case *kind.Pattern:
		return fmt.Sprintf("does not match the pattern %.100q", k.Want), nil
	case *kind.AdditionalProperties:
		return "must not have " + names(slices.Sorted(slices.Values(k.Properties))), nil
	case *kind.PropertyNames:
		return fmt.Sprintf("has a property with a name that is not allowed: %.100q", k.Property), nil
	case *kind.FalseSchema:
		return "is not allowed", nil
	case *kind.UniqueItems:
		return fmt.Sprintf("must not repeat an item: %d and %d are the same", k.Duplicates[0], k.Duplicates[1]), nil
	case *kind.Minimum:
		return "must be at least " + decimal(k.Want), nil
	case *kind.Maximum:
		return "must be at most " + decimal(k.Want), nil
	case *kind.ExclusiveMinimum:
		return "must be above " + decimal(k.Want), nil
	case *kind.ExclusiveMaximum:
		return "must be below " + decimal(k.Want), nil
	case *kind.MultipleOf:
		return "must be a multiple of " + decimal(k.Want), nil
	case *kind.MinLength:
		return fmt.Sprintf("must have at least %d characters", k.Want), nil
	case *kind.MaxLength:
		return fmt.Sprintf("must have at most %d characters", k.Want), nil
	case *kind.MinItems:
		return fmt.Sprintf("must have at least %d items, not %d", k.Want, k.Got), nil
	case *kind.MaxItems:
		return fmt.Sprintf("must have at most %d items, not %d", k.Want, k.Got), nil
	case *kind.MinProperties:
		return fmt.Sprintf("must have at least %d properties, not %d", k.Want, k.Got), nil
	case *kind.MaxProperties:
		return fmt.Sprintf("must have at most %d properties, not %d", k.Want, k.Got), nil
	case *kind.AnyOf:
		return "matches none of the schemas of anyOf", nil
	case *kind.OneOf:
		if len(k.Subschemas) > 0 {
			return "matches more than one of the schemas of oneOf", nil
		}
		return "matches none of the schemas of oneOf", nil
	case *kind.Not:
		return "matches the schema of not", nil
	case *kind.Contains:
		return "contains no item that matches", nil
	case *kind.MinContains:
		return fmt.Sprintf("must contain at least %d items that match, not %d", k.Want, len(k.Got)), nil
	case *kind.MaxContains:
		return fmt.Sprintf("must contain at most %d items that match, not %d", k.Want, len(k.Got)), nil
	case *kind.RefCycle:
		return "cannot be validated: the schema refers to itself without end", nil
	default:
		return "does not satisfy the schema", nil
	}
}

// membersOf returns the pointers of properties of the object at a pointer.
func membersOf(pointer string, properties []string) []string {
	pointers := make([]string, len(properties))
	for i, name := range properties {
		pointers[i] = pointer + "/" + strictjson.Token(name)
	}
	return pointers
}

// names returns the first ten names of properties and the number of other names.
func names(list []string) string {
	const limit = 10
	quoted := make([]string, 0, limit)
	for _, name := range list[:min(limit, len(list))] {
		quoted = append(quoted, fmt.Sprintf("%.100q", name))
	}
	if more := len(list) - limit; more > 0 {
		quoted = append(quoted, fmt.Sprintf("%d more", more))
	}
	return strings.Join(quoted, ", ")
}

// text returns the JSON text of a value of the schema, or a placeholder if it is long.
func text(value any) string {
	const limit = 200
	written, err := strictjson.Marshal(value)
	if err != nil || len(written) > limit {
		return "a value that the schema lists"
	}
	return string(written)
}

// decimal returns a number of the schema with all its digits. A number with more than 100
// decimals is rounded and has an exponent.
func decimal(n *big.Rat) string {
	if n.IsInt() {
		return n.Num().String()
	}
	const limit = 100
	if digits, exact := n.FloatPrec(); exact && digits <= limit {
		return n.FloatString(digits)
	}
	const bits, digits = 200, 17
	return strings.TrimSuffix(new(big.Float).SetPrec(bits).SetRat(n).Text('g', digits), "+00")
}
