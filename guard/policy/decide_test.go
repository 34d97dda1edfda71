package policy_test

import (
	"context"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/guard/policy"
)

// ledger is the example of the documentation.
func ledger(tb testing.TB) *policy.Bundle {
	tb.Helper()
	text, err := os.ReadFile("testdata/ledger.yaml")
	require.NoError(tb, err)
	return parse(tb, string(text))
}

func parse(tb testing.TB, text string) *policy.Bundle {
	tb.Helper()
	bundle, err := policy.Parse([]byte(text))
	require.NoError(tb, err)
	return bundle
}

// noon is a time at which no rule of the ledger applies.
var noon = time.Date(2026, time.November, 30, 12, 0, 0, 0, time.UTC)

func at(now time.Time) func() time.Time { return func() time.Time { return now } }

func newEngine(tb testing.TB, bundle *policy.Bundle, config policy.Config) *policy.Engine {
	tb.Helper()
	if config.Now == nil {
		config.Now = at(noon)
	}
	engine, err := policy.New(bundle, config)
	require.NoError(tb, err)
	return engine
}

func decide(tb testing.TB, engine *policy.Engine, request aureus.Request) aureus.Decision {
	tb.Helper()
	decision, err := engine.Decide(context.Background(), request)
	require.NoError(tb, err)
	return decision
}

// ask is a request of a principal for an action with arguments.
func ask(principal, action string, arguments any) aureus.Request {
	return aureus.Request{Principal: aureus.Principal{ID: principal}, Action: aureus.Action{ID: action}, Arguments: arguments}
}

type object = map[string]any

// cases is a bundle in which each part of a decision occurs.
const cases = `
aureus: policy/1
name: cases
version: 3
roles:
  writer:
    grants:
      - {action: write, resource: "docs/{owner}", when: "resource.owner == principal.id"}
      - {action: write, resource: notes}
  reader: {grants: [{action: read, resource: "docs/*"}]}
  all-reader: {grants: [{action: read, resource: "*"}]}
  cleaner: {grants: [{action: "*", resource: attic, intent: delete, zone: restricted}]}
  plain: {grants: [{action: remove, resource: attic}]}
  auditor: {grants: [{action: audit, resource: log, when: "claims.level > 3.0"}]}
  broken: {grants: [{action: write, resource: "docs/{owner}", when: "claims.missing == 1.0"}]}
principals:
  ann: {roles: [writer, reader]}
  bob: {roles: [broken]}
  guest: {roles: []}
  "agent-*": {roles: [reader]}
  "agent-big-*": {roles: [all-reader]}
  agent-big-none: {roles: []}
  cleaner: {roles: [cleaner]}
  plain: {roles: [plain]}
assign:
  - {role: auditor, when: "'audit' in claims.groups"}
actions:
  doc.read: {tier: low, requires: [{action: read, resource: "docs/{id}"}], routes: ["GET /docs/{id}"], tools: [read_doc]}
  doc.write: {tier: low, requires: [{action: write, resource: "docs/{id}"}], routes: ["PUT /docs/{id}"]}
  note.write: {tier: medium, requires: [{action: write, resource: notes}]}
  attic.clean: {tier: low, intent: delete, zone: confidential, requires: [{action: remove, resource: attic}]}
  ping: {tier: low, requires: []}
  log.audit: {tier: low, requires: [{action: audit, resource: log}]}
  big.move: {tier: high, requires: []}
  big.bang: {tier: critical, requires: []}
  open.door: {open: true, routes: ["GET /door"], tools: [door]}
  tiered:
    tier: medium
    tier_when:
      - {when: "arguments.size > 10.0", tier: high}
      - {when: "arguments.size < 0.0", tier: critical}
    requires: []
  ruled: {tier: low, requires: []}
  forbidden: {tier: low, requires: []}
  asked: {tier: low, requires: []}
  shadowed: {tier: low, requires: []}
  shaped:
    tier: low
    requires: []
    schema: {type: object, required: [n], additionalProperties: false, properties: {n: {type: number, maximum: 9}}}
rules:
  - {id: large, effect: deny, actions: [ruled], when: "arguments.amount > 100.0", reason: too large, remedy: ask for less}
  - {id: unsure, effect: require_approval, actions: [ruled], when: "arguments.amount > 10.0"}
  - {id: never, effect: deny, actions: [forbidden], reason: not here}
  - {id: always, effect: require_approval, actions: [asked]}
  - {id: shadow-deny, effect: deny, actions: [shadowed], mode: shadow}
  - {id: shadow-error, effect: deny, actions: [shadowed], when: "arguments.gone == 1.0", mode: shadow}
`

