package bench

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

// plan says which policy each library gets, in its own language. Action n may be done by
// the members of team n modulo 10, and by nobody else.
type plan struct {
	actions int

	// limits adds a rule to each action: an amount above that of limitOf is refused.
	limits bool

	// first adds as many such rules to the first action, each with another limit.
	first int

	// frozen adds as many rules to the first action, each of which refuses whatever is asked.
	frozen int

	// people are further people, each in a team of their own that may do nothing.
	people int
}

// question is one request. The amount is asked about only if the policy has limits.
type question struct {
	principal, action string
	amount            int64
}

// library is what decides by a policy. load makes it ready to decide by the plan and
// returns a function that makes a question ready to be asked: what depends on the
// library only is done before the time is taken, also the conversion of the question
// into the types of the library.
type library struct {
	name string
	load func(tb testing.TB, p plan) func(q question) (permits func() bool)
}

// libraries are the columns of the table: ours first, then what there is least to do in,
// then the others.
func libraries() []library {
	return []library{
		{"ours", aureusPolicy},
		{"Go map", mapPolicy},
		{"cel-go by hand", celPolicy},
		{"cedar-go", cedarPolicy},
		{"OPA", regoPolicy},
		{"casbin", casbinPolicy},
	}
}

const (
	teams  = 10
	member = "agent-1"  // a member of all ten teams
	other  = "agent-2"  // a member of team 0
	nobody = "stranger" // in no team
)

func actionName(n int) string { return fmt.Sprintf("act-%d", n) }
func teamOf(action int) string {
	return fmt.Sprintf("team-%d", action%teams)
}

// limitOf is the limit of the action, or of the further rule of the first action.
func limitOf(n int) int64 { return 1000 + int64(n) }

func (p plan) hasAmounts() bool { return p.limits || p.first > 0 }

// memberships returns who is in which teams.
func (p plan) memberships() map[string][]string {
	all := map[string][]string{other: {teamOf(0)}}
	for n := range teams {
		all[member] = append(all[member], teamOf(n))
	}
	for n := range p.people {
		all[fmt.Sprintf("person-%d", n)] = []string{fmt.Sprintf("own-%d", n)}
	}
	return all
}

// questions are asked of every library: each person, each kind of action, amounts at and
// around each kind of limit.
func (p plan) questions() (all []question) {
	actions := []string{actionName(0), actionName(p.actions / 2), actionName(p.actions - 1), "act-none"}
	people := []string{member, other, nobody}
	if p.people > 0 {
		people = append(people, "person-0")
	}
	for _, principal := range people {
		for _, action := range actions {
			for _, amount := range []int64{7, limitOf(0), limitOf(0) + 1, limitOf(p.actions/2) + 1, limitOf(p.actions + p.first)} {
				all = append(all, question{principal, action, amount})
			}
		}
	}
	return all
}

func TestPolicy_EveryLibrary_GivesTheSameAnswers(t *testing.T) {
	for _, p := range []plan{
		{actions: 10},
		{actions: 100},
		{actions: 100, limits: true},
		{actions: 10, first: 10},
		{actions: 10, first: 100},
		{actions: 10, frozen: 10},
		{actions: 10, people: 20},
	} {
		t.Run(fmt.Sprintf("%+v", p), func(t *testing.T) { requireSameAnswers(t, p) })
	}
}

// requireSameAnswers asks each library every question of the plan and returns them, ready
// to be asked.
func requireSameAnswers(tb testing.TB, p plan) (loaded []func(question) func() bool) {
	tb.Helper()
	allowed, refused := 0, 0
	var want []bool
	for n, l := range libraries() {
		ask := l.load(tb, p)
		loaded = append(loaded, ask)
		for i, q := range p.questions() {
			got := ask(q)()
			switch {
			case n > 0:
				require.Equal(tb, want[i], got, "%s permits %+v", l.name, q)
			case got:
				allowed++
			default:
				refused++
			}
			if n == 0 {
				want = append(want, got)
			}
		}
	}
	require.Greater(tb, allowed, 5, "hardly anything is allowed, so little was compared")
	require.Greater(tb, refused, 5, "hardly anything is refused, so little was compared")
	return loaded
}
