package policy_test

import (
	"bytes"
	"encoding/json"
	"maps"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/guard/policy"
)

// claimed is what a caller adds to a request, besides its arguments. Conditions that read
// some of it, such as tool and request.path, are the policy's own wish, and the bundles
// below have none.
type claimed struct {
	Tool, Route, Ticket, Name, Type, OnBehalfOf, Trace string
	Tier                                               aureus.PolicyRiskTier
	Intent                                             aureus.Intent
	Zone                                               aureus.DataZone
	AllowedTools, Volatile                             []string
	Metadata                                           map[string]any
	Permissions, Required                              []aureus.Permission
	HTTP                                               *aureus.HTTPCall
}

// add fills the parts of the request that are empty.
func (c *claimed) add(r aureus.Request) aureus.Request {
	fill := func(field *string, text string) {
		if *field == "" {
			*field = text
		}
	}
	fill(&r.Tool, c.Tool)
	fill(&r.Route, c.Route)
	r.ApprovalToken, r.Action.Name, r.Principal.Type, r.OnBehalfOf, r.TraceID = c.Ticket, c.Name, c.Type, c.OnBehalfOf, c.Trace
	r.Action.RiskTier, r.Action.Intent, r.Action.DataZone = c.Tier, c.Intent, c.Zone
	r.Action.AllowedTools, r.Volatile, r.Action.Metadata = c.AllowedTools, c.Volatile, c.Metadata
	r.Principal.Permissions, r.Action.RequiredPermissions, r.HTTP = c.Permissions, c.Required, c.HTTP
	return r
}

// strictness orders effects: deny is the strictest.
func strictness(d aureus.Decision) int {
	switch d.Effect {
	case aureus.Allow:
		return 0
	case aureus.RequireApproval:
		return 1
	case aureus.Deny:
	}
	return 2
}

// withCapitals adds each argument a second time, with its name in capitals. It returns the
// zero value for arguments that are no object.
func withCapitals(r aureus.Request) aureus.Request {
	given, isObject := r.Arguments.(map[string]any)
	if !isObject {
		return aureus.Request{}
	}
	all := maps.Clone(given)
	for name := range given {
		if capitals := strings.ToUpper(name); all[capitals] == nil {
			all[capitals] = json.Number("0")
		}
	}
	r.Arguments = all
	return r
}