func TestDecide_EachStep_GivesItsCode(t *testing.T) {
	engine := newEngine(t, parse(t, cases), policy.Config{})
	with := func(change func(*aureus.Request)) aureus.Request {
		request := ask("ann", "doc.read", object{"id": "7"})
		change(&request)
		return request
	}
	for name, c := range map[string]struct {
		request aureus.Request
		effect  aureus.Effect
		code    aureus.ReasonCode
		rule    string
	}{
		"granted":   {ask("ann", "doc.read", object{"id": "7"}), aureus.Allow, aureus.ReasonLowRisk, "risk_tier"},
		"medium":    {ask("ann", "note.write", nil), aureus.Allow, aureus.ReasonMediumRisk, "risk_tier"},
		"by route":  {with(func(r *aureus.Request) { r.Action.ID, r.Route = "", "GET /docs/{id}" }), aureus.Allow, aureus.ReasonLowRisk, "risk_tier"},
		"by tool":   {with(func(r *aureus.Request) { r.Action.ID, r.Tool = "", "read_doc" }), aureus.Allow, aureus.ReasonLowRisk, "risk_tier"},
		"all three": {with(func(r *aureus.Request) { r.Route, r.Tool = "GET /docs/{id}", "read_doc" }), aureus.Allow, aureus.ReasonLowRisk, "risk_tier"},
		"claimed permissions": {with(func(r *aureus.Request) {
			r.Principal.ID = "guest"
			r.Principal.Permissions = []aureus.Permission{{Action: "read", Resource: "docs/7"}}
		}), aureus.Deny, aureus.ReasonPermissionDenied, "permissions"},
		"claimed tier": {with(func(r *aureus.Request) { r.Action = aureus.Action{ID: "big.move", RiskTier: aureus.TierLow} }), aureus.Deny, aureus.ReasonNoApprovals, "risk_tier"},

		"no principal":         {with(func(r *aureus.Request) { r.Principal.ID = "" }), aureus.Deny, aureus.ReasonInvalidRequest, "request"},
		"volatile":             {with(func(r *aureus.Request) { r.Volatile = []string{"/arguments/id"} }), aureus.Deny, aureus.ReasonInvalidRequest, "request"},
		"unknown claimed tier": {with(func(r *aureus.Request) { r.Action.RiskTier = "tiny" }), aureus.Deny, aureus.ReasonInvalidRequest, "request"},
		"unknown action":       {ask("ann", "doc.burn", nil), aureus.Deny, aureus.ReasonActionUnknown, "action"},
		"action in other case": {ask("ann", "Doc.read", object{"id": "7"}), aureus.Deny, aureus.ReasonActionUnknown, "action"},
		"unknown route":        {with(func(r *aureus.Request) { r.Action.ID, r.Route = "", "GET /elsewhere" }), aureus.Deny, aureus.ReasonActionUnknown, "action"},
		"unknown tool":         {with(func(r *aureus.Request) { r.Action.ID, r.Tool = "", "sh" }), aureus.Deny, aureus.ReasonActionUnknown, "action"},
		"route not bound":      {with(func(r *aureus.Request) { r.Route = "GET /elsewhere" }), aureus.Deny, aureus.ReasonInvalidRequest, "request"},
		"route of another":     {with(func(r *aureus.Request) { r.Route = "PUT /docs/{id}" }), aureus.Deny, aureus.ReasonInvalidRequest, "request"},
		"tool of another":      {with(func(r *aureus.Request) { r.Tool = "door" }), aureus.Deny, aureus.ReasonInvalidRequest, "request"},
		"tool and route":       {with(func(r *aureus.Request) { r.Action.ID, r.Route, r.Tool = "", "PUT /docs/{id}", "read_doc" }), aureus.Deny, aureus.ReasonInvalidRequest, "request"},
		"tool not listed":      {with(func(r *aureus.Request) { r.Tool = "sh" }), aureus.Deny, aureus.ReasonToolNotAllowed, "tool"},
		"no tool listed":       {func() aureus.Request { r := ask("ann", "note.write", nil); r.Tool = "sh"; return r }(), aureus.Deny, aureus.ReasonToolNotAllowed, "tool"},

		"argument missing":    {ask("ann", "doc.read", nil), aureus.Deny, aureus.ReasonInvalidRequest, "request"},
		"argument empty":      {ask("ann", "doc.read", object{"id": ""}), aureus.Deny, aureus.ReasonInvalidRequest, "request"},
		"argument with slash": {ask("ann", "doc.read", object{"id": "a/b"}), aureus.Deny, aureus.ReasonInvalidRequest, "request"},
		"argument hidden":     {ask("ann", "doc.read", object{"id": "a\u202eb"}), aureus.Deny, aureus.ReasonInvalidRequest, "request"},
		"argument list":       {ask("ann", "doc.read", object{"id": []any{"a"}}), aureus.Deny, aureus.ReasonInvalidRequest, "request"},
		"argument null":       {ask("ann", "doc.read", object{"id": nil}), aureus.Deny, aureus.ReasonInvalidRequest, "request"},
		"arguments no object": {ask("ann", "doc.read", []any{"id"}), aureus.Deny, aureus.ReasonInvalidRequest, "request"},
		"argument number":     {ask("ann", "doc.read", object{"id": 7}), aureus.Allow, aureus.ReasonLowRisk, "risk_tier"},
		"schema":              {ask("ann", "shaped", object{"n": 9}), aureus.Allow, aureus.ReasonLowRisk, "risk_tier"},
		"schema too large":    {ask("ann", "shaped", object{"n": 10}), aureus.Deny, aureus.ReasonInvalidRequest, "request"},
		"schema missing":      {ask("ann", "shaped", nil), aureus.Deny, aureus.ReasonInvalidRequest, "request"},

		"unknown principal":       {ask("eve", "ping", nil), aureus.Deny, aureus.ReasonPermissionDenied, "permissions"},
		"principal in other case": {ask("Ann", "ping", nil), aureus.Deny, aureus.ReasonPermissionDenied, "permissions"},
		"known without roles":     {ask("guest", "ping", nil), aureus.Allow, aureus.ReasonLowRisk, "risk_tier"},
		"no grant":                {ask("guest", "note.write", nil), aureus.Deny, aureus.ReasonPermissionDenied, "permissions"},
		"own document":            {ask("ann", "doc.write", object{"id": "ann"}), aureus.Allow, aureus.ReasonLowRisk, "risk_tier"},
		"document of another":     {ask("ann", "doc.write", object{"id": "bob"}), aureus.Deny, aureus.ReasonPermissionDenied, "permissions"},
		"grant that fails":        {ask("bob", "doc.write", object{"id": "bob"}), aureus.Deny, aureus.ReasonPermissionDenied, "permissions"},
		"prefix":                  {ask("agent-1", "doc.read", object{"id": "7"}), aureus.Allow, aureus.ReasonLowRisk, "risk_tier"},
		"longer prefix":           {ask("agent-big-1", "doc.read", object{"id": "7"}), aureus.Allow, aureus.ReasonLowRisk, "risk_tier"},
		"exact before prefix":     {ask("agent-big-none", "doc.read", object{"id": "7"}), aureus.Deny, aureus.ReasonPermissionDenied, "permissions"},
		"intent and zone":         {ask("cleaner", "attic.clean", nil), aureus.Allow, aureus.ReasonLowRisk, "risk_tier"},
		"no intent, no zone":      {ask("plain", "attic.clean", nil), aureus.Deny, aureus.ReasonPermissionDenied, "permissions"},
		"role by claims": {with(func(r *aureus.Request) {
			*r = ask("eve", "log.audit", nil)
			r.Principal.Claims = object{"groups": []any{"audit"}, "level": 4}
		}), aureus.Allow, aureus.ReasonLowRisk, "risk_tier"},
		"grant by claims": {with(func(r *aureus.Request) {
			*r = ask("eve", "log.audit", nil)
			r.Principal.Claims = object{"groups": []any{"audit"}, "level": 3}
		}), aureus.Deny, aureus.ReasonPermissionDenied, "permissions"},
		"known by claims": {with(func(r *aureus.Request) {
			*r = ask("eve", "ping", nil)
			r.Principal.Claims = object{"groups": []any{"audit"}}
		}), aureus.Allow, aureus.ReasonLowRisk, "risk_tier"},
		"other claims": {with(func(r *aureus.Request) {
			*r = ask("eve", "ping", nil)
			r.Principal.Claims = object{"groups": []any{"sales"}}
		}), aureus.Deny, aureus.ReasonPermissionDenied, "permissions"},

		"rule holds":         {ask("ann", "ruled", object{"amount": 101}), aureus.Deny, aureus.ReasonRuleDenied, "large"},
		"rule asks":          {ask("ann", "ruled", object{"amount": 11}), aureus.Deny, aureus.ReasonNoApprovals, "unsure"},
		"rule does not hold": {ask("ann", "ruled", object{"amount": 1}), aureus.Allow, aureus.ReasonLowRisk, "risk_tier"},
		"rule fails":         {ask("ann", "ruled", object{"sum": 1}), aureus.Deny, aureus.ReasonConditionError, "large"},
		"rule of other type": {ask("ann", "ruled", object{"amount": "1"}), aureus.Deny, aureus.ReasonConditionError, "large"},
		"unconditional":      {ask("ann", "forbidden", nil), aureus.Deny, aureus.ReasonRuleDenied, "never"},
		"unconditional asks": {ask("ann", "asked", nil), aureus.Deny, aureus.ReasonNoApprovals, "always"},
		"shadow":             {ask("ann", "shadowed", nil), aureus.Allow, aureus.ReasonLowRisk, "risk_tier"},
		"tier":               {ask("ann", "tiered", object{"size": 1}), aureus.Allow, aureus.ReasonMediumRisk, "risk_tier"},
		"tier when":          {ask("ann", "tiered", object{"size": 11}), aureus.Deny, aureus.ReasonNoApprovals, "risk_tier"},
		"high":               {ask("ann", "big.move", nil), aureus.Deny, aureus.ReasonNoApprovals, "risk_tier"},
		"open":               {ask("eve", "open.door", nil), aureus.Allow, aureus.ReasonOpenAction, "action"},
		"open, tool":         {with(func(r *aureus.Request) { r.Action.ID, r.Tool = "", "door" }), aureus.Allow, aureus.ReasonOpenAction, "action"},
		"open, another tool": {with(func(r *aureus.Request) { r.Action.ID, r.Tool = "open.door", "sh" }), aureus.Deny, aureus.ReasonToolNotAllowed, "tool"},
	} {
		t.Run(name, func(t *testing.T) {
			d := decide(t, engine, c.request)
			require.Equal(t, c.effect, d.Effect, "%+v", d)
			require.Equal(t, c.code, d.ReasonCode, "%+v", d)
			require.Equal(t, c.rule, d.Rule, "%+v", d)
			require.NotEmpty(t, d.Reason)
			require.Equal(t, "cases/3", d.Bundle)
			require.True(t, strings.HasPrefix(d.PolicyVersion, "cases@"), d.PolicyVersion)
			require.False(t, d.Claimed)
			require.False(t, d.ID.IsZero())
			whole, err := engine.Evaluate(context.Background(), c.request)
			require.NoError(t, err)
			require.Equal(t, d.Effect == aureus.Allow, whole.Decision.Effect == aureus.Allow, "the fast path decides as the whole evaluation does")
			if d.Effect == aureus.Allow {
				whole.Decision.ID = d.ID
				require.Equal(t, whole.Decision, d)
			}
			if c.effect != aureus.Allow {
				require.NotEmpty(t, d.Matched)
				require.False(t, d.Matched[0].Shadow)
			}
		})
	}
}

