package guard_test

import (
	"encoding/json"
	"flag"
	"math"
	"os"
	"reflect"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/guard"
	"github.com/farmountain/aureus-go/internal/strictjson"
)

func digest(t testing.TB, request aureus.Request) aureus.Digest {
	t.Helper()
	d, err := guard.Digest("", request)
	require.NoError(t, err)
	require.False(t, d.IsZero())
	return d
}

// fullRequest is a request in which every part is set.
func fullRequest() aureus.Request {
	return aureus.Request{
		Principal:  aureus.Principal{ID: "agent-7", Type: "agent", Permissions: []aureus.Permission{{Action: "write", Resource: "ledger"}}},
		OnBehalfOf: "alice",
		Action: aureus.Action{
			ID: "transfer", Name: "Transfer money", RiskTier: aureus.TierHigh,
			RequiredPermissions: []aureus.Permission{
				{
					Action: "write", Resource: "ledger", Intent: aureus.IntentWrite, DataZone: aureus.ZoneInternal,
					Conditions: map[string]any{"currency": "EUR", "max": json.Number("100")},
				},
				{Action: "read", Resource: "ledger"},
			},
			Intent: aureus.IntentExecute, DataZone: aureus.ZoneConfidential, AllowedTools: []string{"psql", "curl"},
			Metadata: map[string]any{"mcpServerName": "bank", "retry": json.Number("1"), "approval_token": "apr_old"},
		},
		Tool:      "psql",
		Arguments: map[string]any{"to": "acme", "amount": json.Number("9007199254740993"), "tags": []any{"a", nil, true, map[string]any{}}, "try": json.Number("1")},
		HTTP: &aureus.HTTPCall{
			Method: "POST", Host: "bank.example:443", Path: "/v1/a%2Fb", Query: "x=1&y=2", ContentType: "application/json", ContentEncoding: "gzip",
			Headers: map[string][]string{"Idempotency-Key": {"k1", "k2"}, "X-Desk": {"fx"}}, Body: aureus.Body("\x1f\x8b\x00 not text \xff"),
		},
		Volatile:      []string{"/arguments/try", "/metadata/retry"},
		ApprovalToken: "apr_hint", WorkflowID: "w", TaskID: "t",
	}
}

