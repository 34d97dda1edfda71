package policy_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/guard"
	"github.com/farmountain/aureus-go/guard/policy"
)

// small is a bundle of one action that ann may take. VERSION and MORE are filled in.
const small = `
aureus: policy/1
name: small
version: %d
roles: {reader: {grants: [{action: read, resource: log}]}}
principals: {ann: {roles: [reader]}, bob: {roles: [reader]}}
actions:
  read: {tier: low, requires: [{action: read, resource: log}]}
  write: {tier: low, requires: []}
%s`

func smallBundle(tb testing.TB, version int, more string) *policy.Bundle {
	tb.Helper()
	return parse(tb, fmt.Sprintf(small, version, more))
}

func TestDecide_WithoutABundle_IsUndecided(t *testing.T) {
	t.Parallel()
	var none *policy.Engine
	for name, engine := range map[string]*policy.Engine{"nil": none, "zero": {}} {
		t.Run(name, func(t *testing.T) {
			decision, err := guard.Decide(context.Background(), engine, ask("ann", "read", nil))
			require.ErrorIs(t, err, guard.ErrUndecided)
			require.Equal(t, aureus.Deny, decision.Effect)
			require.Equal(t, aureus.Deny, engine.Preview(ask("ann", "read", nil)).Effect)
			require.Error(t, engine.RecordOutcomes(context.Background(), nil))
			require.Error(t, engine.Replace(smallBundle(t, 1, "")))
			engine.SetStops(nil)
			require.Nil(t, engine.Bundle())
			require.Nil(t, engine.Routes())
		})
	}
}

func TestNew_NoBundle_IsAnError(t *testing.T) {
	t.Parallel()
	for _, bundle := range []*policy.Bundle{nil, {}} {
		_, err := policy.New(bundle, policy.Config{})
		require.Error(t, err)
	}
	_, err := policy.New(smallBundle(t, 1, ""), policy.Config{Candidate: &policy.Bundle{}})
	require.ErrorContains(t, err, "Candidate")
}

func TestDecide_ContextIsDone_IsUndecided(t *testing.T) {
	t.Parallel()
	engine := newEngine(t, smallBundle(t, 1, ""), policy.Config{})
	ctx, cancel := context.WithCancelCause(context.Background())
	reason := errors.New("the caller left")
	cancel(reason)
	decision, err := engine.Decide(ctx, ask("ann", "read", nil))
	require.ErrorIs(t, err, reason)
	require.NotEqual(t, aureus.Allow, decision.Effect)
}

func TestDecide_BundleOlderThanMaxAge_IsUndecided(t *testing.T) {
	t.Parallel()
	now := noon
	bundle := smallBundle(t, 1, "max_age: 1h\n")
	engine := newEngine(t, bundle, policy.Config{Now: func() time.Time { return now }})
	now = noon.Add(time.Hour)
	require.Equal(t, aureus.Allow, decide(t, engine, ask("ann", "read", nil)).Effect, "at exactly its age it still counts")
	now = now.Add(1)
	_, err := engine.Decide(context.Background(), ask("ann", "read", nil))
	require.ErrorIs(t, err, policy.ErrStale)
	require.Equal(t, aureus.Deny, engine.Preview(ask("ann", "read", nil)).Effect)
	require.NoError(t, engine.Replace(bundle), "the bundle in force is confirmed")
	require.Equal(t, aureus.Allow, decide(t, engine, ask("ann", "read", nil)).Effect)
}

func TestReplace_LowerVersion_IsRefused(t *testing.T) {
	t.Parallel()
	engine := newEngine(t, smallBundle(t, 5, ""), policy.Config{})
	forbid := "rules: [{id: never, effect: deny, actions: [read]}]\n"
	for name, bundle := range map[string]*policy.Bundle{
		"lower version":                   smallBundle(t, 4, forbid),
		"same version, with another text": smallBundle(t, 5, forbid),
		"another name":                    parse(t, "aureus: policy/1\nname: large\nversion: 9\nactions: {read: {tier: low, requires: []}}\n"),
	} {
		t.Run(name, func(t *testing.T) {
			require.ErrorIs(t, engine.Replace(bundle), policy.ErrVersion)
			require.Equal(t, aureus.Allow, decide(t, engine, ask("ann", "read", nil)).Effect)
		})
	}
	require.Error(t, engine.Replace(nil))
	require.Error(t, engine.Replace(&policy.Bundle{}))
	require.NoError(t, engine.Replace(smallBundle(t, 6, forbid)))
	require.Equal(t, aureus.ReasonRuleDenied, decide(t, engine, ask("ann", "read", nil)).ReasonCode)
	require.Equal(t, int64(6), engine.Bundle().Version())
}

