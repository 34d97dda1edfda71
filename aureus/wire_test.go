package aureus_test

import (
	"context"
	"encoding/json"
	"math"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/internal/strictjson"
)

type wireVector struct {
	Name  string `json:"name"`
	Kind  string `json:"kind"`
	Input struct {
		Call   string          `json:"call"`
		Status int             `json:"status"`
		Body   json.RawMessage `json:"body"`
	} `json:"input"`
	Expected struct {
		Method    string            `json:"method"`
		Path      string            `json:"path"`
		Headers   map[string]string `json:"headers"`
		BodyBytes string            `json:"body_bytes"`
		OK        bool              `json:"ok"`
		Returns   json.RawMessage   `json:"returns"`
	} `json:"expected"`
}

func wireVectors(t *testing.T, kind string) []wireVector {
	t.Helper()
	text, err := os.ReadFile("testdata/wire.json")
	require.NoError(t, err)
	var file struct {
		Vectors []wireVector `json:"vectors"`
	}
	require.NoError(t, json.Unmarshal(text, &file))
	var selected []wireVector
	for _, v := range file.Vectors {
		if v.Kind == kind {
			selected = append(selected, v)
		}
	}
	require.NotEmpty(t, selected)
	return selected
}

// wireCalls makes, in Go, the calls that the published client made in Python.
var wireCalls = map[string]func(context.Context, *aureus.Client) error{
	"execute_workflow_full": func(ctx context.Context, c *aureus.Client) error {
		_, err := c.ExecuteWorkflow(ctx, aureus.WorkflowSpec{
			ID: "w2", Name: "W2", Goal: "g", Constraints: []string{"c"}, SuccessCriteria: []string{"s"},
			Tasks: []aureus.TaskSpec{{
				ID: "t1", Name: "T", Type: "decision",
				Inputs:         map[string]any{"n": 1, "f": 1.0, "big": json.Number("12345678901234567890"), "u": "é", "z": nil},
				Retry:          &aureus.RetryConfig{MaxAttempts: 3, BackoffMS: 1000, BackoffMultiplier: new(2.0), Jitter: new(true)},
				IdempotencyKey: "k1", TimeoutMS: 5000, RiskTier: "HIGH",
				Compensation:        &aureus.CompensationHooks{OnFailure: "t2", OnTimeout: "t3"},
				CompensationAction:  &aureus.CompensationAction{Tool: "undo", Args: map[string]any{"a": 1}},
				ToolName:            "tool",
				RequiredPermissions: []aureus.Permission{{Action: "a", Resource: "r", Intent: aureus.IntentAdmin, DataZone: aureus.ZoneRestricted}},
				AllowedTools:        []string{"tool"}, Intent: aureus.IntentExecute, DataZone: aureus.ZoneConfidential,
				SandboxConfig: &aureus.SandboxConfig{
					Enabled: true, Type: "simulation", SimulationMode: true,
					Permissions: map[string]any{"network": "allowed"},
				},
			}},
			Dependencies: map[string][]string{"t1": {}},
			SafetyPolicy: &aureus.SafetyPolicy{Name: "p", Description: "d", Rules: []aureus.SafetyRule{{Type: "no_cycles", Description: "x"}}, FailFast: true},
		}, aureus.WithRunContext(map[string]any{"user": "u"}), aureus.WithCorrelationID("corr"))
		return err
	},
	"get_workflow_status": func(ctx context.Context, c *aureus.Client) error {
		_, err := c.WorkflowStatus(ctx, "w1")
		return err
	},
	"validate_commit_minimal": func(ctx context.Context, c *aureus.Client) error {
		_, err := c.ValidateCommit(ctx, aureus.Commit{ID: "c", Data: map[string]any{"v": 1}},
			aureus.GateConfig{Name: "g", Validators: []string{"not_null"}, BlockOnFailure: true})
		return err
	},
	"validate_commit_full": func(ctx context.Context, c *aureus.Client) error {
		_, err := c.ValidateCommit(ctx,
			aureus.Commit{ID: "c", Data: []any{1, nil, "x"}, PreviousState: map[string]any{"v": 0}, Metadata: map[string]any{"workflowId": "w"}},
			aureus.GateConfig{
				Name: "g", Validators: []string{"not_null", "schema_check", "balance_positive"}, RequiredConfidence: new(1.0),
				RecoveryStrategy: aureus.RetryAltTool{ToolName: "alt", MaxRetries: 2}.Strategy(),
			})
		return err
	},
	"validate_commit_null_data": func(ctx context.Context, c *aureus.Client) error {
		_, err := c.ValidateCommit(ctx, aureus.Commit{ID: "c"}, aureus.GateConfig{Name: "g", BlockOnFailure: true})
		return err
	},
	"register_validator": func(ctx context.Context, c *aureus.Client) error {
		_, err := c.RegisterValidator(ctx, "business_rules_validator", map[string]any{
			"type": "custom", "validation_logic": "check_business_rules",
			"parameters": map[string]any{"min_amount": 100, "max_amount": 10000},
		})
		return err
	},
}

