package celx

import (
	"encoding/json"
	"math"
	"strings"

	"cel.dev/cel-go/common/types"
)

// kind is the type of a value. The zero value says that the value is not known.
type kind uint8

const (
	unknownKind kind = iota
	nullKind
	boolKind
	numberKind // a double, or an integer that a double represents
	textKind
	listKind   // a list of free-form JSON
	rolesKind  // the roles of the principal, a list of texts
	objectKind // an object of free-form JSON
)

// isScalar reports whether values of the kind have no other values inside.
func (k kind) isScalar() bool { return nullKind <= k && k <= textKind }

// value is a value of a direct evaluation.
type value struct {
	kind   kind
	number float64 // 1 for true, 0 for false
	text   string
	native any // []any or map[string]any
}

func textValue(text string) value      { return value{kind: textKind, text: text} }
func numberValue(number float64) value { return value{kind: numberKind, number: number} }

func boolValue(b bool) value {
	if b {
		return value{kind: boolKind, number: 1}
	}
	return value{kind: boolKind}
}

// valueOf returns a value of free-form JSON, in which numbers may be those of a program.
// Others are not known, and neither are numbers of 2^53 and more.
func valueOf(native any) value {
	switch typed := native.(type) {
	case nil:
		return value{kind: nullKind}
	case bool:
		return boolValue(typed)
	case string:
		return textValue(typed)
	case json.Number:
		return jsonNumberValue(typed)
	case float64:
		return exactNumber(typed)
	case int:
		if -maxExact < typed && typed < maxExact {
			return numberValue(float64(typed))
		}
	case int64:
		if -maxExact < typed && typed < maxExact {
			return numberValue(float64(typed))
		}
	case []any:
		return value{kind: listKind, native: native}
	case map[string]any:
		return value{kind: objectKind, native: native}
	}
	return value{}
}

func jsonNumberValue(number json.Number) value {
	if f, ok := shortDouble(string(number)); ok {
		return numberValue(f)
	}
	// A copy, so that the facts can be kept on the stack.
	if double, ok := doubleOrInteger(json.Number(strings.Clone(string(number)))).(types.Double); ok {
		return exactNumber(float64(double))
	}
	return value{}
}

func exactNumber(f float64) value {
	if math.Abs(f) < maxExact { // not for NaN
		return numberValue(f)
	}
	return value{}
}

// find returns the value of a path. It is not known if a member is missing.
func (n *node) find(r run) value {
	r.cost += n.cost
	object := map[string]any(nil)
	path := n.path
	switch n.variable {
	case local:
		if len(path) == 0 {
			return *r.locals[n.member]
		}
		return follow(r.locals[n.member].native, path)
	case VarPrincipal, VarAction, VarRequest:
		return r.facts.member(n.variable, n.member)
	case VarOnBehalfOf:
		return textValue(r.facts.OnBehalfOf)
	case VarTool:
		return textValue(r.facts.Tool)
	case VarResource:
		for i, name := range r.facts.Resource.Names {
			if name == path[0].name && i < len(r.facts.Resource.Values) {
				return textValue(r.facts.Resource.Values[i])
			}
		}
		return value{}
	case VarClaims:
		object = r.facts.Claims
	case VarParams:
		object = r.facts.Params
	case VarArguments:
		given, isObject := r.facts.Arguments.(map[string]any)
		if !isObject && r.facts.Arguments != nil {
			return value{}
		}
		object = given
	}
	switch len(path) {
	case 0:
		return value{kind: objectKind, native: object}
	case 1: // the common case
		if native, found := object[path[0].name]; found && !path[0].isIndex {
			return valueOf(native)
		}
		return value{}
	default:
		return follow(object, path)
	}
}

// follow returns the value of a path inside a value.
func follow(native any, path []pathStep) value {
	for i := range path {
		step := &path[i]
		found := false
		switch container := native.(type) {
		case map[string]any:
			native, found = container[step.name]
			found = found && !step.isIndex
		case []any:
			if found = step.isIndex && step.index < len(container); found {
				native = container[step.index]
			}
		}
		if !found {
			return value{}
		}
	}
	return valueOf(native)
}

// has evaluates has() for a path, whose last step is the member that may be missing.
func (n *node) has(r run) answer {
	if n.variable == VarResource {
		r.cost += n.cost
		for i, name := range r.facts.Resource.Names {
			if name == n.path[0].name && i < len(r.facts.Resource.Values) {
				return yes
			}
		}
		return no
	}
	last := len(n.path) - 1
	outer := *n
	outer.path = n.path[:last]
	if v := outer.find(r); v.kind == objectKind {
		object, _ := v.native.(map[string]any)
		_, found := object[n.path[last].name]
		return answerOf(found)
	}
	return unsure
}

// The members of principal, action and request, in the order in which they are declared.
const (
	principalID = iota
	principalType
	principalRoles
)

const (
	actionID = iota
	actionTier
	actionIntent
	actionZone
	actionEffectClass
)

const (
	requestMethod = iota
	requestPath
	requestHost
)

// member returns a member of principal, action or request.
func (f *Facts) member(variable, member uint8) value {
	switch variable {
	case VarPrincipal:
		switch member {
		case principalID:
			return textValue(f.Principal.ID)
		case principalType:
			return textValue(f.Principal.Type)
		case principalRoles:
			return value{kind: rolesKind}
		}
	case VarAction:
		switch member {
		case actionID:
			return textValue(f.Action.ID)
		case actionTier:
			return textValue(f.Action.Tier)
		case actionIntent:
			return textValue(f.Action.Intent)
		case actionZone:
			return textValue(f.Action.Zone)
		case actionEffectClass:
			return textValue(f.Action.EffectClass)
		}
	case VarRequest:
		switch member {
		case requestMethod:
			return textValue(f.Request.Method)
		case requestPath:
			return textValue(f.Request.Path)
		case requestHost:
			return textValue(f.Request.Host)
		}
	}
	return value{}
}
