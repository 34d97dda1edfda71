package guard_test

import (
	"encoding/json"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/guard"
)

// requestWith returns a request for a low-risk action that requires one
// permission, by a principal that holds one.
func requestWith(held, required aureus.Permission) aureus.Request {
	return aureus.Request{
		Principal: aureus.Principal{ID: "p", Permissions: []aureus.Permission{held}},
		Action:    aureus.Action{ID: "a", RiskTier: aureus.TierLow, RequiredPermissions: []aureus.Permission{required}},
	}
}

// useThing sets action and resource of the permission, so that all permissions of
// a test name the same ones.
func useThing(p aureus.Permission) aureus.Permission {
	p.Action, p.Resource = "use", "thing"
	return p
}

// The test tries every pair of held and required data zone, and every pair of held
// and required intent. In the tables + is allowed, - is denied, and L is allowed only with
// LenientPermissions.
func TestPermissions_ZonesAndIntents_FollowTheTable(t *testing.T) {
	t.Parallel()
	strict, lenient := &guard.Local{}, &guard.Local{LenientPermissions: true}
	zones := []aureus.DataZone{"", aureus.ZonePublic, aureus.ZoneInternal, aureus.ZoneConfidential, aureus.ZoneRestricted}
	zoneTable := []string{ // a row for each required zone, a column for each held one
		"+++++",
		"+++++",
		"+-+++",
		"L--++",
		"L---+",
	}
	for i, required := range zones {
		for j, held := range zones {
			request := requestWith(useThing(aureus.Permission{DataZone: held}), useThing(aureus.Permission{DataZone: required}))
			check(t, zoneTable[i][j], strict.Preview(request), lenient.Preview(request), "data zone")

			request = requestWith(useThing(aureus.Permission{DataZone: held}), useThing(aureus.Permission{}))
			request.Action.DataZone = required // applies because the required permission names none
			check(t, zoneTable[i][j], strict.Preview(request), lenient.Preview(request), "data zone")
		}
	}
	intents := []aureus.Intent{"", aureus.IntentRead, aureus.IntentWrite, aureus.IntentExecute, aureus.IntentDelete, aureus.IntentAdmin}
	intentTable := []string{
		"++++++",
		"++----",
		"+-+---",
		"+--+--",
		"L---+-",
		"L----+",
	}
	for i, required := range intents {
		for j, held := range intents {
			request := requestWith(useThing(aureus.Permission{Intent: held}), useThing(aureus.Permission{Intent: required}))
			check(t, intentTable[i][j], strict.Preview(request), lenient.Preview(request), "intent")

			request = requestWith(useThing(aureus.Permission{Intent: held}), useThing(aureus.Permission{}))
			request.Action.Intent = required
			check(t, intentTable[i][j], strict.Preview(request), lenient.Preview(request), "intent")
		}
	}
}

func check(t *testing.T, want byte, strict, lenient aureus.Decision, cause string) {
	t.Helper()
	require.Equal(t, want == '+', strict.Effect == aureus.Allow, strict.Reason)
	require.Equal(t, want != '-', lenient.Effect == aureus.Allow, lenient.Reason)
	require.Equal(t, "goal-guard/2", strict.PolicyVersion)
	require.Equal(t, "goal-guard/2-lenient", lenient.PolicyVersion)
	if want != '+' {
		require.Equal(t, aureus.ReasonPermissionDenied, strict.ReasonCode)
		require.Equal(t, "permissions", strict.Rule)
		require.Contains(t, strict.Reason, cause)
	}
}

func TestPermissions_IntentAndZone_PrecedeThoseOfTheAction(t *testing.T) {
	t.Parallel()
	// the intent and the zone of the required permission precede those of the action
	request := requestWith(useThing(aureus.Permission{Intent: aureus.IntentRead, DataZone: aureus.ZonePublic}),
		useThing(aureus.Permission{Intent: aureus.IntentRead, DataZone: aureus.ZonePublic}))
	request.Action.Intent, request.Action.DataZone = aureus.IntentDelete, aureus.ZoneRestricted
	require.Equal(t, aureus.Allow, (&guard.Local{}).Preview(request).Effect)
}