// Our client sends the same method, path, headers and values as the published client. It
// omits unset fields instead of sending null, and numbers are compared by value (1 is 1.0).
func TestRequests_OnTheWire_AreThoseOfThePublishedClient(t *testing.T) {
	server := record(t, jsonResponse(200, `{"passed":false,"gate_name":"g","validation_results":[],"blocked_commit":true,"timestamp":"t","crv_status":"blocked","workflow_id":"w","status":"success","task_results":{}}`))
	client := newClient(t, server.URL)
	for _, v := range wireVectors(t, "request") {
		t.Run(v.Name, func(t *testing.T) {
			if v.Name == "report_metric_nan_becomes_null" {
				// NaN is refused by our client, instead of
				// becoming null (a server must answer it with 422, and not store a zero).
				err := client.ReportMetric(t.Context(), aureus.Metric{Name: "m", Value: math.NaN(), Timestamp: "t"})
				require.ErrorIs(t, err, aureus.ErrInvalid)
				return
			}
			call, ok := wireCalls[v.Input.Call]
			require.True(t, ok, "no Go call for %s", v.Input.Call)
			before := len(server.all())
			require.NoError(t, call(t.Context(), client))
			require.Len(t, server.all(), before+1)
			got := server.all()[before]

			require.Equal(t, v.Expected.Method, got.method)
			require.Equal(t, v.Expected.Path, got.path)
			require.Empty(t, got.query)
			for name, value := range v.Expected.Headers {
				require.Equal(t, value, got.header.Get(name), name)
			}
			if v.Expected.BodyBytes == "" {
				require.Empty(t, got.body)
				return
			}
			require.Equal(t, int64(len(got.body)), got.length, "Content-Length is set")
			require.Equal(t, withoutNulls(t, v.Expected.BodyBytes), withoutNulls(t, got.body))
		})
	}
}

// withoutNulls decodes a body, removes null members outside free-form values, and
// normalises numbers.
func withoutNulls(t *testing.T, body string) any {
	t.Helper()
	tree, err := strictjson.Parse([]byte(body))
	require.NoError(t, err)
	freeForm := map[string]bool{"inputs": true, "data": true}
	var clean func(v any, free bool) any
	clean = func(v any, free bool) any {
		switch v := v.(type) {
		case json.Number:
			return json.Number(strings.TrimSuffix(string(v), ".0"))
		case []any:
			for i := range v {
				v[i] = clean(v[i], free)
			}
		case map[string]any:
			for name, value := range v {
				if value == nil && !free && name != "data" {
					delete(v, name)
					continue
				}
				v[name] = clean(value, free || freeForm[name])
			}
		}
		return v
	}
	return clean(tree, false)
}

// strictness lists the responses that the published client accepts and ours does not,
// since a decision depends on them.
var strictness = map[string]string{
	"decision_string_bools_accepted": `a decision is a boolean and nothing that looks like one`,
	"report_ignores_status_400":      `our client returns the error that the published client hides`,
	"report_ignores_status_404":      `as above`,
	"report_ignores_status_500":      `as above`,
	"report_ignores_status_503":      `as above`,
}