func TestSetStops_EachScope_DeniesWhatItNames(t *testing.T) {
	t.Parallel()
	engine := newEngine(t, smallBundle(t, 1, ""), policy.Config{})
	onBehalf := ask("bob", "read", nil)
	onBehalf.OnBehalfOf = "ann"
	for scope, stopped := range map[string]map[string]bool{
		"all":               {"ann reads": true, "bob reads": true, "bob for ann": true, "ann writes": true},
		"principal:ann":     {"ann reads": true, "bob for ann": true, "ann writes": true},
		"principal:an*":     {"ann reads": true, "bob for ann": true, "ann writes": true},
		"principal:Ann":     {"ann reads": true, "bob for ann": true, "ann writes": true}, // another spelling
		"action:Read":       {},
		"principal:an":      {},
		"action:read":       {"ann reads": true, "bob reads": true, "bob for ann": true},
		"action:w*":         {"ann writes": true},
		"action:other":      {},
		"principal:":        {"ann reads": true, "bob reads": true, "bob for ann": true, "ann writes": true},
		"principle:someone": {"ann reads": true, "bob reads": true, "bob for ann": true, "ann writes": true},
		"":                  {"ann reads": true, "bob reads": true, "bob for ann": true, "ann writes": true},
	} {
		engine.SetStops([]policy.Stop{{Scope: scope, Reason: "incident 4", By: "olga"}})
		for name, request := range map[string]aureus.Request{
			"ann reads": ask("ann", "read", nil), "bob reads": ask("bob", "read", nil), "bob for ann": onBehalf, "ann writes": ask("ann", "write", nil),
		} {
			d := decide(t, engine, request)
			if !stopped[name] {
				require.Equal(t, aureus.Allow, d.Effect, "%s, %s", scope, name)
				continue
			}
			require.Equal(t, aureus.ReasonStopped, d.ReasonCode, "%s, %s", scope, name)
			require.Contains(t, d.Reason, "incident 4")
			require.Contains(t, d.Reason, "olga")
		}
	}
	engine.SetStops(nil)
	require.Equal(t, aureus.Allow, decide(t, engine, ask("ann", "read", nil)).Effect)
}

func TestDecide_OpenAction_CanBeStopped(t *testing.T) {
	t.Parallel()
	engine := newEngine(t, parse(t, cases), policy.Config{})
	engine.SetStops([]policy.Stop{{Scope: "action:open.door"}})
	require.Equal(t, aureus.ReasonStopped, decide(t, engine, ask("eve", "open.door", nil)).ReasonCode)
}

func TestDecide_Candidate_IsOnlyReported(t *testing.T) {
	t.Parallel()
	candidate := smallBundle(t, 2, `
rules:
  - {id: stop, effect: deny, actions: [read], reason: no reading}
  - {id: person, effect: require_approval, actions: [write]}
budgets: [{id: few, actions: [write], window: 1h, limit: 1}]
`)
	budgets := &countedBudgets{}
	engine := newEngine(t, smallBundle(t, 1, ""), policy.Config{Candidate: candidate, Budgets: budgets})
	d := decide(t, engine, ask("ann", "read", nil))
	require.Equal(t, aureus.Allow, d.Effect)
	require.Equal(t, "small/1", d.Bundle)
	require.Equal(t, []aureus.RuleMatch{{Rule: "small/2:stop", Effect: "deny", ReasonCode: aureus.ReasonRuleDenied, Reason: "no reading", Shadow: true}}, d.Matched)
	d = decide(t, engine, ask("ann", "write", nil))
	require.Equal(t, aureus.Allow, d.Effect)
	require.Equal(t, "small/2:person", d.Matched[0].Rule)
	require.True(t, d.Matched[0].Shadow)
	require.Zero(t, budgets.reserved)

	denied := decide(t, engine, ask("eve", "read", nil))
	require.Equal(t, aureus.ReasonPermissionDenied, denied.ReasonCode)
	require.Len(t, denied.Matched, 1, "the candidate denies it too")
}

func TestDecide_ShadowRules_AreOnlyReported(t *testing.T) {
	t.Parallel()
	engine := newEngine(t, parse(t, cases), policy.Config{})
	d := decide(t, engine, ask("ann", "shadowed", nil))
	require.Equal(t, aureus.Allow, d.Effect)
	require.Len(t, d.Matched, 2)
	for _, m := range d.Matched {
		require.True(t, m.Shadow)
	}
	require.Equal(t, aureus.ReasonRuleDenied, d.Matched[0].ReasonCode)
	require.Equal(t, aureus.ReasonConditionError, d.Matched[1].ReasonCode)
}

