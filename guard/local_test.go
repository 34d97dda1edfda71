package guard_test

import (
	"maps"
	"reflect"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/guard"
)

// lowRisk returns a request that is allowed.
func lowRisk() aureus.Request {
	return aureus.Request{
		Principal: aureus.Principal{ID: "agent-1", Type: "agent", Permissions: []aureus.Permission{{Action: "read", Resource: "db"}}},
		Action: aureus.Action{
			ID: "look", Name: "Look", RiskTier: aureus.TierLow,
			RequiredPermissions: []aureus.Permission{{Action: "read", Resource: "db"}},
		},
	}
}

func highRisk() aureus.Request {
	request := lowRisk()
	request.Action.ID, request.Action.RiskTier = "drop", aureus.TierHigh
	return request
}

func mcp(tier aureus.PolicyRiskTier, metadata map[string]any) aureus.Request {
	request := lowRisk()
	request.Action.RiskTier = tier
	request.Action.Metadata = map[string]any{"mcpServerName": "s", "mcpActionName": "x"}
	maps.Copy(request.Action.Metadata, metadata)
	return request
}

// The rows are in the order in which the rules apply: validation, tool,
// permissions, MCP, risk tier.
func TestPreview_EachRule_ReturnsItsVerdict(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change   func(r *aureus.Request)
		effect   aureus.Effect
		code     aureus.ReasonCode
		rule     string
		contains string
	}{
		"low risk": {func(*aureus.Request) {}, aureus.Allow, aureus.ReasonLowRisk, "risk_tier", "low risk"},
		"medium risk": {
			func(r *aureus.Request) { r.Action.RiskTier = aureus.TierMedium },
			aureus.Allow, aureus.ReasonMediumRisk, "risk_tier", "monitoring",
		},
		"high risk": {
			func(r *aureus.Request) { r.Action.RiskTier = aureus.TierHigh },
			aureus.RequireApproval, aureus.ReasonHighRisk, "risk_tier", "approve",
		},
		"critical risk": {
			func(r *aureus.Request) { r.Action.RiskTier = aureus.TierCritical },
			aureus.RequireApproval, aureus.ReasonCriticalRisk, "risk_tier", "approve",
		},

		"no tier":                               {func(r *aureus.Request) { r.Action.RiskTier = "" }, aureus.Deny, aureus.ReasonInvalidRequest, "request", "/action/risk_tier"},
		"a tier in upper case, as in workflows": {func(r *aureus.Request) { r.Action.RiskTier = "LOW" }, aureus.Deny, aureus.ReasonInvalidRequest, "request", `"LOW"`},
		"unknown intent":                        {func(r *aureus.Request) { r.Action.Intent = "look" }, aureus.Deny, aureus.ReasonInvalidRequest, "request", "/action/intent"},
		"unknown zone":                          {func(r *aureus.Request) { r.Action.DataZone = "secret" }, aureus.Deny, aureus.ReasonInvalidRequest, "request", "/action/data_zone"},
		"unknown required intent": {
			func(r *aureus.Request) { r.Action.RequiredPermissions[0].Intent = "Read" },
			aureus.Deny, aureus.ReasonInvalidRequest, "request", "/action/required_permissions/0/intent",
		},
		"unknown required zone": {
			func(r *aureus.Request) { r.Action.RequiredPermissions[0].DataZone = "x" },
			aureus.Deny, aureus.ReasonInvalidRequest, "request", "/action/required_permissions/0/data_zone",
		},
		"unknown held intent": {
			func(r *aureus.Request) { r.Principal.Permissions[0].Intent = "x" },
			aureus.Deny, aureus.ReasonInvalidRequest, "request", "/principal/permissions/0/intent",
		},
		"unknown held zone that is not required": {func(r *aureus.Request) {
			r.Principal.Permissions = append(r.Principal.Permissions, aureus.Permission{Action: "other", DataZone: "x"})
		}, aureus.Deny, aureus.ReasonInvalidRequest, "request", "/principal/permissions/1/data_zone"},
		"no principal": {func(r *aureus.Request) { r.Principal.ID = "" }, aureus.Deny, aureus.ReasonInvalidRequest, "request", "/principal/id"},
		"no action":    {func(r *aureus.Request) { r.Action.ID = "" }, aureus.Deny, aureus.ReasonInvalidRequest, "request", "/action/id"},
		"validation precedes permissions": {
			func(r *aureus.Request) { r.Action.RiskTier, r.Principal.Permissions = "x", nil },
			aureus.Deny, aureus.ReasonInvalidRequest, "request", "",
		},

		"tool allowed": {
			func(r *aureus.Request) { r.Action.AllowedTools, r.Tool = []string{"a", "b"}, "b" },
			aureus.Allow, aureus.ReasonLowRisk, "risk_tier", "",
		},
		"tool not allowed": {
			func(r *aureus.Request) { r.Action.AllowedTools, r.Tool = []string{"a", "b"}, "rm" },
			aureus.Deny, aureus.ReasonToolNotAllowed, "tool", `the tool "rm" is not allowed`,
		},
		"any tool without a list": {func(r *aureus.Request) { r.Tool = "rm" }, aureus.Allow, aureus.ReasonLowRisk, "risk_tier", ""},
		"a list and no tool": {
			func(r *aureus.Request) { r.Action.AllowedTools = []string{"a"} },
			aureus.Deny, aureus.ReasonToolRequired, "tool", "not allowed without a tool",
		},
		"a list with the empty tool and no tool": {
			func(r *aureus.Request) { r.Action.AllowedTools = []string{""} },
			aureus.Deny, aureus.ReasonToolRequired, "tool", "",
		},
		"the tool from the metadata": {func(r *aureus.Request) {
			r.Action.AllowedTools, r.Action.Metadata = []string{"a"}, map[string]any{"tool_name": "a"}
		}, aureus.Allow, aureus.ReasonLowRisk, "risk_tier", ""},
		"a wrong tool from the metadata": {func(r *aureus.Request) {
			r.Action.AllowedTools, r.Action.Metadata = []string{"a"}, map[string]any{"tool_name": "b"}
		}, aureus.Deny, aureus.ReasonToolNotAllowed, "tool", `"b"`},
		"the metadata does not overrule the tool": {func(r *aureus.Request) {
			r.Action.AllowedTools, r.Tool, r.Action.Metadata = []string{"a"}, "b", map[string]any{"tool_name": "a"}
		}, aureus.Deny, aureus.ReasonToolNotAllowed, "tool", `"b"`},
		"a tool in the metadata that is not a string": {func(r *aureus.Request) {
			r.Action.AllowedTools, r.Action.Metadata = []string{"a"}, map[string]any{"tool_name": []any{"a"}}
		}, aureus.Deny, aureus.ReasonToolRequired, "tool", ""},
		"the tool comes before the permissions": {func(r *aureus.Request) {
			r.Action.AllowedTools, r.Tool, r.Principal.Permissions = []string{"a"}, "b", nil
		}, aureus.Deny, aureus.ReasonToolNotAllowed, "tool", ""},

		"no permission": {
			func(r *aureus.Request) { r.Principal.Permissions = nil },
			aureus.Deny, aureus.ReasonPermissionDenied, "permissions", `"read" on "db" is not held`,
		},
		"the same action on another resource": {
			func(r *aureus.Request) { r.Principal.Permissions[0].Resource = "db2" },
			aureus.Deny, aureus.ReasonPermissionDenied, "permissions", `"read" on "db" is not held`,
		},
		"another action on the same resource": {
			func(r *aureus.Request) { r.Principal.Permissions[0].Action = "write" },
			aureus.Deny, aureus.ReasonPermissionDenied, "permissions", `"read" on "db" is not held`,
		},
		"a critical action without the permission is denied": {func(r *aureus.Request) {
			r.Principal.Permissions, r.Action.RiskTier = nil, aureus.TierCritical
		}, aureus.Deny, aureus.ReasonPermissionDenied, "permissions", ""},
		"permissions before MCP": {
			func(r *aureus.Request) { *r = mcp("low", nil); r.Principal.Permissions = nil },
			aureus.Deny, aureus.ReasonPermissionDenied, "permissions", "",
		},
		"acting on behalf of somebody adds no permissions": {
			func(r *aureus.Request) { r.OnBehalfOf, r.Principal.Permissions = "boss", nil },
			aureus.Deny, aureus.ReasonPermissionDenied, "permissions", "",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			request := lowRisk()
			c.change(&request)
			decision := (&guard.Local{}).Preview(request)
			require.Equal(t, c.effect, decision.Effect, decision.Reason)
			require.Equal(t, c.code, decision.ReasonCode)
			require.Equal(t, c.rule, decision.Rule)
			require.Contains(t, decision.Reason, c.contains)
			require.NotEmpty(t, decision.Reason)
		})
	}
}

