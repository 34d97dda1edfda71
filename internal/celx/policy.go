package celx

import (
	"time"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"

	"github.com/farmountain/aureus-go/aureus"
)

// The variables of the language of policies, as indexes for a [Scope].
const (
	VarPrincipal  = iota // *Principal
	VarClaims            // map[string]any, free-form JSON, in which numbers may also be a finite float64, an int or an int64
	VarOnBehalfOf        // string or *string; empty if the principal acts for itself
	VarAction            // *Action
	VarTool              // string or *string; empty if no tool is used
	VarArguments         // map[string]any, as VarClaims
	VarResource          // *Resource: the variables of the resource pattern that matched
	VarRequest           // *Request
	VarParams            // map[string]any, free-form JSON
)

const (
	nameRequest = "request"
	memberTime  = "time"
)

// policyVariables has the names of the variables, by index.
var policyVariables = []string{"principal", "claims", "on_behalf_of", "action", "tool", "arguments", "resource", nameRequest, "params"}

// Principal is who asks: the variable principal with the members id, type and roles.
type Principal struct {
	ID, Type string
	Roles    []string
}

// Action is what the principal asks for: the variable action with the members id, tier,
// intent, zone and effect_class. A text is empty if it is not known.
type Action struct{ ID, Tier, Intent, Zone, EffectClass string }

// Request is how the request arrived and when: the variable request with the members
// method, path, host and time, and the functions hour and weekday. The texts are empty if
// it is not an HTTP request.
type Request struct {
	Method, Path, Host string
	Time               time.Time
}

// Resource has the variables of a resource pattern and the texts that they matched, in
// the same order: the variable resource, a map.
type Resource struct{ Names, Values []string }

// FindStringKey returns the text of a variable. CEL calls it for resource.name.
func (r *Resource) FindStringKey(name string) (any, bool) {
	for i, known := range r.Names {
		if known == name && i < len(r.Values) {
			return &r.Values[i], true
		}
	}
	return nil, false
}

// toMap returns the variables as a map.
func (r *Resource) toMap() map[string]string {
	all := make(map[string]string, len(r.Names))
	for i, name := range r.Names[:min(len(r.Names), len(r.Values))] {
		all[name] = r.Values[i]
	}
	return all
}

var (
	principalObject = newObject("principal",
		text("id", func(p *Principal) any { return &p.ID }),
		text("type", func(p *Principal) any { return &p.Type }),
		part("roles", types.NewListType(types.StringType), func(p *Principal) any { return &p.Roles }),
	)
	actionObject = newObject("action",
		text("id", func(a *Action) any { return &a.ID }),
		text("tier", func(a *Action) any { return &a.Tier }, words(aureus.TierLow, aureus.TierMedium, aureus.TierHigh, aureus.TierCritical)...),
		text("intent", func(a *Action) any { return &a.Intent },
			words("", aureus.IntentRead, aureus.IntentWrite, aureus.IntentDelete, aureus.IntentExecute, aureus.IntentAdmin)...),
		text("zone", func(a *Action) any { return &a.Zone },
			words("", aureus.ZonePublic, aureus.ZoneInternal, aureus.ZoneConfidential, aureus.ZoneRestricted)...),
		text("effect_class", func(a *Action) any { return &a.EffectClass }, "", "read", "reversible", "compensable", "irreversible"),
	)
	requestObject = newObject(nameRequest,
		text("method", func(r *Request) any { return &r.Method }),
		text("path", func(r *Request) any { return &r.Path }),
		text("host", func(r *Request) any { return &r.Host }),
		part(memberTime, types.TimestampType, func(r *Request) any { return &r.Time }),
	)
	policyMembers = membersOf(principalObject, actionObject, requestObject)
)

func words[T ~string](list ...T) []string {
	texts := make([]string, len(list))
	for i, word := range list {
		texts[i] = string(word)
	}
	return texts
}

// text returns a member that is a text. If there are words, it is always one of them.
func text[T any](name string, get func(*T) any, words ...string) member {
	found := part(name, types.StringType, get)
	found.words = words
	return found
}

// part returns a member. get returns a pointer to the field, so that reading it does not
// allocate.
func part[T any](name string, kind *types.Type, get func(*T) any) member {
	return member{name: name, kind: kind, get: func(native any) any {
		object, _ := native.(*T)
		return get(object)
	}}
}

func (*Principal) describe() *object { return principalObject }
func (*Action) describe() *object    { return actionObject }
func (*Request) describe() *object   { return requestObject }

// NewPolicy returns the language of the conditions in policy bundles. Its variables are
// the constants that begin with Var, and a [Scope] must give values of the types that
// they name; a pointer must not be nil. The language has no access to a clock: request.time
// is the only time, and these functions of request read it:
//
//   - request.hour(zone) is the hour in a time zone such as 'Europe/Berlin', from 0 to 23.
//   - request.weekday(zone) is the day of the week there: 'monday' to 'sunday'.
//
// An unknown member of principal, action or request is an error when an expression is
// compiled. So is the name of a zone that is not known, and a comparison of a member or
// a weekday with a text that it never is.
func NewPolicy() *Language {
	free := types.NewMapType(types.StringType, types.DynType)
	options := policyDeclarations(free, free, types.NewMapType(types.StringType, types.StringType))
	return &Language{
		environment: newEnvironment(policyMembers, append(options,
			cel.EnableMacroCallTracking(), // for the texts of a Trace
			cel.ASTValidators(noObjects{}, zoneLiterals{}, knownWords{policyMembers}))...),
		variables:  policyVariables,
		decorators: []cel.ProgramOption{cel.CustomDecoratorV2(fixedZones)},
		members:    policyMembers,
		direct:     true,
	}
}

// policyDeclarations declares the variables and functions of the language of policies.
func policyDeclarations(arguments, params, resource *types.Type) []cel.EnvOption {
	kinds := []*types.Type{
		VarPrincipal:  principalObject.kind,
		VarClaims:     types.NewMapType(types.StringType, types.DynType),
		VarOnBehalfOf: types.StringType,
		VarAction:     actionObject.kind,
		VarTool:       types.StringType,
		VarArguments:  arguments,
		VarResource:   resource,
		VarRequest:    requestObject.kind,
		VarParams:     params,
	}
	options := []cel.EnvOption{zoneFunctions()}
	for variable, kind := range kinds {
		options = append(options, cel.Variable(policyVariables[variable], kind))
	}
	return options
}
