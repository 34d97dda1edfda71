package controlplane_test

import (
	"encoding/json"
	"errors"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane"
	"github.com/farmountain/aureus-go/guard"
	"github.com/farmountain/aureus-go/internal/strictjson"
	"github.com/farmountain/aureus-go/middleware"
)

// oddRequest changes a valid request. pointer is the JSON pointer of the error; empty
// means that the changed request is unusual and valid.
type oddRequest struct {
	change  func(r *aureus.Request)
	pointer string
}

func nestedObject(levels int) any {
	var v any = "x"
	for range levels {
		v = map[string]any{"a": v}
	}
	return v
}

func holdsItself() any {
	m := map[string]any{}
	m["self"] = m
	return m
}

type failingJSON struct{}

func (failingJSON) MarshalJSON() ([]byte, error) { return nil, errors.New("no") }

// oddRequests are requests that a program may make by mistake.
func oddRequests() map[string]oddRequest {
	high := func(r *aureus.Request) { r.Action.RiskTier = aureus.TierHigh }
	long := strings.Repeat("x", 1025)
	arguments := func(v any) func(*aureus.Request) { return func(r *aureus.Request) { r.Arguments = v } }
	return map[string]oddRequest{
		"zero request":                      {func(r *aureus.Request) { *r = aureus.Request{} }, "/principal/id"},
		"no principal":                      {func(r *aureus.Request) { r.Principal.ID = "" }, "/principal/id"},
		"no action":                         {func(r *aureus.Request) { r.Action.ID = "" }, "/action/id"},
		"no tier":                           {func(r *aureus.Request) { r.Action.RiskTier = "" }, "/action/risk_tier"},
		"unknown tier":                      {func(r *aureus.Request) { r.Action.RiskTier = "severe" }, "/action/risk_tier"},
		"tier in upper case":                {func(r *aureus.Request) { r.Action.RiskTier = "LOW" }, "/action/risk_tier"},
		"unknown intent":                    {func(r *aureus.Request) { r.Action.Intent = "peek" }, "/action/intent"},
		"unknown zone":                      {func(r *aureus.Request) { r.Action.DataZone = "lobby" }, "/action/data_zone"},
		"unknown required intent":           {func(r *aureus.Request) { r.Action.RequiredPermissions[0].Intent = "*" }, "/action/required_permissions/0/intent"},
		"unknown held zone":                 {func(r *aureus.Request) { r.Principal.Permissions[0].DataZone = "Top" }, "/principal/permissions/0/data_zone"},
		"principal too long":                {func(r *aureus.Request) { r.Principal.ID = long }, "/principal/id"},
		"action id too long":                {func(r *aureus.Request) { r.Action.ID = long }, "/action/id"},
		"action name too long":              {func(r *aureus.Request) { r.Action.Name = long }, "/action/name"},
		"tool too long":                     {func(r *aureus.Request) { r.Tool = long }, "/tool_name"},
		"workflow too long":                 {func(r *aureus.Request) { r.WorkflowID = long }, "/workflow_id"},
		"task too long":                     {func(r *aureus.Request) { r.TaskID = long }, "/task_id"},
		"on behalf of too long":             {func(r *aureus.Request) { r.OnBehalfOf = long }, "/on_behalf_of"},
		"at the length limit":               {func(r *aureus.Request) { r.Action.Name = long[1:] }, ""},
		"principal with a line feed":        {func(r *aureus.Request) { r.Principal.ID = "agent\n1" }, "/principal/id"},
		"principal with a bidi mark":        {func(r *aureus.Request) { r.Principal.ID = "agent\u202e1" }, "/principal/id"},
		"principal with a zero width space": {func(r *aureus.Request) { r.Principal.ID = "agent\u200b-1" }, "/principal/id"},
		"principal with space around":       {func(r *aureus.Request) { r.Principal.ID = "agent-1 " }, "/principal/id"},
		"principal is not UTF-8":            {func(r *aureus.Request) { r.Principal.ID = "agent\xff" }, "/principal/id"},
		"principal type is not UTF-8":       {func(r *aureus.Request) { r.Principal.Type = "\xff" }, "/principal/type"},
		"action with an escape":             {func(r *aureus.Request) { r.Action.ID = "pay\x1b[2J" }, "/action/id"},
		"action name with a bidi mark":      {func(r *aureus.Request) { r.Action.Name = "Pay \u2066all" }, "/action/name"},
		"tool with a control character":     {func(r *aureus.Request) { r.Tool = "bank\x00" }, "/tool_name"},
		"invalid tool in the metadata": {func(r *aureus.Request) {
			r.Action.Metadata = map[string]any{"tool_name": "bank\u200b"}
		}, "/tool_name"},
		"allowed tool with a bidi mark":      {func(r *aureus.Request) { r.Action.AllowedTools, r.Tool = []string{"bank", "\u202e"}, "bank" }, "/action/allowed_tools/1"},
		"on behalf of with a line separator": {func(r *aureus.Request) { r.OnBehalfOf = "a\u2028b" }, "/on_behalf_of"},
		"required resource with a control":   {func(r *aureus.Request) { r.Action.RequiredPermissions[0].Resource = "a\tb" }, "/action/required_permissions/0/resource"},
		"held action is not UTF-8": {func(r *aureus.Request) {
			r.Principal.Permissions = append(r.Principal.Permissions, aureus.Permission{Action: "\xff"})
		}, "/principal/permissions/1/action"},
		"ticket is not UTF-8":                  {func(r *aureus.Request) { r.ApprovalToken = "\xff" }, "/approval_token"},
		"volatile is not UTF-8":                {func(r *aureus.Request) { r.Volatile = []string{"/arguments/\xff"} }, "/volatile/0"},
		"NaN in the arguments":                 {arguments(map[string]any{"a": []any{1, math.NaN()}}), "/arguments/a/1"},
		"infinity in the arguments":            {arguments(math.Inf(1)), "/arguments"},
		"NaN in a Go struct":                   {arguments(struct{ A float64 }{math.NaN()}), "/arguments"},
		"a channel":                            {arguments(map[string]any{"c": make(chan int)}), "/arguments/c"},
		"a function":                           {arguments(func() {}), "/arguments"},
		"a complex number":                     {arguments([]any{complex(1, 1)}), "/arguments/0"},
		"a value that contains itself":         {arguments(holdsItself()), "/arguments/self"},
		"a marshaler that fails":               {arguments(failingJSON{}), "/arguments"},
		"a raw message that is not JSON":       {arguments(map[string]any{"r": json.RawMessage(`{"a":`)}), "/arguments/r"},
		"a raw message with a duplicate name":  {arguments(json.RawMessage(`{"a":1,"a":2}`)), "/arguments"},
		"an invalid number":                    {arguments(json.Number("1.")), "/arguments"},
		"a number with space":                  {arguments(json.Number(" 1")), "/arguments"},
		"text that is not UTF-8":               {arguments(map[string]any{"t": "\xff"}), "/arguments/t"},
		"a name that is not UTF-8":             {arguments(map[string]any{"\xff": 1}), "/arguments"},
		"nested too deep":                      {arguments(nestedObject(200)), "/arguments/a/a"},
		"nested at the limit":                  {arguments(nestedObject(97)), ""},
		"one level too deep":                   {arguments(nestedObject(98)), "/arguments/a/a"},
		"metadata nested too deep":             {func(r *aureus.Request) { r.Action.Metadata = map[string]any{"m": nestedObject(96)} }, "/action/metadata/m"},
		"too many values":                      {arguments(make([]any, 250_001)), ""},
		"too many bytes":                       {arguments(strings.Repeat("x", 4_000_001)), ""},
		"NaN in the metadata":                  {func(r *aureus.Request) { r.Action.Metadata = map[string]any{"n": math.NaN()} }, "/action/metadata/n"},
		"a condition without a JSON form":      {func(r *aureus.Request) { r.Action.RequiredPermissions[0].Conditions = map[string]any{"f": func() {}} }, "/action/required_permissions/0/conditions/f"},
		"a held condition without a JSON form": {func(r *aureus.Request) { r.Principal.Permissions[0].Conditions = map[string]any{"f": math.NaN()} }, "/principal/permissions/0/conditions/f"},
		"a query that is not UTF-8":            {func(r *aureus.Request) { r.HTTP = &aureus.HTTPCall{Method: "GET", Path: "/", Query: "q=\xe9"} }, "/http/query"},
		"a header that is not UTF-8":           {func(r *aureus.Request) { r.HTTP = &aureus.HTTPCall{Headers: map[string][]string{"X": {"a", "\xe9"}}} }, "/http/headers/X/1"},
		"high, NaN":                            {func(r *aureus.Request) { high(r); r.Arguments = math.NaN() }, "/arguments"},
		"high, an exponent without bounds":     {func(r *aureus.Request) { high(r); r.Arguments = json.Number("1e99999999999") }, "/arguments"},
		"high, a bad volatile pointer":         {func(r *aureus.Request) { high(r); r.Volatile = []string{"amount"} }, "/volatile/0"},
		"high, the body is omitted":            {func(r *aureus.Request) { high(r); r.HTTP = &aureus.HTTPCall{BodyOmitted: true} }, "/http/body_omitted"},

		"names of other scripts": {func(r *aureus.Request) {
			r.Principal.ID, r.Action.Name, r.Tool = "オルガ", "Überweisung\u00a0?", "жизнь"
		}, ""},
		"inner double space":        {func(r *aureus.Request) { r.Principal.ID = "a  b" }, ""},
		"empty names":               {func(r *aureus.Request) { r.Action.Name, r.Principal.Type = "", "" }, ""},
		"a Go struct":               {arguments(struct{ A, B any }{1, []byte("x")}), ""},
		"a time":                    {arguments(map[string]any{"at": time.Unix(0, 0)}), ""},
		"a raw message":             {arguments(json.RawMessage(`{"a":[1e400]}`)), ""},
		"a nil map":                 {arguments(map[string]any(nil)), ""},
		"an integer beyond float64": {arguments(json.Number("1000000000000000000000000000000")), ""},
		"an empty number":           {arguments(json.Number("")), ""},
		"high, valid":               {high, ""},
		"high, a malformed ticket":  {func(r *aureus.Request) { high(r); r.ApprovalToken = "../../x" }, ""},
		"missing permission":        {func(r *aureus.Request) { r.Principal.Permissions = nil }, ""},
		"null in conditions":        {func(r *aureus.Request) { r.Action.RequiredPermissions[0].Conditions = map[string]any{"a": nil} }, ""},
	}
}

