package policy_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/guard/policy"
)

const spending = `
aureus: policy/1
name: spending
version: 1
principals: {"*": {roles: []}}
actions:
  pay: {tier: low, requires: []}
  pay.back: {tier: low, requires: []}
  call: {tier: low, requires: []}
  share: {tier: low, requires: []}
  ping: {tier: low, requires: []}
budgets:
  - {id: money, actions: ["pay*"], per: principal, window: 1h, sum: arguments.amount, limit: 1}
  - {id: calls, actions: [call], per: action, window: 1m, limit: 2}
  - {id: shared, actions: [share], per: all, window: 10s, limit: 1}
  - {id: long, actions: [share], per: all, window: 1h, limit: 3}
`

// clock is a time that a test moves.
type clock struct{ now time.Time }

func (c *clock) Now() time.Time { return c.now }

func TestBudget_SlidingWindow_CountsToTheExactEdge(t *testing.T) {
	t.Parallel()
	c := &clock{noon}
	engine := newEngine(t, parse(t, spending), policy.Config{Now: c.Now})
	pay := func(amount float64) aureus.Decision {
		return decide(t, engine, ask("ann", "pay", object{"amount": amount}))
	}

	for n := range 10 { // exactly the limit: ten times a tenth
		require.Equal(t, aureus.Allow, pay(0.1).Effect, "%d", n)
		c.now = c.now.Add(time.Minute)
	}
	d := pay(0.1)
	require.Equal(t, aureus.ReasonBudgetExceeded, d.ReasonCode)
	require.Equal(t, "money", d.Rule)
	require.Equal(t, 50*time.Minute, d.RetryAfter, "when the first leaves the window")
	require.Equal(t, "try again in 50m", d.Matched[0].Remedy)
	require.Equal(t, 52*time.Minute, pay(0.3).RetryAfter, "when the first three have left")
	require.Equal(t, aureus.Allow, pay(0).Effect)

	c.now = noon.Add(time.Hour - 1)
	require.Equal(t, aureus.Deny, pay(0.1).Effect)
	c.now = noon.Add(time.Hour)
	require.Equal(t, aureus.Allow, pay(0.1).Effect)
	require.Equal(t, aureus.Deny, pay(0.1).Effect)
}

func TestBudget_AmountAboveTheLimit_NeverFits(t *testing.T) {
	t.Parallel()
	engine := newEngine(t, parse(t, spending), policy.Config{})
	d := decide(t, engine, ask("ann", "pay", object{"amount": 1.000001}))
	require.Equal(t, aureus.ReasonBudgetExceeded, d.ReasonCode)
	require.Zero(t, d.RetryAfter)
}

func TestBudget_AmountThatIsNone_Denies(t *testing.T) {
	t.Parallel()
	engine := newEngine(t, parse(t, spending), policy.Config{})
	for name, arguments := range map[string]any{
		"negative": object{"amount": -1}, "text": object{"amount": "1"}, "absent": nil, "null": object{"amount": nil}, "huge": object{"amount": 1e300},
	} {
		t.Run(name, func(t *testing.T) {
			d := decide(t, engine, ask("ann", "pay", arguments))
			require.Equal(t, aureus.ReasonConditionError, d.ReasonCode)
			require.Equal(t, "money", d.Rule)
		})
	}
	require.Equal(t, aureus.Allow, decide(t, engine, ask("ann", "pay", object{"amount": 1})).Effect, "nothing was used")
}

func TestBudget_Per_SaysWhoShares(t *testing.T) {
	t.Parallel()
	engine := newEngine(t, parse(t, spending), policy.Config{})
	full := object{"amount": 1}
	require.Equal(t, aureus.Allow, decide(t, engine, ask("ann", "pay", full)).Effect)
	require.Equal(t, aureus.Deny, decide(t, engine, ask("ann", "pay.back", full)).Effect, "both actions share it")
	require.Equal(t, aureus.Allow, decide(t, engine, ask("bob", "pay", full)).Effect)
	require.Equal(t, aureus.Allow, decide(t, engine, ask("ann", "call", nil)).Effect)
	require.Equal(t, aureus.Allow, decide(t, engine, ask("bob", "call", nil)).Effect)
	require.Equal(t, aureus.Deny, decide(t, engine, ask("eve", "call", nil)).Effect, "all principals share it")
}