// boundChanges has one change for each part that the digest binds.
var boundChanges = map[string]func(r *aureus.Request){
	"principal":                         func(r *aureus.Request) { r.Principal.ID = "agent-8" },
	"on behalf of":                      func(r *aureus.Request) { r.OnBehalfOf = "bob" },
	"no on behalf of":                   func(r *aureus.Request) { r.OnBehalfOf = "" },
	"characters moved to the next text": func(r *aureus.Request) { r.Principal.ID, r.OnBehalfOf = "agent-7a", "lice" },
	"action id":                         func(r *aureus.Request) { r.Action.ID = "transfer2" },
	"action name":                       func(r *aureus.Request) { r.Action.Name = "Transfer" },
	"tier":                              func(r *aureus.Request) { r.Action.RiskTier = aureus.TierCritical },
	"permission action":                 func(r *aureus.Request) { r.Action.RequiredPermissions[0].Action = "read" },
	"permission resource":               func(r *aureus.Request) { r.Action.RequiredPermissions[0].Resource = "books" },
	"permission intent":                 func(r *aureus.Request) { r.Action.RequiredPermissions[0].Intent = "" },
	"permission zone":                   func(r *aureus.Request) { r.Action.RequiredPermissions[0].DataZone = "" },
	"permission condition value":        func(r *aureus.Request) { r.Action.RequiredPermissions[0].Conditions["max"] = json.Number("101") },
	"permission condition name": func(r *aureus.Request) {
		r.Action.RequiredPermissions[0].Conditions = map[string]any{"currency": "EUR", "min": json.Number("100")}
	},
	"no permission conditions": func(r *aureus.Request) { r.Action.RequiredPermissions[0].Conditions = nil },
	"one more permission": func(r *aureus.Request) {
		r.Action.RequiredPermissions = append(r.Action.RequiredPermissions, aureus.Permission{})
	},
	"one permission fewer": func(r *aureus.Request) { r.Action.RequiredPermissions = r.Action.RequiredPermissions[:1] },
	"no permission":        func(r *aureus.Request) { r.Action.RequiredPermissions = nil },
	"permissions in another order": func(r *aureus.Request) {
		p := r.Action.RequiredPermissions
		p[0], p[1] = p[1], p[0]
	},
	"intent":                     func(r *aureus.Request) { r.Action.Intent = aureus.IntentAdmin },
	"zone":                       func(r *aureus.Request) { r.Action.DataZone = aureus.ZoneRestricted },
	"one more tool":              func(r *aureus.Request) { r.Action.AllowedTools = []string{"psql", "curl", ""} },
	"the tools joined":           func(r *aureus.Request) { r.Action.AllowedTools = []string{"psqlcurl"} },
	"the tools in another order": func(r *aureus.Request) { r.Action.AllowedTools = []string{"curl", "psql"} },
	"no tools":                   func(r *aureus.Request) { r.Action.AllowedTools = nil },
	"metadata value":             func(r *aureus.Request) { r.Action.Metadata["mcpServerName"] = "shop" },
	"metadata null":              func(r *aureus.Request) { r.Action.Metadata["mcpServerName"] = nil },
	"one more metadata name":     func(r *aureus.Request) { r.Action.Metadata["x"] = nil },
	"one metadata name fewer":    func(r *aureus.Request) { delete(r.Action.Metadata, "mcpServerName") },
	"tool":                       func(r *aureus.Request) { r.Tool = "curl" },
	"no tool":                    func(r *aureus.Request) { r.Tool = "" },
	"argument":                   func(r *aureus.Request) { r.Arguments.(map[string]any)["to"] = "acme2" },
	"argument beyond float64":    func(r *aureus.Request) { r.Arguments.(map[string]any)["amount"] = json.Number("9007199254740992") },
	"argument as text":           func(r *aureus.Request) { r.Arguments.(map[string]any)["amount"] = "9007199254740993" },
	"argument negative":          func(r *aureus.Request) { r.Arguments.(map[string]any)["amount"] = json.Number("-9007199254740993") },
	"argument ten times":         func(r *aureus.Request) { r.Arguments.(map[string]any)["amount"] = json.Number("90071992547409930") },
	"argument null":              func(r *aureus.Request) { r.Arguments.(map[string]any)["to"] = nil },
	"argument false":             func(r *aureus.Request) { r.Arguments.(map[string]any)["to"] = false },
	"argument true":              func(r *aureus.Request) { r.Arguments.(map[string]any)["to"] = true },
	"argument as list":           func(r *aureus.Request) { r.Arguments.(map[string]any)["to"] = []any{"acme"} },
	"argument empty list":        func(r *aureus.Request) { r.Arguments.(map[string]any)["to"] = []any{} },
	"argument empty object":      func(r *aureus.Request) { r.Arguments.(map[string]any)["to"] = map[string]any{} },
	"argument empty text":        func(r *aureus.Request) { r.Arguments.(map[string]any)["to"] = "" },
	"argument zero":              func(r *aureus.Request) { r.Arguments.(map[string]any)["to"] = 0 },
	"one more argument":          func(r *aureus.Request) { r.Arguments.(map[string]any)["x"] = nil },
	"one argument fewer":         func(r *aureus.Request) { delete(r.Arguments.(map[string]any), "to") },
	"list in another order": func(r *aureus.Request) {
		r.Arguments.(map[string]any)["tags"] = []any{nil, "a", true, map[string]any{}}
	},
	"list nested": func(r *aureus.Request) {
		r.Arguments.(map[string]any)["tags"] = []any{[]any{"a", nil, true}, map[string]any{}}
	},
	"list shorter":              func(r *aureus.Request) { r.Arguments.(map[string]any)["tags"] = []any{"a", nil, true} },
	"no arguments":              func(r *aureus.Request) { r.Arguments = nil },
	"empty arguments":           func(r *aureus.Request) { r.Arguments = map[string]any{} },
	"arguments of another kind": func(r *aureus.Request) { r.Arguments = "x" },
	"no HTTP":                   func(r *aureus.Request) { r.HTTP = nil },
	"empty HTTP":                func(r *aureus.Request) { r.HTTP = &aureus.HTTPCall{} },
	"method":                    func(r *aureus.Request) { r.HTTP.Method = "PUT" },
	"host":                      func(r *aureus.Request) { r.HTTP.Host = "bank.example" },
	"path unescaped":            func(r *aureus.Request) { r.HTTP.Path = "/v1/a/b" },
	"path in another escape":    func(r *aureus.Request) { r.HTTP.Path = "/v1/a%2fb" },
	"query":                     func(r *aureus.Request) { r.HTTP.Query = "y=2&x=1" },
	"no query":                  func(r *aureus.Request) { r.HTTP.Query = "" },
	"content type":              func(r *aureus.Request) { r.HTTP.ContentType = "text/plain" },
	"content encoding":          func(r *aureus.Request) { r.HTTP.ContentEncoding = "" },
	"header value":              func(r *aureus.Request) { r.HTTP.Headers["X-Desk"] = []string{"bonds"} },
	"header values joined":      func(r *aureus.Request) { r.HTTP.Headers["Idempotency-Key"] = []string{"k1, k2"} },
	"header without value":      func(r *aureus.Request) { r.HTTP.Headers["X-Desk"] = nil },
	"header with empty value":   func(r *aureus.Request) { r.HTTP.Headers["X-Desk"] = []string{""} },
	"one more header":           func(r *aureus.Request) { r.HTTP.Headers["X-Other"] = []string{"fx"} },
	"one header fewer":          func(r *aureus.Request) { delete(r.HTTP.Headers, "X-Desk") },
	"no headers":                func(r *aureus.Request) { r.HTTP.Headers = nil },
	"body":                      func(r *aureus.Request) { r.HTTP.Body = append(r.HTTP.Body, ' ') },
	"no body":                   func(r *aureus.Request) { r.HTTP.Body = nil },
	"one more volatile value":   func(r *aureus.Request) { r.Volatile = append(r.Volatile, "/arguments/never-there") },
	"one volatile value fewer":  func(r *aureus.Request) { r.Volatile = r.Volatile[:1] },
	"nothing volatile":          func(r *aureus.Request) { r.Volatile = nil },
	"another volatile value":    func(r *aureus.Request) { r.Volatile[0] = "/arguments/amount" },
}