// TestOddRequests_LocalAndRemote_AnswerTheSame sends each request to a local decider and
// to a control plane, directly and through the middleware.
func TestOddRequests_LocalAndRemote_AnswerTheSame(t *testing.T) {
	t.Parallel()
	now := newClock()
	for name, row := range oddRequests() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			srv, beside := open(t, at(now)), open(t, at(now)) // the local decider requests its approvals from another server
			deciders := map[string]guard.Decider{"local": &guard.Local{Approvals: beside.Client(), Now: now.Now}, "remote": srv.Client()}
			ask := func() aureus.Request {
				request := transfer(aureus.TierLow, 1)
				request.Principal.Permissions = append([]aureus.Permission(nil), request.Principal.Permissions...)
				request.Action.RequiredPermissions = append([]aureus.Permission(nil), request.Action.RequiredPermissions...)
				row.change(&request)
				return request
			}
			type seen struct {
				effect       aureus.Effect
				code         aureus.ReasonCode
				reason, rule string
				checked      string
				status       int
				problem      any
				retry        string
			}
			answers := map[string]seen{}
			for where, decider := range deciders {
				decision, err := guard.Decide(t.Context(), decider, ask())
				require.NoError(t, err, where)
				checked := "nil"
				if err := guard.Check(t.Context(), decider, ask()); err != nil {
					checked = map[bool]string{true: "denied"}[errors.Is(err, guard.ErrDenied)] + map[bool]string{true: "approval"}[errors.Is(err, guard.ErrApprovalRequired)]
					require.NotErrorIs(t, err, guard.ErrUndecided)
				}
				answer := behindMiddleware(t, decider, ask())
				got := seen{decision.Effect, decision.ReasonCode, decision.Reason, decision.Rule, checked, answer.Code, nil, answer.Header().Get("Retry-After")}
				if answer.Code != http.StatusOK {
					var body map[string]any
					require.NoError(t, strictjson.Unmarshal(answer.Body.Bytes(), &body))
					got.problem = body["code"]
				}
				answers[where] = got
			}
			require.Equal(t, answers["local"], answers["remote"])
			require.NotEqual(t, http.StatusServiceUnavailable, answers["local"].status)
			if row.pointer != "" {
				require.Equal(t, aureus.ReasonInvalidRequest, answers["local"].code, answers["local"].reason)
				require.Contains(t, answers["local"].reason, row.pointer)
				if answers["local"].status != http.StatusUnauthorized {
					require.Equal(t, http.StatusForbidden, answers["local"].status)
					require.Equal(t, "INVALID_REQUEST", answers["local"].problem)
				}
			}
			sentRaw(t, srv, ask(), row.pointer)
		})
	}
}