func TestDecide_MCPAction_FollowsItsRiskTier(t *testing.T) {
	t.Parallel()
	type m = map[string]any
	for name, c := range map[string]struct {
		tier     aureus.PolicyRiskTier
		metadata m
		effect   aureus.Effect
		code     aureus.ReasonCode
		want     m
	}{
		"low": {
			"low", nil, aureus.Allow, aureus.ReasonMCP,
			m{"mcpAction": true, "mcpServerName": "s", "mcpActionName": "x", "requiresCRV": false},
		},
		"medium": {
			"medium", nil, aureus.Allow, aureus.ReasonMCP,
			m{"mcpAction": true, "mcpServerName": "s", "mcpActionName": "x", "requiresCRV": false},
		},
		"medium with CRV keeps the gate": {
			"medium",
			m{"requiresCRVValidation": true, "crvGateName": "g"},
			aureus.Allow, aureus.ReasonMCPWithCRV,
			m{"mcpAction": true, "mcpServerName": "s", "mcpActionName": "x", "requiresCRV": true, "crvGateName": "g"},
		},
		"low with CRV drops the gate": {
			"low",
			m{"requiresCRVValidation": true, "crvGateName": "g"},
			aureus.Allow, aureus.ReasonMCP,
			m{"mcpAction": true, "mcpServerName": "s", "mcpActionName": "x", "requiresCRV": true},
		},
		"a CRV flag that is a string counts as true": {
			"medium",
			m{"requiresCRVValidation": "false"},
			aureus.Allow, aureus.ReasonMCPWithCRV,
			m{"mcpAction": true, "mcpServerName": "s", "mcpActionName": "x", "requiresCRV": true},
		},
		"a null CRV flag counts as false": {
			"medium",
			m{"requiresCRVValidation": nil, "mcpServerName": nil},
			aureus.Allow, aureus.ReasonMCP,
			m{"mcpAction": true, "mcpActionName": "x", "requiresCRV": false},
		},
		"high needs a person": {
			"high",
			m{"requiresCRVValidation": true, "crvGateName": "g"},
			aureus.RequireApproval, aureus.ReasonHighRisk,
			m{"mcpAction": true, "mcpServerName": "s", "mcpActionName": "x", "requiresCRV": true, "crvGateName": "g"},
		},
		"critical needs a person": {
			"critical", nil, aureus.RequireApproval, aureus.ReasonCriticalRisk,
			m{"mcpAction": true, "mcpServerName": "s", "mcpActionName": "x", "requiresCRV": false},
		},
		"unknown tier":                       {"severe", nil, aureus.Deny, aureus.ReasonInvalidRequest, nil},
		"an empty name is not an MCP action": {"low", m{"mcpActionName": ""}, aureus.Allow, aureus.ReasonLowRisk, nil},
		"a name that is not a string":        {"high", m{"mcpActionName": 7}, aureus.RequireApproval, aureus.ReasonHighRisk, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			approvals := newMemoryApprovals()
			decision, err := guard.Decide(t.Context(), &guard.Local{Approvals: approvals}, mcp(c.tier, c.metadata))
			require.NoError(t, err)
			require.Equal(t, c.effect, decision.Effect, decision.Reason)
			require.Equal(t, c.code, decision.ReasonCode)
			require.Equal(t, c.want, decision.Metadata)
			require.Equal(t, c.want != nil, decision.Rule == "mcp")
			require.Equal(t, c.effect == aureus.RequireApproval, decision.Approval.ID != "", "a ticket for high and critical")
		})
	}
}