func TestDigest_AnyBoundPartChanged_Differs(t *testing.T) {
	t.Parallel()
	seen := map[aureus.Digest]string{digest(t, fullRequest()): "unchanged"}
	for name, change := range boundChanges {
		request := fullRequest()
		change(&request)
		d := digest(t, request)
		require.Empty(t, seen[d], "%q has the same digest as another request", name)
		seen[d] = name
	}
	other, err := guard.Digest("acme", fullRequest())
	require.NoError(t, err)
	require.Empty(t, seen[other], "the tenant is bound")
	same, err := guard.Digest("default", fullRequest())
	require.NoError(t, err)
	require.Equal(t, digest(t, fullRequest()), same, "an empty tenant means default")
}

func TestDigest_VolatilePartChanged_StaysTheSame(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(r *aureus.Request){
		"ticket":                     func(r *aureus.Request) { r.ApprovalToken = "apr_other" },
		"no ticket":                  func(r *aureus.Request) { r.ApprovalToken = "" },
		"ticket in the metadata":     func(r *aureus.Request) { r.Action.Metadata["approval_token"] = "apr_other" },
		"no ticket in the metadata":  func(r *aureus.Request) { delete(r.Action.Metadata, "approval_token") },
		"ticket that is an object":   func(r *aureus.Request) { r.Action.Metadata["approval_token"] = map[string]any{"x": 1} },
		"volatile argument":          func(r *aureus.Request) { r.Arguments.(map[string]any)["try"] = json.Number("2") },
		"no volatile argument":       func(r *aureus.Request) { delete(r.Arguments.(map[string]any), "try") },
		"nested volatile argument":   func(r *aureus.Request) { r.Arguments.(map[string]any)["try"] = []any{map[string]any{"x": 1}} },
		"volatile metadata":          func(r *aureus.Request) { r.Action.Metadata["retry"] = "often" },
		"the principal's type":       func(r *aureus.Request) { r.Principal.Type = "human" },
		"the principal's permission": func(r *aureus.Request) { r.Principal.Permissions = nil },
		"the ids of the run":         func(r *aureus.Request) { r.WorkflowID, r.TaskID, r.TraceID = "w2", "t2", "trace" },
		"no GetBody":                 func(r *aureus.Request) { r.HTTP.GetBody = nil },
	} {
		request := fullRequest()
		change(&request)
		require.Equal(t, digest(t, fullRequest()), digest(t, request), name)
	}
}