func TestBudget_NotDone_IsReleased(t *testing.T) {
	t.Parallel()
	c := &clock{noon}
	engine := newEngine(t, parse(t, spending), policy.Config{Now: c.Now})
	outcome := func(d aureus.Decision, status string, notDone bool) {
		require.NoError(t, engine.RecordOutcomes(context.Background(), []aureus.Outcome{{DecisionID: d.ID, Status: status, NotDone: notDone}}))
	}
	share := func() aureus.Decision { return decide(t, engine, ask("ann", "share", nil)) }
	for _, released := range []struct {
		status  string
		notDone bool
	}{{"blocked", false}, {"refused", false}, {"failed", true}} {
		d := share()
		require.Equal(t, aureus.Allow, d.Effect)
		require.Equal(t, aureus.Deny, share().Effect)
		outcome(d, released.status, released.notDone)
		outcome(d, released.status, released.notDone) // a second report changes nothing
	}
	d := share()
	require.Equal(t, aureus.Allow, d.Effect)
	outcome(d, "success", false)
	outcome(d, "failed", false)
	require.Equal(t, aureus.Deny, share().Effect)

	c.now = c.now.Add(10 * time.Second) // it has left the short window, and still counts in the long one
	require.Equal(t, aureus.Allow, share().Effect)
	outcome(d, "blocked", false)
	c.now = c.now.Add(10 * time.Second)
	require.Equal(t, aureus.Allow, share().Effect)
	c.now = c.now.Add(10 * time.Second)
	require.Equal(t, aureus.Allow, share().Effect, "the long one was released")
	c.now = c.now.Add(10 * time.Second)
	require.Equal(t, "long", share().Rule)
}

func TestBudget_DeniedRequest_UsesNothingAndNamesTheBudget(t *testing.T) {
	t.Parallel()
	budgets := &countedBudgets{}
	engine := newEngine(t, parse(t, spending), policy.Config{Budgets: budgets})
	engine.SetStops([]policy.Stop{{Scope: "all"}})
	require.Equal(t, aureus.ReasonStopped, decide(t, engine, ask("ann", "call", nil)).ReasonCode)
	engine.Preview(ask("ann", "call", nil))
	require.Zero(t, budgets.reserved)
	require.Equal(t, 2, budgets.checked)
}

// brokenBudgets fails at one of its methods.
type brokenBudgets struct {
	countedBudgets

	check, reserve error
	exceeded       []policy.Exceeded
}

func (b *brokenBudgets) Check(context.Context, time.Time, []policy.Reservation) ([]policy.Exceeded, error) {
	return nil, b.check
}

func (b *brokenBudgets) Reserve(context.Context, aureus.DecisionID, time.Time, []policy.Reservation) ([]policy.Exceeded, error) {
	return b.exceeded, b.reserve
}

func TestBudget_StoreFails_IsUndecided(t *testing.T) {
	t.Parallel()
	down := errors.New("down")
	for name, budgets := range map[string]*brokenBudgets{"check": {check: down}, "reserve": {reserve: down}} {
		t.Run(name, func(t *testing.T) {
			engine := newEngine(t, parse(t, spending), policy.Config{Budgets: budgets})
			decision, err := engine.Decide(context.Background(), ask("ann", "call", nil))
			require.ErrorIs(t, err, down)
			require.Equal(t, aureus.Deny, decision.Effect)
		})
	}
}

func TestBudget_UsedUpSinceTheCheck_Denies(t *testing.T) {
	t.Parallel()
	for name, exceeded := range map[string]policy.Exceeded{"known": {RetryAfter: time.Second}, "of no reservation": {Index: 7}} {
		t.Run(name, func(t *testing.T) {
			engine := newEngine(t, parse(t, spending), policy.Config{Budgets: &brokenBudgets{exceeded: []policy.Exceeded{exceeded}}})
			require.Equal(t, aureus.Deny, decide(t, engine, ask("ann", "call", nil)).Effect)
		})
	}
}

func TestBudget_ManyReservations_NeverExceedTheLimit(t *testing.T) {
	t.Parallel()
	c := &clock{noon}
	text := "aureus: policy/1\nname: many\nversion: 1\nprincipals: {\"*\": {roles: []}}\nactions: {a: {tier: low, requires: []}}\n" +
		"budgets: [{id: b, actions: [a], window: 1h, limit: 2000}]\n"
	engine := newEngine(t, parse(t, text), policy.Config{Now: c.Now})
	allowed := 0
	for range 3000 {
		c.now = c.now.Add(time.Second)
		if decide(t, engine, ask("ann", "a", nil)).Effect == aureus.Allow {
			allowed++
		}
	}
	require.Equal(t, 2000, allowed, "all within one window")
	c.now = c.now.Add(2 * time.Hour)
	require.Equal(t, aureus.Allow, decide(t, engine, ask("ann", "a", nil)).Effect)
}

func TestBudget_Concurrent_NeverExceedsTheLimit(t *testing.T) {
	t.Parallel()
	engine := newEngine(t, parse(t, spending), policy.Config{})
	results := make(chan bool)
	const tries = 40
	for n := range tries {
		go func() {
			d, err := engine.Decide(context.Background(), ask(fmt.Sprintf("p%d", n), "call", nil))
			results <- err == nil && d.Effect == aureus.Allow
		}()
	}
	allowed := 0
	for range tries {
		if <-results {
			allowed++
		}
	}
	require.Equal(t, 2, allowed)
}