func TestPermissions_Conditions_MustMatch(t *testing.T) {
	t.Parallel()
	type m = map[string]any
	type region string
	for name, c := range map[string]struct {
		required, held m
		want           bool
	}{
		"none required, none held":            {nil, m{}, true},
		"none required, restricted grant":     {nil, m{"region": "eu"}, false},
		"none required, restricted to null":   {m{}, m{"region": nil}, false},
		"none required, restricted to any of": {nil, m{"region": []any{"eu", "us"}}, false},
		"equal text":                          {m{"region": "eu"}, m{"region": "eu"}, true},
		"another text":                        {m{"region": "eu"}, m{"region": "us"}, false},
		"texts differ in case":                {m{"region": "eu"}, m{"region": "EU"}, false},
		"nothing held":                        {m{"region": "eu"}, nil, false},
		"name missing":                        {m{"region": "eu", "desk": "fx"}, m{"region": "eu"}, false},
		"grant is restricted further":         {m{"region": "eu"}, m{"region": "eu", "desk": "fx"}, false},
		"same number of other names":          {m{"region": "eu"}, m{"desk": "eu"}, false},
		"two names, both equal":               {m{"region": "eu", "desk": "fx"}, m{"desk": []any{"fx"}, "region": "eu"}, true},
		"held list contains it":               {m{"region": "eu"}, m{"region": []any{"us", "eu"}}, true},
		"held list of Go strings":             {m{"region": "eu"}, m{"region": []string{"us", "eu"}}, true},
		"held list lacks it":                  {m{"region": "eu"}, m{"region": []any{"us"}}, false},
		"held list is empty":                  {m{"region": "eu"}, m{"region": []any{}}, false},
		"equal lists":                         {m{"regions": []any{"eu", "us"}}, m{"regions": []any{"eu", "us"}}, true},
		"required list, held text":            {m{"region": []any{"eu", "us"}}, m{"region": "eu"}, false},
		"list within a list":                  {m{"r": []any{"eu"}}, m{"r": []any{[]any{"eu"}, "x"}}, true},
		"number and number":                   {m{"max": json.Number("100")}, m{"max": json.Number("1e2")}, true},
		"number and Go integer":               {m{"max": json.Number("100.0")}, m{"max": 100}, true},
		"Go float and Go integer":             {m{"max": 2.5}, m{"max": []float64{1, 2.5}}, true},
		"beyond float64, other":               {m{"n": json.Number("9007199254740993")}, m{"n": json.Number("9007199254740992")}, false},
		"beyond float64, same":                {m{"n": json.Number("9007199254740993")}, m{"n": uint64(9007199254740993)}, true},
		"number and text":                     {m{"n": json.Number("1")}, m{"n": "1"}, false},
		"text and number":                     {m{"n": "1"}, m{"n": json.Number("1")}, false},
		"true and true":                       {m{"on": true}, m{"on": true}, true},
		"true and false":                      {m{"on": true}, m{"on": false}, false},
		"true and text":                       {m{"on": true}, m{"on": "true"}, false},
		"null and null":                       {m{"x": nil}, m{"x": nil}, true},
		"null and nothing":                    {m{"x": nil}, m{}, false},
		"objects in any order":                {m{"o": m{"a": 1, "b": "x"}}, m{"o": m{"b": "x", "a": json.Number("1.0")}}, true},
		"objects differ":                      {m{"o": m{"a": 1}}, m{"o": m{"a": 1, "b": nil}}, false},
		"a named string type":                 {m{"region": region("eu")}, m{"region": "eu"}, true},
		"empty name":                          {m{"": "x"}, m{}, false},
		"required has no JSON form":           {m{"f": func() {}}, m{"f": func() {}}, false},
		"held has no JSON form":               {m{"f": "x"}, m{"f": make(chan int)}, false},
		"NaN equals nothing":                  {m{"f": math.NaN()}, m{"f": math.NaN()}, false},
		"an exponent beyond the limit":        {m{"f": json.Number("1e99999999999")}, m{"f": json.Number("1e99999999999")}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			request := requestWith(useThing(aureus.Permission{Conditions: c.held}), useThing(aureus.Permission{Conditions: c.required}))
			for _, decider := range []*guard.Local{{}, {LenientPermissions: true}} {
				decision := decider.Preview(request)
				require.Equal(t, c.want, decision.Effect == aureus.Allow, decision.Reason)
				switch {
				case c.want:
				case strings.Contains(decision.Reason, "no JSON form"):
					require.Equal(t, aureus.ReasonInvalidRequest, decision.ReasonCode)
					require.Contains(t, decision.Reason, "/conditions/f: ")
				default:
					require.Equal(t, aureus.ReasonPermissionDenied, decision.ReasonCode)
					require.Contains(t, decision.Reason, "condition")
				}
			}
		})
	}
}