// This test fails when a field is added to one of these types: list it here as
// covered by the digest or not, and in the documentation of Digest.
func TestDigest_FieldsOfRequest_AreAllConsidered(t *testing.T) {
	t.Parallel()
	for typ, fields := range map[reflect.Type]string{
		reflect.TypeFor[aureus.Request]():    "Principal OnBehalfOf Action Tool Arguments HTTP Volatile; not ApprovalToken WorkflowID TaskID TraceID Route",
		reflect.TypeFor[aureus.Principal]():  "ID; not Type Permissions Claims",
		reflect.TypeFor[aureus.Action]():     "ID Name RiskTier RequiredPermissions Intent DataZone AllowedTools Metadata",
		reflect.TypeFor[aureus.Permission](): "Action Resource Intent DataZone Conditions",
		reflect.TypeFor[aureus.HTTPCall]():   "Method Host Path Query ContentType ContentEncoding Headers Body BodyOmitted GetBody",
	} {
		known := strings.Fields(strings.ReplaceAll(fields, "; not", ""))
		var actual []string
		for field := range typ.Fields() {
			actual = append(actual, field.Name)
		}
		require.ElementsMatch(t, known, actual, typ)
	}
}

func TestDigest_AbsentAndEmpty_AreEqual(t *testing.T) {
	t.Parallel()
	bare := aureus.Request{Principal: aureus.Principal{ID: "p"}, Action: aureus.Action{ID: "a", RequiredPermissions: []aureus.Permission{{}}}}
	empty := bare
	empty.Action.RequiredPermissions = []aureus.Permission{{Conditions: map[string]any{}}}
	empty.Action.AllowedTools, empty.Action.Metadata, empty.Volatile = []string{}, map[string]any{}, []string{}
	require.Equal(t, digest(t, bare), digest(t, empty))
}

func TestDigest_ToolInMetadata_EqualsToolInRequest(t *testing.T) {
	t.Parallel()
	named := lowRisk()
	named.Action.Metadata = map[string]any{"tool_name": "psql"}
	filled := named
	filled.Tool = "psql"
	require.Equal(t, digest(t, filled), digest(t, named))
}

func TestDigest_GetBody_IsReadAndItsErrorReturned(t *testing.T) {
	t.Parallel()
	request := fullRequest()
	body := request.HTTP.Body
	request.HTTP.Body, request.HTTP.GetBody = nil, func() (aureus.Body, error) { return body, nil }
	require.Equal(t, digest(t, fullRequest()), digest(t, request))
	require.Nil(t, request.HTTP.Body, "Digest does not change the request")

	request.HTTP = brokenBody()
	_, err := guard.Digest("", request)
	require.ErrorIs(t, err, errBroken)
	require.NotErrorIs(t, err, aureus.ErrInvalid)
}

func TestDigest_VolatileElement_KeepsItsPosition(t *testing.T) {
	t.Parallel()
	list := func(volatile string, elements ...any) aureus.Digest {
		return digest(t, aureus.Request{Arguments: map[string]any{"l": elements, "a/b": map[string]any{"~": 1, "x": 2}}, Volatile: []string{volatile}})
	}
	require.Equal(t, list("/arguments/l/1", 1, 2, 3), list("/arguments/l/1", 1, "x", 3))
	require.NotEqual(t, list("/arguments/l/1", 1, 2, 3), list("/arguments/l/1", 1, 3), "a volatile element keeps its position")
	require.NotEqual(t, list("/arguments/l/1", 1, 2, 3), list("/arguments/l/1", 2, 2, 3))
	require.Equal(t, list("/arguments/l/0/x", map[string]any{"x": 1, "y": 2}), list("/arguments/l/0/x", map[string]any{"x": 5, "y": 2}))
	require.NotEqual(t, list("/arguments/l/0/x", map[string]any{"x": 1, "y": 2}), list("/arguments/l/0/x", map[string]any{"x": 1, "y": 3}))

	escaped := func(volatile string, value int) aureus.Digest {
		return digest(t, aureus.Request{Arguments: map[string]any{"a/b": map[string]any{"~": value, "x": 2}}, Volatile: []string{volatile}})
	}
	require.Equal(t, escaped("/arguments/a~1b/~0", 1), escaped("/arguments/a~1b/~0", 2))
	require.NotEqual(t, escaped("/arguments/a~1b/x", 1), escaped("/arguments/a~1b/x", 2))
	tilde := func(value int) aureus.Digest {
		return digest(t, aureus.Request{Arguments: map[string]any{"~1": value}, Volatile: []string{"/arguments/~01"}})
	}
	require.Equal(t, tilde(1), tilde(2))

	type args struct {
		To  string `json:"to"`
		Try int    `json:"try"`
	}
	try := func(a args) aureus.Digest {
		return digest(t, aureus.Request{Arguments: a, Volatile: []string{"/arguments/try"}})
	}
	require.Equal(t, try(args{"acme", 1}), try(args{"acme", 2}), "pointers use the names of the JSON")
	require.NotEqual(t, try(args{"acme", 1}), try(args{"other", 1}))
}

