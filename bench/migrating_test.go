package bench

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/casbin/casbin/v3"
	"github.com/open-policy-agent/opa/v1/rego"
	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/guard/policy"
)

// expense is one row of the table of requests: who asks, from which department, for which
// action on whose expense report.
type expense struct {
	principal, from, action   string
	owner, department, amount string // amount is a decimal number
}

// permits reports whether a policy permits the request.
type permits func(t *testing.T, e expense) bool

// expenses lists each combination of the values, so that every rule of the policy is decisive
// for some request.
func expenses() (all []expense) {
	for _, principal := range []string{"ann", "max", "ada", "eve"} {
		for _, from := range []string{"sales", "legal", ""} {
			for _, action := range []string{"expense.read", "expense.pay", "expense.delete"} {
				for _, owner := range []string{"ann", "max", "zoe"} {
					for _, department := range []string{"sales", "legal"} {
						for _, amount := range []string{"0", "999.99", "1000", "1000.01", "5000"} {
							all = append(all, expense{principal, from, action, owner, department, amount})
						}
					}
				}
			}
		}
	}
	return all
}

func readExpenses(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "expenses", name))
	require.NoError(t, err)
	return string(text)
}

// docs/migrating.md shows exactly the files that are decided by here.
func TestMigratingPage_Policies_AreTheFilesThatAreTested(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("..", "docs", "migrating.md"))
	require.NoError(t, err)
	for _, name := range []string{"expenses.conf", "expenses.csv", "expenses.rego", "expenses.cerbos.yaml", "expenses.yaml"} {
		require.Contains(t, string(page), "\n"+readExpenses(t, name)+"```\n", "docs/migrating.md does not show testdata/expenses/%s as it is", name)
	}
}

func TestMigrating_EveryRequest_IsAnsweredAsByThePeers(t *testing.T) {
	ours := aureusExpenses(t)
	allowed, refused := 0, 0
	for name, peer := range map[string]permits{"casbin": casbinExpenses(t), "OPA": regoExpenses(t)} {
		for _, e := range expenses() {
			want := peer(t, e)
			require.Equal(t, want, ours(t, e), "%s permits %+v: %t", name, e, want)
			if want {
				allowed++
			} else {
				refused++
			}
		}
	}
	require.Greater(t, allowed, 20, "hardly anything is allowed, so little was compared")
	require.Greater(t, refused, 20, "hardly anything is refused, so little was compared")
}

func casbinExpenses(t *testing.T) permits {
	t.Helper()
	enforcer, err := casbin.NewEnforcer(filepath.Join("testdata", "expenses", "expenses.conf"), filepath.Join("testdata", "expenses", "expenses.csv"))
	require.NoError(t, err)
	type subject struct{ ID, Department string }
	type object struct {
		Owner, Department string
		Amount            float64
	}
	return func(t *testing.T, e expense) bool {
		t.Helper()
		allowed, err := enforcer.Enforce(subject{e.principal, e.from}, object{e.owner, e.department, number(t, e.amount)}, e.action)
		require.NoError(t, err)
		return allowed
	}
}

func regoExpenses(t *testing.T) permits {
	t.Helper()
	query, err := rego.New(rego.Query("data.expenses.allow"), rego.Module("expenses.rego", readExpenses(t, "expenses.rego"))).PrepareForEval(t.Context())
	require.NoError(t, err)
	return func(t *testing.T, e expense) bool {
		t.Helper()
		result, err := query.Eval(context.Background(), rego.EvalInput(map[string]any{
			"principal": map[string]any{"id": e.principal},
			"claims":    map[string]any{"department": e.from},
			"action":    e.action,
			"arguments": map[string]any{"owner": e.owner, "department": e.department, "amount": number(t, e.amount)},
		}))
		require.NoError(t, err)
		return result.Allowed()
	}
}

func aureusExpenses(t *testing.T) permits {
	t.Helper()
	bundle, err := policy.ReadFile(filepath.Join("testdata", "expenses", "expenses.yaml"))
	require.NoError(t, err)
	require.True(t, bundle.Check(t.Context()).OK(), "the tests of the bundle do not notice every part")
	engine, err := policy.New(bundle, policy.Config{})
	require.NoError(t, err)
	return func(t *testing.T, e expense) bool {
		t.Helper()
		decision, err := engine.Decide(t.Context(), aureus.Request{
			Principal: aureus.Principal{ID: e.principal, Type: "person", Claims: map[string]any{"department": e.from}},
			Action:    aureus.Action{ID: e.action},
			Arguments: map[string]any{"owner": e.owner, "department": e.department, "amount": json.Number(e.amount)},
		})
		require.NoError(t, err)
		return decision.Effect == aureus.Allow
	}
}

func number(t *testing.T, text string) float64 {
	t.Helper()
	value, err := strconv.ParseFloat(text, 64)
	require.NoError(t, err)
	return value
}