func TestDecide_DefaultModeShadow_AppliesToRulesWithoutAMode(t *testing.T) {
	t.Parallel()
	engine := newEngine(t, smallBundle(t, 1, `
default_mode: shadow
rules:
  - {id: quiet, effect: deny, actions: [read]}
  - {id: loud, effect: deny, actions: [write], mode: enforce}
`), policy.Config{})
	require.Equal(t, aureus.Allow, decide(t, engine, ask("ann", "read", nil)).Effect)
	require.Equal(t, aureus.Deny, decide(t, engine, ask("ann", "write", nil)).Effect)
}

func TestDecide_WhileReplacedAndStopped_IsAlwaysByOneState(t *testing.T) {
	t.Parallel()
	const versions = 50
	bundles := make([]*policy.Bundle, versions)
	for n := range bundles {
		more := ""
		if n%2 == 1 {
			more = "rules: [{id: odd, effect: deny, actions: [read], when: \"principal.id == 'ann'\"}]\n"
		}
		bundles[n] = smallBundle(t, n+1, more)
	}
	engine, err := policy.New(bundles[0], policy.Config{})
	require.NoError(t, err)
	done := make(chan struct{})
	var wait sync.WaitGroup
	for range 4 {
		wait.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				d, err := engine.Decide(context.Background(), ask("ann", "read", nil))
				if err != nil {
					t.Error(err)
					return
				}
				var version int
				if _, err := fmt.Sscanf(d.Bundle, "small/%d", &version); err != nil {
					t.Error(err)
					return
				}
				if want := version%2 == 1; want != (d.Effect == aureus.Allow) && d.ReasonCode != aureus.ReasonStopped {
					t.Errorf("version %d decided %s", version, d.Effect)
					return
				}
			}
		})
	}
	for n, bundle := range bundles {
		if err := engine.Replace(bundle); err != nil {
			t.Error(err)
		}
		engine.SetStops([]policy.Stop{{Scope: "principal:" + []string{"ann", "eve"}[n%2]}})
	}
	close(done)
	wait.Wait()
	require.Equal(t, int64(versions), engine.Bundle().Version())
}

func TestTiers_ChangedAnswers_DecideAndAreNoted(t *testing.T) {
	t.Parallel()
	bundle := parse(t, `
aureus: policy/1
name: tiers
version: 1
principals: {ann: {roles: []}}
actions:
  l: {tier: low, requires: []}
  m: {tier: medium, requires: []}
  h: {tier: high, requires: []}
  c: {tier: critical, requires: []}
tiers: {low: require_approval, medium: deny, high: allow}
`)
	engine := newEngine(t, bundle, policy.Config{})
	require.Equal(t, aureus.ReasonTierNeedsApproval, engine.Preview(ask("ann", "l", nil)).ReasonCode)
	require.Equal(t, aureus.ReasonTierDenied, engine.Preview(ask("ann", "m", nil)).ReasonCode)
	require.Equal(t, aureus.ReasonTierAllowed, decide(t, engine, ask("ann", "h", nil)).ReasonCode)
	require.Equal(t, aureus.ReasonCriticalRisk, engine.Preview(ask("ann", "c", nil)).ReasonCode)
	require.Equal(t, []string{
		"the answer for low risk is require_approval instead of allow",
		"the answer for medium risk is deny instead of allow",
		"the answer for high risk is allow instead of require_approval",
	}, bundle.Notes())
}

// What a reader must know about a bundle is logged when it comes into force: that budgets
// count in this process alone, for example.
func TestNew_Logger_GetsTheNotes(t *testing.T) {
	t.Parallel()
	bundle := parse(t, followed(1))
	require.NotEmpty(t, bundle.Notes())
	var log logged
	engine, err := policy.New(bundle, policy.Config{Logger: log.logger()})
	require.NoError(t, err)
	require.Contains(t, log.String(), "budgets are counted in each process on its own")
	for _, note := range bundle.Notes() {
		require.Equal(t, 1, strings.Count(log.String(), note), note)
	}
	require.NoError(t, engine.Replace(bundle))
	require.Equal(t, len(bundle.Notes()), strings.Count(log.String(), "\n"), "a confirmation is no news")
	require.NoError(t, engine.Replace(parse(t, followed(2))))
	require.Equal(t, 2*len(bundle.Notes()), strings.Count(log.String(), "\n"))
}