func TestDigest_GoValues_EqualTheirJSON(t *testing.T) {
	t.Parallel()
	type args struct {
		To     string         `json:"to"`
		Amount int64          `json:"amount"`
		Rate   float64        `json:"rate"`
		Extra  map[string]int `json:"extra"`
		Raw    any            `json:"raw"`
	}
	parsed, err := strictjson.Parse([]byte(`{"extra":{"b":2,"a":1.0},"rate":5E-1,"amount":9007199254740993.0,"to":"acme","raw":[1e0,null]}`))
	require.NoError(t, err)
	value := args{"acme", 9007199254740993, 0.5, map[string]int{"a": 1, "b": 2}, []any{1, nil}}
	for _, arguments := range []any{value, &value, json.RawMessage(nil)} {
		if _, raw := arguments.(json.RawMessage); raw {
			require.Equal(t, digest(t, aureus.Request{}), digest(t, aureus.Request{Arguments: arguments}))
			continue
		}
		require.Equal(t, digest(t, aureus.Request{Arguments: parsed}), digest(t, aureus.Request{Arguments: arguments}))
	}
}

func TestDigest_InvalidRequest_ErrorNamesThePlace(t *testing.T) {
	t.Parallel()
	deep := any("end")
	for range strictjson.MaxDepth + 1 {
		deep = []any{deep}
	}
	cycle := map[string]any{}
	cycle["again"] = cycle
	for name, c := range map[string]struct {
		change   func(r *aureus.Request)
		contains []string
	}{
		"a function":        {func(r *aureus.Request) { r.Arguments = map[string]any{"a/b": []any{1, func() {}}} }, []string{"/arguments/a~1b/1", "no JSON form"}},
		"not a number":      {func(r *aureus.Request) { r.Arguments = []any{math.NaN()} }, []string{"/arguments/0"}},
		"infinite":          {func(r *aureus.Request) { r.Arguments = math.Inf(1) }, []string{"/arguments:"}},
		"an invalid number": {func(r *aureus.Request) { r.Arguments = json.Number("0x10") }, []string{"/arguments:", "JSON number"}},
		"a huge exponent":   {func(r *aureus.Request) { r.Arguments = json.Number("1e99999999999") }, []string{"/arguments:", "exponent"}},
		"too deep":          {func(r *aureus.Request) { r.Arguments = deep }, []string{"nested more than 100 levels"}},
		"a cycle":           {func(r *aureus.Request) { r.Arguments = cycle }, []string{"nested more than 100 levels"}},
		"a long name":       {func(r *aureus.Request) { r.Arguments = map[string]any{strings.Repeat("é", 1<<16): math.NaN()} }, []string{"/arguments/é"}},
		"in metadata":       {func(r *aureus.Request) { r.Action.Metadata["x"] = json.Number("1.") }, []string{"/action/metadata/x"}},
		"in a condition": {func(r *aureus.Request) {
			r.Action.RequiredPermissions[1].Conditions = map[string]any{"c": json.Number("-")}
		}, []string{"/action/required_permissions/1/conditions/c"}},
		"volatile everything": {func(r *aureus.Request) { r.Volatile = []string{"/arguments/x", "/arguments"} }, []string{"/volatile/1", "inside /arguments or /metadata"}},
		"volatile metadata":   {func(r *aureus.Request) { r.Volatile = []string{"/metadata"} }, []string{"/volatile/0"}},
		"volatile elsewhere":  {func(r *aureus.Request) { r.Volatile = []string{"/action/risk_tier"} }, []string{"/volatile/0"}},
		"volatile root":       {func(r *aureus.Request) { r.Volatile = []string{""} }, []string{"/volatile/0", "slash"}},
		"no pointer":          {func(r *aureus.Request) { r.Volatile = []string{"arguments/x"} }, []string{"/volatile/0", "slash"}},
		"a bad escape":        {func(r *aureus.Request) { r.Volatile = []string{"/arguments/a~2"} }, []string{"/volatile/0", "~0"}},
		"a bad escape at end": {func(r *aureus.Request) { r.Volatile = []string{"/arguments/a~0~"} }, []string{"/volatile/0", "~0"}},
		"used by the rules":   {func(r *aureus.Request) { r.Volatile = []string{"/metadata/mcpActionName"} }, []string{"/volatile/0", "must not be volatile"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			request := fullRequest()
			c.change(&request)
			d, err := guard.Digest("", request)
			require.ErrorIs(t, err, aureus.ErrInvalid)
			require.True(t, d.IsZero())
			for _, text := range c.contains {
				require.ErrorContains(t, err, text)
			}
			require.Less(t, len(err.Error()), 1000)

			decision, err := guard.Decide(t.Context(), &guard.Local{Approvals: newMemoryApprovals()}, needingApproval(request))
			require.NoError(t, err)
			require.Equal(t, aureus.ReasonInvalidRequest, decision.ReasonCode)
		})
	}
}