// The caller cannot make a decision less strict by adding anything to a request but
// arguments: no tool, route, header, ticket, volatile value, metadata, tier or permission
// that it claims turns a denial into an allow, or saves the person who is asked.
func FuzzDecide(f *testing.F) {
	text, err := os.ReadFile("testdata/ledger.yaml")
	require.NoError(f, err)
	bundles := []*policy.Bundle{parse(f, cases), parse(f, checked), parse(f, string(text)), parse(f, hostile)}
	var actions, ways []string
	for _, b := range bundles {
		for _, a := range b.Actions() {
			actions = append(actions, a.ID)
			ways = append(append(ways, a.Routes...), a.Tools...)
		}
	}
	actions, ways = append(actions, "unknown"), append(ways, "unknown")
	principals := []string{"ann", "bob", "guest", "agent-1", "agent-big-2", "agent-big-none", "cleaner", "plain", "clerk-7", "batch-1", "olga"}

	everything, err := json.Marshal(claimed{
		Tool: "read_doc", Route: "GET /docs/{id}", Ticket: "apr_0123456789abcdefghijklmnop", Name: "Read", Type: "human", OnBehalfOf: "ann", Trace: "t",
		Tier: aureus.TierLow, Intent: aureus.IntentAdmin, Zone: aureus.ZoneRestricted, AllowedTools: []string{"read_doc"}, Volatile: []string{"/arguments/note"},
		Metadata:    map[string]any{"tool_name": "door", "effect_class": "read", "mcpActionName": "x", "requiresCRVValidation": false},
		Permissions: []aureus.Permission{{Action: "*", Resource: "*"}, {Action: "write", Resource: "notes"}}, Required: []aureus.Permission{},
		HTTP: &aureus.HTTPCall{Method: "GET", Path: "/door", Host: "localhost", Headers: map[string][]string{"X-Role": {"admin"}}},
	})
	require.NoError(f, err)
	for n := range actions {
		for p := range principals {
			f.Add(uint8(p), uint8(n), uint8(0), uint8(12), []byte(`{"id":"ann","amount":50,"size":11,"n":3,"to":"acme"}`), []byte(`{"groups":["audit"],"level":4}`), everything)
		}
	}
	f.Add(uint8(0), uint8(0), uint8(1), uint8(3), []byte(`{"id":"ann","amount":5000}`), []byte(`{}`), []byte(`{"Tool":"door"}`))
	f.Add(uint8(2), uint8(20), uint8(1), uint8(3), []byte(`null`), []byte(`null`), []byte(`{"Route":"GET /door","Metadata":{"tool_name":"door"}}`))

	f.Fuzz(func(t *testing.T, principal, action, way, hour uint8, arguments, claims, added []byte) {
		request := aureus.Request{Principal: aureus.Principal{ID: principals[int(principal)%len(principals)]}}
		var extra claimed
		decoder := json.NewDecoder(bytes.NewReader(arguments))
		decoder.UseNumber()
		if decoder.Decode(&request.Arguments) != nil || json.Unmarshal(claims, &request.Principal.Claims) != nil || json.Unmarshal(added, &extra) != nil {
			return
		}
		switch name := ways[int(action)%len(ways)]; way % 3 {
		case 0:
			request.Action.ID = actions[int(action)%len(actions)]
		case 1:
			request.Route = name
		case 2:
			request.Tool = name
		}
		now := time.Date(2026, time.November, 30, int(hour%24), 0, 0, 0, time.UTC)
		for _, bundle := range bundles {
			// An engine for each decision, because a decision may use a budget.
			engine := func() *policy.Engine {
				return newEngine(t, bundle, policy.Config{Now: at(now), Volatile: []string{"/arguments/note"}})
			}
			plain, extended := decide(t, engine(), request), decide(t, engine(), extra.add(request))
			require.GreaterOrEqual(t, strictness(extended), strictness(plain), "%s: %+v became %+v", bundle.Name(), plain, extended)
			plain, extended = engine().Preview(request), engine().Preview(extra.add(request))
			require.GreaterOrEqual(t, strictness(extended), strictness(plain), "%s: %+v became %+v", bundle.Name(), plain, extended)
			if extended.Effect != aureus.Deny { // it is about the same action, as the bundle defines it
				require.Equal(t, plain.ActionID, extended.ActionID)
				require.Equal(t, plain.RiskTier, extended.RiskTier)
				require.Equal(t, plain.PolicyVersion, extended.PolicyVersion)
			}
			require.False(t, extended.Claimed)

			// The fast path of Decide allows what the complete evaluation allows, for the same
			// reasons.
			for _, r := range []aureus.Request{request, extra.add(request)} {
				decided, previewed := decide(t, engine(), r), engine().Preview(r)
				require.Equal(t, previewed.Effect == aureus.Allow, decided.Effect == aureus.Allow, "%s: %+v and %+v", bundle.Name(), previewed, decided)
				if decided.Effect == aureus.Allow {
					previewed.ID = decided.ID
					require.Equal(t, previewed, decided)
				}
			}

			// Another spelling of an argument, beside it, makes nothing less strict.
			if spelled := withCapitals(request); spelled.Arguments != nil {
				plain, spelled := decide(t, engine(), request), decide(t, engine(), spelled)
				require.GreaterOrEqual(t, strictness(spelled), strictness(plain), "%s: %+v became %+v", bundle.Name(), plain, spelled)
			}
		}
	})
}