func behindMiddleware(t *testing.T, decider guard.Decider, request aureus.Request) *httptest.ResponseRecorder {
	t.Helper()
	protect := middleware.Enforce(decider, func(*http.Request) (aureus.Request, error) { return request, nil })
	w := httptest.NewRecorder()
	protect(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) })).
		ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", http.NoBody))
	return w
}

// sentRaw sends a request that can be encoded as JSON, as a client in another language
// does.
func sentRaw(t *testing.T, srv *controlplane.Server, request aureus.Request, pointer string) {
	t.Helper()
	body, err := strictjson.Marshal(request.Context())
	if err != nil || request.Action.RiskTier == "LOW" { // the API accepts both cases
		return
	}
	key := newKey(t, srv, controlplane.RoleService, "raw")
	got := raw{path: "/api/v1/policy/evaluate", body: string(body), key: key}.do(t, srv)
	require.Less(t, got.status, 500, got.body)
	if got.status == http.StatusOK && pointer != "" && request.Action.RiskTier == aureus.TierHigh { // a request without a possible digest is denied
		require.Equal(t, "INVALID_REQUEST", got.json(t)["reason_code"], got.body)
	}
}

// TestEvaluate_NameThatCannotBeSeen_SaysWhere sends invisible names to every endpoint
// that accepts names.
func TestEvaluate_NameThatCannotBeSeen_SaysWhere(t *testing.T) {
	t.Parallel()
	srv := open(t)
	key := newKey(t, srv, controlplane.RoleAdmin, "admin")
	for _, bad := range []string{"x\u202ey", "x\u200by", "x\ny", "x\u0000y", " x", "x ", "x\u2028y", "x\u00ady"} {
		principal := map[string]any{"id": "agent-1", "type": "agent", "permissions": []any{}}
		action := map[string]any{"id": "look", "name": "Look", "risk_tier": "high", "required_permissions": []any{}}
		with := func(object map[string]any, name string) map[string]any {
			changed := map[string]any{name: bad}
			for n, v := range object {
				if n != name {
					changed[n] = v
				}
			}
			return changed
		}
		question := func(principal, action map[string]any, more ...any) map[string]any {
			q := map[string]any{"principal": principal, "action": action, "current_state": "idle", "audit_log": []any{}, "reason": "r"}
			for i := 0; i < len(more); i += 2 {
				q[more[i].(string)] = more[i+1]
			}
			return q
		}
		for pointer, body := range map[string]map[string]any{
			"/principal/id": question(with(principal, "id"), action),
			"/action/id":    question(principal, with(action, "id")),
			"/tool_name":    question(principal, action, "tool_name", bad),
			"/on_behalf_of": question(principal, action, "on_behalf_of", bad),
		} {
			for _, path := range []string{"evaluate", "approval", "check"} {
				got := raw{path: "/api/v1/policy/" + path, body: mustMarshal(t, body), key: key}.do(t, srv).refusal(t, 422, "VALIDATION_ERROR")
				details, _ := got["details"].([]any)
				require.Len(t, details, 1, got)
				require.Equal(t, pointer, details[0].(map[string]any)["pointer"], got)
			}
		}
		raw{path: "/api/v1/crv/validators", body: mustMarshal(t, map[string]any{"validator_id": bad, "config": map[string]any{"type": "cel", "expression": "true"}}), key: key}.
			do(t, srv).refusal(t, 422, "VALIDATION_ERROR")
		task := map[string]any{"id": bad, "name": "n", "type": "action"}
		raw{path: "/api/v1/workflows/execute", body: mustMarshal(t, map[string]any{"workflow": map[string]any{"id": "w", "name": "w", "tasks": []any{task}, "dependencies": map[string]any{}}}), key: key}.
			do(t, srv).refusal(t, 422, "VALIDATION_ERROR")
		task["id"], task["tool_name"] = "t", bad
		raw{path: "/api/v1/workflows/execute", body: mustMarshal(t, map[string]any{"workflow": map[string]any{"id": "w", "name": "w", "tasks": []any{task}, "dependencies": map[string]any{}}}), key: key}.
			do(t, srv).refusal(t, 422, "VALIDATION_ERROR")
		raw{path: "/api/v1/workflows/execute", key: key, body: mustMarshal(t, map[string]any{
			"workflow": map[string]any{"id": "w", "name": "w", "tasks": []any{}, "dependencies": map[string]any{}}, "context": map[string]any{"principal_id": bad},
		})}.do(t, srv).refusal(t, 422, "VALIDATION_ERROR")
		reported := record(bad)
		got := raw{path: "/api/v1/audit/records/batch", key: key, body: mustMarshal(t, []any{reported})}.do(t, srv)
		require.Contains(t, got.body, "/principal: must", got.body)
		_, _, err := srv.Keys().Add(t.Context(), "test", controlplane.Key{Subject: bad, Role: controlplane.RoleOperator})
		require.Error(t, err)
	}
}