// needingApproval changes a request so that the principal holds the required
// permissions and only a person's approval is missing.
func needingApproval(request aureus.Request) aureus.Request {
	request.Principal.Permissions = request.Action.RequiredPermissions
	for i := range request.Principal.Permissions {
		request.Action.RequiredPermissions[i].Intent, request.Action.RequiredPermissions[i].DataZone = "execute", "confidential"
	}
	if c := request.Action.RequiredPermissions[1].Conditions; c != nil { // a value without a JSON form cannot match, so move it to the metadata
		request.Action.RequiredPermissions, request.Principal.Permissions = nil, nil
		request.Action.Metadata = c
	}
	return request
}

// Spellings of the same number have the same digest, different numbers have
// different digests, and a text that is not a JSON number is an error.
func TestDigest_Numbers_CompareByValue(t *testing.T) {
	t.Parallel()
	digestOf := func(number string) (aureus.Digest, error) {
		return guard.Digest("", aureus.Request{Arguments: json.Number(number)})
	}
	seen := map[aureus.Digest]string{}
	for _, spellings := range [][]string{
		{"0", "-0", "0.0", "0e5", "-0.000E-7", "0e0000000000007", ""}, // encoding/json writes an empty Number as 0
		{"1", "1.0", "1e0", "1E+0", "1e-0", "10e-1", "0.1e1", "1e00000000000000000000"},
		{"100", "1e2", "1E+2", "1e02", "100.000", "0.001e5", "10000e-2"},
		{"1000"},
		{"-100", "-1e2"},
		{"0.05", "5e-2", "0.050", "50e-3", "0.0005e2"},
		{"0.5", "5e-1"},
		{"5"},
		{"1.05", "105e-2", "1.050"},
		{"10.5", "105e-1"},
		{"9007199254740993", "9007199254740993.0", "9.007199254740993e15"},
		{"9007199254740992"},
		{"0.1"},
		{"0.1000000000000000055511151231257827021181583404541015625"},
		{"1e9999999999", "10e9999999998"},
		{"1e-9999999999"},
	} {
		first, err := digestOf(spellings[0])
		require.NoError(t, err)
		require.Empty(t, seen[first], spellings[0])
		seen[first] = spellings[0]
		for _, spelling := range spellings {
			d, err := digestOf(spelling)
			require.NoError(t, err, spelling)
			require.Equal(t, first, d, spelling)
		}
	}
	for _, text := range []string{
		"-", "+1", "01", "-01", "00", ".5", "1.", "1.e1", "1e", "1e+", "1e1.5", "1 ", " 1", "1_000", "0x1", "NaN", "Infinity", "1e1e1", "--1", "1,5", "١",
		"1e10000000000", "0e99999999999", "1e-10000000000",
	} {
		_, err := digestOf(text)
		require.ErrorIs(t, err, aureus.ErrInvalid, text)
	}
}