func TestValidateMCP_Defects_AreListedInOrder(t *testing.T) {
	t.Parallel()
	bare := aureus.Action{RiskTier: aureus.TierCritical, Metadata: map[string]any{"mcpActionName": "x"}}
	require.Equal(t, []string{"high_without_permissions", "critical_without_crv", "missing_server_name"}, guard.ValidateMCP(bare))
	bare.RiskTier = aureus.TierHigh
	require.Equal(t, []string{"high_without_permissions", "missing_server_name"}, guard.ValidateMCP(bare))
	bare.RiskTier = aureus.TierLow
	require.Equal(t, []string{"missing_server_name"}, guard.ValidateMCP(bare))
	bare.Metadata["mcpServerName"] = "s"
	require.Empty(t, guard.ValidateMCP(bare))
	require.Empty(t, guard.ValidateMCP(aureus.Action{RiskTier: aureus.TierCritical}), "not an MCP action")
}

func TestDecide_Allowed_DecisionDescribesTheRequest(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 1, 2, 3, 4, 5, 678_000_000, time.UTC)
	reads := 0
	decider := &guard.Local{Now: func() time.Time { reads++; return at }}
	request := lowRisk()
	request.OnBehalfOf, request.Tool = "boss", "psql"
	decision, err := decider.Decide(t.Context(), request)
	require.NoError(t, err)
	require.Equal(t, 1, reads, "a decision reads the clock once")
	require.Equal(t, at, decision.ID.Time())
	decision.ID = aureus.DecisionID{}
	require.Equal(t, aureus.Decision{
		Effect: aureus.Allow, ReasonCode: aureus.ReasonLowRisk, Reason: "low risk, allowed", Rule: "risk_tier",
		PolicyVersion: "goal-guard/2", PrincipalID: "agent-1", OnBehalfOf: "boss", ActionID: "look", Tool: "psql",
		RiskTier: aureus.TierLow, Claimed: true,
	}, decision)
}