func TestDecide_TierWhenFails_IsTheStrictestTier(t *testing.T) {
	engine := newEngine(t, parse(t, cases), policy.Config{})
	require.Equal(t, aureus.TierCritical, decide(t, engine, ask("ann", "tiered", nil)).RiskTier)
	require.Equal(t, aureus.TierHigh, decide(t, engine, ask("ann", "tiered", object{"size": 11})).RiskTier)
	require.Equal(t, aureus.TierMedium, decide(t, engine, ask("ann", "tiered", object{"size": 0})).RiskTier)
}

func TestDecide_SeveralReasons_AreAllListedStrictestFirst(t *testing.T) {
	engine := newEngine(t, parse(t, `
aureus: policy/1
name: many
version: 1
roles: {none: {grants: []}}
principals: {ann: {roles: [none]}}
actions:
  act: {tier: critical, requires: [{action: a, resource: b}, {action: c, resource: d}]}
rules:
  - {id: ask, effect: require_approval, actions: [act]}
  - {id: shadow, effect: deny, actions: [act], mode: shadow}
  - {id: fails, effect: deny, actions: [act], when: "arguments.x == 1.0"}
  - {id: deny, effect: deny, actions: [act]}
`), policy.Config{})
	engine.SetStops([]policy.Stop{{Scope: "action:act", Reason: "incident"}})
	request := ask("ann", "act", nil)
	request.Tool = "sh"
	d := decide(t, engine, request)
	var got []string
	for _, m := range d.Matched {
		got = append(got, string(m.ReasonCode)+" "+m.Rule)
	}
	require.Equal(t, []string{
		"STOPPED stop", "TOOL_NOT_ALLOWED tool", "PERMISSION_DENIED permissions", "PERMISSION_DENIED permissions",
		"RULE_DENIED deny", "CONDITION_ERROR fails", "CRITICAL_NEEDS_HUMAN_APPROVAL risk_tier", "RULE_NEEDS_APPROVAL ask", "RULE_DENIED shadow",
	}, got)
	require.Equal(t, aureus.ReasonStopped, d.ReasonCode)
	require.True(t, d.Matched[len(got)-1].Shadow)
}

func TestParse_ExampleOfTheDocumentation_LoadsWithItsTests(t *testing.T) {
	bundle := ledger(t)
	require.Equal(t, "ledger", bundle.Name())
	require.Equal(t, int64(7), bundle.Version())
	require.Equal(t, 24*time.Hour, bundle.MaxAge())
	require.Equal(t, aureus.ApprovalTerms{Quorum: 2, Roles: []string{"operator"}, DecideWithin: time.Hour, UseWithin: 15 * time.Minute}, bundle.Terms("transfer.make"))
}