func TestDigest_HugeExponents_UseLittleMemory(t *testing.T) {
	request := aureus.Request{Arguments: []any{json.Number("1e999999999"), json.Number("-7.5E-999999999"), json.Number("1e-9999999999")}}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	first := digest(t, request)
	runtime.ReadMemStats(&after)
	require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(1<<20))
	request.Arguments = []any{json.Number("1000e999999996"), json.Number("-75e-1000000000"), json.Number("0.1e-9999999998")}
	require.Equal(t, first, digest(t, request))
}

var update = flag.Bool("update", false, "rewrite the golden digests; approvals with the earlier digests become unusable")

// The encoding must not change within a version. A new encoding needs a new
// digestVersion, not a new golden file.
func TestDigest_GoldenFile_IsUnchanged(t *testing.T) {
	t.Parallel()
	const path = "testdata/digests.json"
	type golden struct {
		Name    string               `json:"name"`
		Tenant  string               `json:"tenant,omitzero"`
		Request aureus.PolicyContext `json:"request"`
		Digest  aureus.Digest        `json:"digest"`
	}
	if *update {
		bare := aureus.Request{Principal: aureus.Principal{ID: "p"}, Action: aureus.Action{ID: "a", RiskTier: aureus.TierHigh}}
		numbers := bare
		numbers.Arguments = []any{json.Number("-0.0"), json.Number("1.50"), json.Number("1e999999999"), json.Number("9007199254740993"), "1.5", nil, false, true}
		unicode := bare
		unicode.Arguments = map[string]any{"é": "😀\u0000", "Z": "", "a": []any{}, "": map[string]any{}}
		list := bare
		list.Arguments = map[string]any{"l": []any{map[string]any{"keep": 1, "drop": 2}, "gone"}}
		list.Volatile = []string{"/arguments/l/0/drop", "/arguments/l/1"}
		goldens := []golden{
			{Name: "bare", Request: bare.Context()},
			{Name: "bare in another tenant", Tenant: "acme", Request: bare.Context()},
			{Name: "everything", Request: fullRequest().Context()},
			{Name: "numbers", Request: numbers.Context()},
			{Name: "unicode", Request: unicode.Context()},
			{Name: "volatile list", Request: list.Context()},
		}
		for i, g := range goldens {
			var err error
			goldens[i].Digest, err = guard.Digest(g.Tenant, g.Request.Request())
			require.NoError(t, err)
		}
		text, err := strictjson.Marshal(goldens)
		require.NoError(t, err)
		var pretty strings.Builder
		enc := json.NewEncoder(&pretty)
		enc.SetIndent("", "  ")
		enc.SetEscapeHTML(false)
		require.NoError(t, enc.Encode(json.RawMessage(text)))
		require.NoError(t, os.WriteFile(path, []byte(pretty.String()), 0o644))
	}
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	var goldens []golden
	require.NoError(t, strictjson.Unmarshal(text, &goldens))
	require.NotEmpty(t, goldens)
	for _, g := range goldens {
		d, err := guard.Digest(g.Tenant, g.Request.Request())
		require.NoError(t, err)
		require.Equal(t, g.Digest, d, g.Name)
	}
}

// An approval covers the body, so a call without its body has no digest.
func TestDigest_OmittedBody_IsInvalid(t *testing.T) {
	t.Parallel()
	_, err := guard.Digest("t", aureus.Request{HTTP: &aureus.HTTPCall{Method: "POST", BodyOmitted: true}})
	require.ErrorIs(t, err, aureus.ErrInvalid)
}

// The digest accepts the same nesting as JSON requests: 100 levels, whatever the
// innermost value contains.
func TestDigest_Nesting_IsLimitedTo100Levels(t *testing.T) {
	t.Parallel()
	for _, innermost := range []any{[]any{}, []any{"x"}, map[string]any{}} {
		request, value := highRisk(), innermost
		for range strictjson.MaxDepth - 1 {
			value = []any{value}
		}
		request.Arguments = value
		_, err := guard.Digest("default", request)
		require.NoError(t, err)
		request.Arguments = []any{value}
		_, err = guard.Digest("default", request)
		require.ErrorContains(t, err, "nested more than 100 levels deep")
	}
}