func TestPreview_HighRisk_OpensNoApproval(t *testing.T) {
	t.Parallel()
	approvals := newMemoryApprovals()
	decider := &guard.Local{Approvals: approvals}
	decision := decider.Preview(highRisk())
	require.Equal(t, aureus.RequireApproval, decision.Effect)
	require.Zero(t, decision.Approval)
	require.False(t, decision.ID.IsZero())
	require.Empty(t, approvals.asked)
	require.Equal(t, aureus.RequireApproval, (&guard.Local{}).Preview(highRisk()).Effect, "also without Approvals")

	var none *guard.Local
	require.Equal(t, aureus.Deny, none.Preview(lowRisk()).Effect)
}

// withMetadata converts a request to its JSON model and back, so that conversion
// must keep every field.
func TestRequest_ToContextAndBack_KeepsEveryField(t *testing.T) {
	t.Parallel()
	request := aureus.Request{
		Principal: aureus.Principal{ID: "p"}, OnBehalfOf: "o", Action: aureus.Action{ID: "a"}, Tool: "t", Arguments: 1,
		HTTP: &aureus.HTTPCall{Method: "GET"}, Volatile: []string{"/arguments/x"}, ApprovalToken: "k", WorkflowID: "w", TaskID: "s", TraceID: "r",
		Route: "GET /a",
	}
	v := reflect.ValueOf(request)
	for i := range v.NumField() {
		require.False(t, v.Field(i).IsZero(), "set %s here", v.Type().Field(i).Name)
	}
	require.Equal(t, request, request.Context().Request())
	require.Equal(t, aureus.TierCritical, request.Context().Action.RiskTier, "the API requires a tier, and this is the strictest")
	request.Action.RiskTier = aureus.TierLow
	require.Equal(t, request, request.Context().Request())
}

func TestPolicyCheckEvent_WithoutBothIDs_IsNotReported(t *testing.T) {
	t.Parallel()
	decision := aureus.Decision{ID: aureus.NewDecisionID(time.UnixMilli(1000)), Effect: aureus.Allow, Reason: "fine"}
	request := lowRisk()
	request.WorkflowID = "w"
	_, ok := guard.PolicyCheckEvent(request, decision)
	require.False(t, ok, "one id is not enough")

	request.Action.Metadata = map[string]any{"taskId": 7}
	_, ok = guard.PolicyCheckEvent(request, decision)
	require.False(t, ok, "an id must be a string")

	request.Action.Metadata = map[string]any{"workflowId": "other", "taskId": "t"}
	event, ok := guard.PolicyCheckEvent(request, decision)
	require.True(t, ok)
	require.Equal(t, aureus.TelemetryEvent{
		Type: "policy_check", Timestamp: "1970-01-01T00:00:01Z", WorkflowID: "w", TaskID: "t",
		Data: map[string]any{"allowed": true, "requiresHumanApproval": false, "reason": "fine"},
	}, event, "the request takes precedence over the metadata")

	event, _ = guard.PolicyCheckEvent(request, aureus.Decision{Effect: 200})
	require.Equal(t, false, event.Data["allowed"])
	at, isTime := event.Timestamp.Time()
	require.True(t, isTime)
	require.WithinDuration(t, time.Now(), at, time.Hour, "without an id the event has the current time")
}

func TestDecide_EachHint_HasAReason(t *testing.T) {
	t.Parallel()
	for _, code := range []aureus.ReasonCode{
		aureus.ReasonApprovalPending, aureus.ReasonApprovalRejected, aureus.ReasonApprovalExpired, aureus.ReasonApprovalConsumed,
		aureus.ReasonApprovalMismatch, aureus.ReasonApprovalUnknown, aureus.ReasonApprovalPolicyChanged,
	} {
		approvals := stubApprovals{ticket: func(ask aureus.ApprovalAsk) aureus.ApprovalTicket {
			return aureus.ApprovalTicket{Approval: aureus.Approval{
				ID: "apr_1", Status: aureus.ApprovalPending, ActionDigest: ask.Digest, PolicyVersion: ask.PolicyVersion,
			}, Hint: code}
		}}
		decision, err := guard.Decide(t.Context(), &guard.Local{Approvals: approvals}, highRisk())
		require.NoError(t, err)
		require.Equal(t, aureus.RequireApproval, decision.Effect)
		require.Equal(t, code, decision.ReasonCode)
		require.NotEmpty(t, decision.Reason)
	}
}
