package aureus

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/internal/strictjson"
)

const plainDecision = `{"allowed":true,"reason":"low risk","requires_human_approval":false,"approval_token":null,"metadata":null,
	"decision_id":"dec_00000000000000000000000001","effect":"allow","reason_code":"LOW_RISK_ALLOWED","rule":"risk_tier","policy_version":"goal-guard/1","claimed":true}`

func TestTheUsualAnswerIsReadInOnePass(t *testing.T) {
	decision, ok := scanDecision([]byte(plainDecision))
	require.True(t, ok)
	require.True(t, decision.Allowed)
	require.Equal(t, ReasonLowRisk, decision.ReasonCode)
}

// The quick reader accepts nothing that the general one refuses, and reads it
// to the same decision.
func FuzzDecodeDecision(f *testing.F) {
	for _, seed := range []string{
		plainDecision, `{}`, `{"allowed":true,"allowed":true,"reason":"","requires_human_approval":false}`, `{"allowed":true,"reason":"é","requires_human_approval":false}`,
		`{"ALLOWED":true,"reason":"r","requires_human_approval":false}`, `{"allowed":true,"reason":null,"requires_human_approval":false}`,
		`{"allowed":null,"reason":"r","requires_human_approval":false} `, `{"allowed":true,"reason":"r","requires_human_approval":false,}`,
		`{"allowed":true,"reason":"r","requires_human_approval":false,"approval":{"id":"a","status":"pending","expires_at":"t"},"metadata":{"a":1}}`,
		`{"allowed":truefalse}`, `{"allowed":true"reason":"r"}`, `{"allowed":true,"reason":"r","requires_human_approval":false,"decision_id":""}`,
		`{"allowed":true,"reason":"r","requires_human_approval":false,"claimed":null}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		quick, ok := scanDecision(body)
		var general GuardDecision
		err := strictjson.Unmarshal(body, &general)
		if ok {
			require.NoError(t, err)
			require.Equal(t, general, quick)
		}
		decided, decodeErr := decodeDecision(body)
		require.Equal(t, err == nil, decodeErr == nil)
		if err == nil {
			require.Equal(t, general, decided)
		}
	})
}

// The encoder of questions writes what the general one would.
func FuzzEncodeContext(f *testing.F) {
	f.Add("agent", "naïve <&>\"\n", "\xff", int64(1)<<60, true)
	f.Add("", "", "", int64(0), false)
	f.Fuzz(func(t *testing.T, a, b, c string, n int64, flag bool) {
		question := PolicyContext{
			Principal:    Principal{ID: a, Type: b, Permissions: []Permission{{Action: a, Resource: c}, {Intent: Intent(b), DataZone: DataZone(c), Conditions: map[string]any{a: n}}}},
			Action:       Action{ID: b, Name: c, RiskTier: PolicyRiskTier(a), Intent: Intent(a), DataZone: DataZone(b)},
			CurrentState: GoalGuardState(c), ToolName: a, OnBehalfOf: b, ApprovalToken: c, WorkflowID: a, TaskID: b,
		}
		if flag {
			question.Action.AllowedTools, question.Volatile = []string{a, b}, []string{c}
			question.Action.Metadata = map[string]any{a: []any{b, nil, flag}}
			question.Arguments = struct {
				N int64  `json:"n"`
				S string `json:"s"`
			}{n, c}
			question.HTTP = &HTTPCall{Method: a, Headers: map[string][]string{b: {c}}, Body: Body(c)}
			question.AuditLog = []AuditEntry{{Decision: a}}
		}
		want, wantErr := strictjson.Marshal(question)
		got, err := encodeStrict("Test", question)
		require.Equal(t, wantErr == nil, err == nil, "%v, %v", wantErr, err)
		if err == nil {
			var x, y any
			require.NoError(t, json.Unmarshal(want, &x))
			require.NoError(t, json.Unmarshal(got, &y))
			require.Equal(t, x, y)
		}
	})
}

func TestQuestionsRefuseWhatAStrictReaderWould(t *testing.T) {
	for name, v := range map[string]any{
		"duplicate names in a raw value": json.RawMessage(`{"a":1,"a":2}`),
		"a raw value that is none":       json.RawMessage(`{`),
		"invalid UTF-8":                  "\xff",
		"invalid UTF-8 in a struct":      struct{ S string }{"\xff"},
	} {
		_, err := encodeStrict("Test", PolicyContext{Arguments: v})
		require.ErrorIs(t, err, ErrInvalid, name)
	}
}
