package bench

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/casbin/casbin/v3"
	"github.com/casbin/casbin/v3/model"
	"github.com/cedar-policy/cedar-go"
	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/rego"
	"github.com/open-policy-agent/opa/v1/storage/inmem"
	"github.com/stretchr/testify/require"
)

func cedarPolicy(tb testing.TB, p plan) func(question) func() bool {
	tb.Helper()
	var text strings.Builder
	for n := range p.actions {
		fmt.Fprintf(&text, "permit(principal in Team::%q, action == Action::%q, resource);\n", teamOf(n), actionName(n))
		if p.limits {
			fmt.Fprintf(&text, "forbid(principal, action == Action::%q, resource) when { context.amount > %d };\n", actionName(n), limitOf(n))
		}
	}
	for n := range p.first {
		fmt.Fprintf(&text, "forbid(principal, action == Action::%q, resource) when { context.amount > %d };\n", actionName(0), limitOf(n))
	}
	for range p.frozen {
		fmt.Fprintf(&text, "forbid(principal, action == Action::%q, resource);\n", actionName(0))
	}
	policies, err := cedar.NewPolicySetFromBytes("bench.cedar", []byte(text.String()))
	require.NoError(tb, err)
	entities := cedar.EntityMap{}
	for who, teams := range p.memberships() {
		parents := make([]cedar.EntityUID, len(teams))
		for i, team := range teams {
			parents[i] = cedar.NewEntityUID("Team", cedar.String(team))
			entities[parents[i]] = cedar.Entity{UID: parents[i]}
		}
		uid := cedar.NewEntityUID("User", cedar.String(who))
		entities[uid] = cedar.Entity{UID: uid, Parents: cedar.NewEntityUIDSet(parents...)}
	}
	return func(q question) func() bool {
		request := cedar.Request{
			Principal: cedar.NewEntityUID("User", cedar.String(q.principal)),
			Action:    cedar.NewEntityUID("Action", cedar.String(q.action)),
			Resource:  cedar.NewEntityUID("Table", "all"),
			Context:   cedar.NewRecord(cedar.RecordMap{"amount": cedar.Long(q.amount)}),
		}
		return func() bool {
			decision, _ := cedar.Authorize(policies, entities, request)
			return decision == cedar.Allow
		}
	}
}

// regoPolicy gives OPA what it indexes: one rule for each action, by an equality. Its data
// is read as values of its own types, and so is the input.
func regoPolicy(tb testing.TB, p plan) func(question) func() bool {
	tb.Helper()
	var text strings.Builder
	text.WriteString("package bench\n\ndefault allow := false\n\n")
	if p.hasAmounts() || p.frozen > 0 {
		text.WriteString("allow if {\n\tpermitted\n\tnot denied\n}\n")
	} else {
		text.WriteString("allow if permitted\n")
	}
	for n := range p.actions {
		fmt.Fprintf(&text, "permitted if {\n\tinput.action == %q\n\tdata.teams[input.principal][%q]\n}\n", actionName(n), teamOf(n))
		if p.limits {
			fmt.Fprintf(&text, "denied if {\n\tinput.action == %q\n\tinput.amount > %d\n}\n", actionName(n), limitOf(n))
		}
	}
	for n := range p.first {
		fmt.Fprintf(&text, "denied if {\n\tinput.action == %q\n\tinput.amount > %d\n}\n", actionName(0), limitOf(n))
	}
	for range p.frozen {
		fmt.Fprintf(&text, "denied if input.action == %q\n", actionName(0))
	}
	members := map[string]any{}
	for who, teams := range p.memberships() {
		of := map[string]any{}
		for _, team := range teams {
			of[team] = true
		}
		members[who] = of
	}
	ctx := context.Background()
	store := inmem.NewFromObjectWithOpts(map[string]any{"teams": members}, inmem.OptReturnASTValuesOnRead(true))
	query, err := rego.New(rego.Query("data.bench.allow"), rego.Module("bench.rego", text.String()), rego.Store(store)).PrepareForEval(ctx)
	require.NoError(tb, err)
	return func(q question) func() bool {
		input := ast.NewObject(
			ast.Item(ast.StringTerm("principal"), ast.StringTerm(q.principal)),
			ast.Item(ast.StringTerm("action"), ast.StringTerm(q.action)),
			ast.Item(ast.StringTerm("amount"), ast.IntNumberTerm(int(q.amount))),
		)
		return func() bool {
			result, err := query.Eval(ctx, rego.EvalParsedInput(input))
			return err == nil && result.Allowed()
		}
	}
}

// casbinPolicy is an enforcer without its cache of answers. Its conditions are a Go
// function, because text in a policy is parsed for each request.
func casbinPolicy(tb testing.TB, p plan) func(question) func() bool {
	tb.Helper()
	columns, condition := "id, team, act, eft", ""
	if p.hasAmounts() {
		columns, condition = "id, team, act, limit, eft", ` && (p.limit == "none" || above(r.amount, p.limit))`
	}
	m, err := model.NewModelFromString(`
[request_definition]
r = sub, act, amount
[policy_definition]
p = ` + columns + `
[role_definition]
g = _, _
[policy_effect]
e = some(where (p.eft == allow)) && !some(where (p.eft == deny))
[matchers]
m = r.act == p.act && (p.team == "anyone" || g(r.sub, p.team))` + condition + "\n")
	require.NoError(tb, err)
	enforcer, err := casbin.NewEnforcer(m)
	require.NoError(tb, err)
	enforcer.AddFunction("above", func(args ...any) (any, error) {
		amount, isNumber := args[0].(float64)
		text, isText := args[1].(string)
		if !isNumber || !isText {
			return nil, fmt.Errorf("above(%T, %T)", args[0], args[1])
		}
		limit, err := strconv.ParseFloat(text, 64)
		return amount > limit, err
	})
	var rows [][]string
	add := func(team, action, limit, effect string) {
		row := []string{strconv.Itoa(len(rows)), team, action}
		if p.hasAmounts() {
			row = append(row, limit)
		}
		rows = append(rows, append(row, effect))
	}
	for n := range p.actions {
		add(teamOf(n), actionName(n), "none", "allow")
		if p.limits {
			add("anyone", actionName(n), strconv.FormatInt(limitOf(n), 10), "deny")
		}
	}
	for n := range p.first {
		add("anyone", actionName(0), strconv.FormatInt(limitOf(n), 10), "deny")
	}
	for range p.frozen {
		add("anyone", actionName(0), "none", "deny")
	}
	_, err = enforcer.AddPolicies(rows)
	require.NoError(tb, err)
	var members [][]string
	for who, teams := range p.memberships() {
		for _, team := range teams {
			members = append(members, []string{who, team})
		}
	}
	_, err = enforcer.AddGroupingPolicies(members)
	require.NoError(tb, err)
	return func(q question) func() bool {
		return func() bool {
			allowed, err := enforcer.Enforce(q.principal, q.action, q.amount)
			return err == nil && allowed
		}
	}
}
