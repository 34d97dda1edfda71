package syntax

import (
	"encoding/json"
	"time"
)

// Pos is a position in the text of a bundle. Line and Column begin at 1; a column counts
// characters, not bytes. The zero value means that the part is absent in the text.
type Pos struct{ Line, Column int }

// Set reports whether the part is present in the text.
func (p Pos) Set() bool { return p.Line > 0 }

// A Problem is one thing that is wrong with a bundle. Message says what is wrong, why, and
// what to do.
type Problem struct {
	Pos
	Message string
}

// Text is a text with its position.
type Text struct {
	Pos
	Value string
}

// Integer is a whole number with its position.
type Integer struct {
	Pos
	Value int64
}

// Number is a decimal number with its position. Value is a number of JSON, exactly as
// written. It is "" if the number is absent.
type Number struct {
	Pos
	Value json.Number
}

// Duration is a duration with its position. Value is 0 if the duration is absent.
type Duration struct {
	Pos
	Value time.Duration
}

// Value is a free-form JSON object with its position. Numbers are [json.Number], exactly
// as written; the other values are string, bool, nil, []any and map[string]any. The map
// is nil if the object is absent, and not nil if it is present and empty.
type Value struct {
	Pos
	Value map[string]any
}

// Document is a bundle as it is written. Lists are in the order of the text. What the
// text leaves out is the zero value; a Document holds no defaults.
type Document struct {
	Format        Text     // "policy/1"
	Name          Text     // the name of the bundle
	Version       Integer  // 1 to 2^53
	MaxAge        Duration // 0: no bound
	DefaultMode   Text     // enforce, shadow, or absent
	Roles         []Role
	Principals    []Principal
	Assign        []Assign
	Actions       []Action
	Rules         []Rule
	Params        Value
	Budgets       []Budget
	Tiers         []TierAnswer
	OnUnavailable []Unavailable
	Tests         []Test
}

// Role is a named list of grants.
type Role struct {
	Name   Text
	Grants []Grant
}

// Grant permits an action on a resource. Intent, Zone and When may be absent.
type Grant struct {
	Pos
	Action, Resource Text // may be "*", or end with "/*"; Resource may have segments "{name}"
	Intent, Zone     Text
	When             Text // a condition in CEL
}

// Principal gives roles to the principals of that name. If Name ends with "*", to those
// whose name begins with the rest.
type Principal struct {
	Name  Text
	Roles []Text
}

// Assign gives a role to each principal for which the condition holds.
type Assign struct {
	Pos
	Role, When Text
}

// Action is an action that a request may name. An open action has only an id, a name,
// routes and tools.
type Action struct {
	ID           Text
	Name         Text // for people; absent means the id
	Open         bool
	Tier         Text // low, medium, high or critical
	TierWhen     []TierWhen
	EffectClass  Text // read, reversible, compensable, irreversible, or absent
	Intent, Zone Text
	Requires     []Requirement
	HasRequires  bool   // whether "requires" is written; always true unless the action is open
	Routes       []Text // patterns of net/http
	Tools        []Text
	Arguments    []Text // path, query, body
	HasArguments bool   // whether "arguments" is written
	Approval     *Approval
	Schema       *Value // a JSON Schema of the arguments
}

// TierWhen is a tier that applies instead of the action's own while the condition holds.
type TierWhen struct {
	Pos
	When, Tier Text
}

// Requirement is a permission that an action requires. Resource may have segments
// "{name}", which are replaced by the argument of that name.
type Requirement struct {
	Pos
	Action, Resource Text
	Intent, Zone     Text
}

// Approval says who has to approve an action, and for how long that holds. Absent parts
// are zero.
type Approval struct {
	Pos
	Quorum                  Integer
	Roles                   []Text // roles of approvers, which the bundle need not define
	DecideWithin, UseWithin Duration
}

// Rule refuses the actions that it matches, or asks a person, while its condition holds.
// A rule without a condition always applies.
type Rule struct {
	Pos
	ID      Text
	Effect  Text   // deny or require_approval
	Actions []Text // ids, or beginnings of ids followed by "*"
	When    Text   // a condition in CEL
	Reason  Text
	Remedy  Text
	Mode    Text // enforce, shadow, or absent
}

// Budget bounds how often, or how much in sum, a key may do the actions in a window of
// time.
type Budget struct {
	Pos
	ID      Text
	Actions []Text // as in Rule
	Per     Text   // principal, action, all, or absent
	Window  Duration
	Sum     Text // an amount in CEL; absent means that each request counts as 1
	Limit   Number
}

// TierAnswer is the answer for a tier: allow, require_approval or deny.
type TierAnswer struct{ Tier, Answer Text }

// Unavailable says what happens to requests of a tier while the decider cannot be asked:
// Refuse, or the last allow of the same question if it is at most LastAllow old.
type Unavailable struct {
	Tier      Text
	LastAllow Duration
	Refuse    bool
}

// Test is a request and the decision that is expected for it.
type Test struct {
	Pos
	Name                Text
	Principal           Text
	Type                Text // the type of the principal
	OnBehalfOf          Text
	Action, Tool, Route Text // at least one is present
	Claims, Arguments   Value
	Used                []Used
	Method, Path, Host  Text
	At                  Text // a time of RFC 3339
	Want                Text // allow, deny or require_approval
	Rule                Text // the rule, budget or step that must be among the reasons
	Code                Text // the reason code that the decision must have
	Tier                Text // the tier that the decision must have
}

// Used is what has been used of a budget before the request of a test.
type Used struct {
	Budget Text
	Amount Number
}