func TestPermissions_SeveralHeld_OneMatchIsEnough(t *testing.T) {
	t.Parallel()
	request := requestWith(useThing(aureus.Permission{DataZone: aureus.ZonePublic}), useThing(aureus.Permission{DataZone: aureus.ZoneRestricted}))
	request.Principal.Permissions = append(request.Principal.Permissions,
		aureus.Permission{Action: "other", Resource: "thing", DataZone: aureus.ZoneRestricted},
		useThing(aureus.Permission{DataZone: aureus.ZoneRestricted}))
	require.Equal(t, aureus.Allow, (&guard.Local{}).Preview(request).Effect)
}

func TestPermissions_Names_MatchExactly(t *testing.T) {
	t.Parallel()
	names := []string{"", "a", "ab", "ba", "aab", "bab", "table-1", "table-2", "fable-1", "table-11", "*", "Table-1", " table-1"}
	for _, held := range names {
		for _, required := range names {
			byResource := requestWith(aureus.Permission{Action: "use", Resource: held}, aureus.Permission{Action: "use", Resource: required})
			require.Equal(t, held == required, (&guard.Local{}).Preview(byResource).Effect == aureus.Allow, "resource %q, %q", held, required)
			byAction := requestWith(aureus.Permission{Action: held, Resource: "thing"}, aureus.Permission{Action: required, Resource: "thing"})
			require.Equal(t, held == required, (&guard.Local{}).Preview(byAction).Effect == aureus.Allow, "action %q, %q", held, required)
		}
	}
}

func TestReason_MissingPermissions_AreNamed(t *testing.T) {
	t.Parallel()
	request := requestWith(useThing(aureus.Permission{}), useThing(aureus.Permission{}))
	request.Action.RequiredPermissions = []aureus.Permission{
		{Action: "read", Resource: "ledger"},
		useThing(aureus.Permission{Intent: aureus.IntentDelete}),
		useThing(aureus.Permission{}),
		useThing(aureus.Permission{DataZone: aureus.ZoneRestricted}),
		{Action: "x", Resource: "y"},
		{Action: "x", Resource: "z"},
	}
	require.Equal(t, `missing permission: "read" on "ledger" is not held; `+
		`"use" on "thing" is held, but without an intent, and needed for delete; `+
		`"use" on "thing" is held, but without a data zone, and needed for restricted; and 2 more`,
		(&guard.Local{}).Preview(request).Reason)

	request.Action.RequiredPermissions = []aureus.Permission{useThing(aureus.Permission{
		Conditions: map[string]any{"z": 1, "b": "secret-value", "c": 1},
	})}
	require.Equal(t, `missing permission: "use" on "thing" is held, but does not meet the condition "b"`,
		(&guard.Local{}).Preview(request).Reason, "the first condition by name, and never its value")

	request = requestWith(useThing(aureus.Permission{Conditions: map[string]any{"owner": "secret-value"}}), useThing(aureus.Permission{}))
	require.Equal(t, `missing permission: "use" on "thing" is held, but only under the condition "owner", which the required permission does not name`,
		(&guard.Local{}).Preview(request).Reason, "a permission with a condition does not cover an unconditional requirement")
}

func TestReason_LongNames_AreCutAndEscaped(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("é\"", 340)
	request := aureus.Request{
		Principal: aureus.Principal{ID: "p"}, Tool: long,
		Action: aureus.Action{ID: long, RiskTier: aureus.TierLow, AllowedTools: []string{"x"}},
	}
	decision := (&guard.Local{}).Preview(request)
	require.Equal(t, aureus.ReasonToolNotAllowed, decision.ReasonCode)
	require.Less(t, len(decision.Reason), 1000)
	require.Contains(t, decision.Reason, `é\"`)
	require.NotContains(t, decision.Reason, `\x`, "names are cut between characters")

	request.Action.AllowedTools = nil
	for range 10 {
		request.Action.RequiredPermissions = append(request.Action.RequiredPermissions, aureus.Permission{Action: long, Resource: long})
	}
	decision = (&guard.Local{}).Preview(request)
	require.Equal(t, aureus.ReasonPermissionDenied, decision.ReasonCode)
	require.Less(t, len(decision.Reason), 2000)

	request.Action.ID = strings.Repeat("é\n", 1<<16)
	decision = (&guard.Local{}).Preview(request)
	require.Equal(t, aureus.ReasonInvalidRequest, decision.ReasonCode)
	require.Less(t, len(decision.Reason), 1000)
	require.Less(t, len(decision.ActionID), 1000)
	require.NotContains(t, decision.Reason+decision.ActionID, "\n", "the decision holds an invalid name in cut and escaped form")
}