func TestResponses_OfThePublishedContract_AreRead(t *testing.T) {
	calls := map[string]func(context.Context, *aureus.Client) (any, error){
		"execute": func(ctx context.Context, c *aureus.Client) (any, error) {
			return c.ExecuteWorkflow(ctx, aureus.WorkflowSpec{ID: "w", Name: "W"})
		},
		"status": func(ctx context.Context, c *aureus.Client) (any, error) {
			status, err := c.WorkflowStatus(ctx, "w")
			return status.Raw, err
		},
		"gate": func(ctx context.Context, c *aureus.Client) (any, error) {
			return c.ValidateCommit(ctx, aureus.Commit{ID: "c"}, aureus.GateConfig{Name: "g"})
		},
		"validator": func(ctx context.Context, c *aureus.Client) (any, error) {
			registration, err := c.RegisterValidator(ctx, "v", map[string]any{"type": "custom"})
			return registration.Raw, err
		},
		"decision": func(ctx context.Context, c *aureus.Client) (any, error) {
			return c.EvaluatePolicy(ctx, aureus.PolicyContext{})
		},
		"check": func(ctx context.Context, c *aureus.Client) (any, error) {
			return c.CheckPermission(ctx, aureus.Principal{}, aureus.Action{})
		},
		"approval": func(ctx context.Context, c *aureus.Client) (any, error) {
			return c.RequestApproval(ctx, aureus.Action{}, aureus.Principal{}, "r")
		},
		"metrics": func(ctx context.Context, c *aureus.Client) (any, error) {
			metrics, err := aureus.Collect(c.Metrics(ctx, aureus.MetricQuery{}))
			return len(metrics), err
		},
		"trace": func(ctx context.Context, c *aureus.Client) (any, error) {
			spans, err := c.Trace(ctx, "t")
			return len(spans), err
		},
		"report": func(ctx context.Context, c *aureus.Client) (any, error) {
			// The deadline is too short for a retry, so the call returns the first response.
			ctx, cancel := context.WithCancel(ctx)
			defer cancel()
			err := c.ReportEvent(noRetries{ctx}, aureus.TelemetryEvent{Type: aureus.EventCustom, Timestamp: "t"})
			return nil, err
		},
	}
	for _, v := range wireVectors(t, "response") {
		t.Run(v.Name, func(t *testing.T) {
			kind, _, _ := strings.Cut(v.Name, "_")
			body := string(v.Input.Body)
			if body[0] == '"' { // a JSON string is the body itself
				require.NoError(t, json.Unmarshal(v.Input.Body, &body))
			}
			server := record(t, jsonResponse(v.Input.Status, body))
			got, err := calls[kind](t.Context(), newClient(t, server.URL))
			if reason, ours := strictness[v.Name]; ours {
				require.Error(t, err, reason)
				return
			}
			if !v.Expected.OK {
				require.Error(t, err)
				return
			}
			require.NoError(t, err)
			text, err := json.Marshal(got)
			require.NoError(t, err)
			want := v.Expected.Returns
			if string(want) == "null" && kind == "approval" {
				want = json.RawMessage(`""`) // Go has no None for a string
			}
			if len(want) > 0 && want[0] != '{' {
				require.JSONEq(t, string(want), string(text))
				return
			}
			require.Equal(t, withoutNulls(t, string(want)), withoutNulls(t, stripEmpty(t, text)))
		})
	}
}

// stripEmpty drops what encoding/json writes for Go's zero values.
func stripEmpty(t *testing.T, text []byte) string {
	t.Helper()
	tree, err := strictjson.Parse(text)
	require.NoError(t, err)
	if object, ok := tree.(map[string]any); ok {
		for name, value := range object {
			if value == "" {
				delete(object, name)
			}
		}
	}
	clean, err := strictjson.Marshal(tree)
	require.NoError(t, err)
	return string(clean)
}
