package aureus_test

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"testing/quick"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/internal/idtext"
	"github.com/farmountain/aureus-go/internal/strictjson"
	"github.com/farmountain/aureus-go/internal/vocab"
)

func TestZeroValues_Decisions_Deny(t *testing.T) {
	var decision aureus.Decision
	require.Equal(t, aureus.Deny, decision.Effect)
	require.Equal(t, "deny", decision.Effect.String())
	require.Equal(t, "deny", aureus.Effect(77).String())
	require.EqualValues(t, vocab.StateRejected, aureus.Effect(77).State())
	require.False(t, aureus.GateResult{}.Passed)
	require.False(t, aureus.ValidationResult{}.Valid)
	require.False(t, aureus.PolicyRiskTier("").Valid())
	for _, word := range []string{"", "Allow", "ALLOW", "allow ", "permit", "true"} {
		effect := aureus.Allow
		require.Error(t, effect.UnmarshalText([]byte(word)), "%q", word)
		require.Equal(t, aureus.Deny, effect)
	}
	for _, effect := range []aureus.Effect{aureus.Deny, aureus.Allow, aureus.RequireApproval} {
		text, err := effect.MarshalText()
		require.NoError(t, err)
		var parsed aureus.Effect
		require.NoError(t, parsed.UnmarshalText(text))
		require.Equal(t, effect, parsed)
	}
}

func TestDecisionID_Text_SortsByTimeAndParses(t *testing.T) {
	at := time.Date(2026, 11, 24, 5, 22, 0, 123e6, time.UTC)
	a, b := aureus.NewDecisionID(at), aureus.NewDecisionID(at.Add(time.Millisecond))
	require.Equal(t, at, a.Time())
	require.Less(t, a.String(), b.String(), "ids sort by time")
	require.Regexp(t, `^dec_[0-9a-v]{26}$`, a.String())

	seen := map[aureus.DecisionID]bool{}
	for range 10_000 {
		id := aureus.NewDecisionID(at)
		require.False(t, seen[id])
		seen[id] = true
	}
	require.Zero(t, testing.AllocsPerRun(100, func() { _ = aureus.NewDecisionID(at) }))

	require.NoError(t, quick.Check(func(id aureus.DecisionID) bool {
		text, err := id.MarshalText()
		var back aureus.DecisionID
		return err == nil && back.UnmarshalText(text) == nil && back == id
	}, nil))
	for _, text := range []string{"dec_", "apr_" + a.String()[4:], a.String() + "0", a.String()[:29] + "!", "dec_" + "zzzzzzzzzzzzzzzzzzzzzzzzzz"} {
		var id aureus.DecisionID
		require.Error(t, id.UnmarshalText([]byte(text)), text)
	}
	require.True(t, idtext.IsApproval(idtext.Approval([16]byte(a))))
	require.False(t, idtext.IsApproval(a.String()))
}

func TestDigest_Text_ParsesBack(t *testing.T) {
	require.NoError(t, quick.Check(func(d aureus.Digest) bool {
		text, err := d.MarshalText()
		var back aureus.Digest
		return err == nil && back.UnmarshalText(text) == nil && back == d
	}, nil))
	for _, text := range []string{"sha256:", "sha256:00", "md5:00", "sha", "SHA256:" + string(make([]byte, 64))} {
		var d aureus.Digest
		require.Error(t, d.UnmarshalText([]byte(text)), "%q", text)
	}
}

func TestBody_Text_KeepsEveryByte(t *testing.T) {
	for _, body := range []string{"", "plain", "{\"a\":1}", "\xff\x00", "base64:AAAA", "base64:", "é€😀", "a\tb\r\n", "\x00", "a\x1bb", "\x7f"} {
		text, err := aureus.Body(body).MarshalText()
		require.NoError(t, err)
		var back aureus.Body
		require.NoError(t, back.UnmarshalText(text))
		require.Equal(t, body, string(back), "%q", body)
	}
	var body aureus.Body
	require.Error(t, body.UnmarshalText([]byte("base64:*")))

	for _, filler := range []string{"\x00", "\x1b", "\"", "\n", "\xff", "é"} { // a body with any bytes must fit into a request
		text, err := strictjson.Marshal(aureus.Body(strings.Repeat(filler, 1000)))
		require.NoError(t, err)
		require.LessOrEqual(t, len(text), 2*1000*len(filler)+20, "%q", filler)
	}
}

func TestTimestamp_Time_ParsesTheForms(t *testing.T) {
	want := time.Date(2026, 1, 2, 3, 4, 5, 123456000, time.UTC)
	for text, at := range map[string]time.Time{
		"2026-01-02T03:04:05.123456":       want, // Python's utcnow().isoformat()
		"2026-01-02T03:04:05.123456Z":      want,
		"2026-01-02T05:04:05.123456+02:00": want,
		"2026-01-02 03:04:05.123456":       want,
		"2026-01-02T03:04:05":              want.Truncate(time.Second),
		"2026-01-02":                       want.Truncate(24 * time.Hour),
	} {
		got, ok := aureus.Timestamp(text).Time()
		require.True(t, ok, text)
		require.Equal(t, at, got, text)
	}
	for _, text := range []string{"", "t", "yesterday", "2026-13-01", "1767323045"} {
		_, ok := aureus.Timestamp(text).Time()
		require.False(t, ok, text)
	}
	require.Equal(t, aureus.Timestamp("2026-01-02T03:04:05.123456Z"), aureus.TimestampOf(want))
	require.Empty(t, aureus.TimestampOf(time.Time{}))
}

func TestTiers_EitherCase_IsRead(t *testing.T) {
	var action aureus.Action
	require.NoError(t, strictjson.Unmarshal([]byte(`{"id":"a","name":"A","risk_tier":"HIGH","required_permissions":[]}`), &action))
	require.Equal(t, aureus.TierHigh, action.RiskTier)
	var task aureus.TaskSpec
	require.NoError(t, strictjson.Unmarshal([]byte(`{"id":"a","name":"A","type":"action","risk_tier":"high"}`), &task))
	require.Equal(t, aureus.RiskTier("HIGH"), task.RiskTier)
	require.Error(t, strictjson.Unmarshal([]byte(`{"id":"a","name":"A","risk_tier":"severe","required_permissions":[]}`), &action))
}

// A request is the same after it was sent as a PolicyContext.
func TestRequest_ThroughTheWire_IsTheSame(t *testing.T) {
	request := aureus.Request{
		Principal:  aureus.Principal{ID: "p", Type: "agent", Permissions: []aureus.Permission{{Action: "a", Resource: "r", Conditions: map[string]any{"n": json.Number("1")}}}},
		OnBehalfOf: "boss",
		Action:     aureus.Action{ID: "a", Name: "A", RiskTier: aureus.TierHigh, RequiredPermissions: []aureus.Permission{}, Metadata: map[string]any{"k": nil}},
		Tool:       "t", Arguments: map[string]any{"big": json.Number("123456789012345678901234567890")},
		HTTP:     &aureus.HTTPCall{Method: "POST", Host: "h", Path: "/a%2Fb", Query: "q=1", Headers: map[string][]string{"X": {"1", "2"}}, Body: aureus.Body("\x00")},
		Volatile: []string{"/arguments/retry"}, ApprovalToken: "apr_x", WorkflowID: "w", TaskID: "k",
	}
	text, err := strictjson.Marshal(request.Context())
	require.NoError(t, err)
	var context aureus.PolicyContext
	require.NoError(t, strictjson.Unmarshal(text, &context))
	require.Equal(t, request, context.Request())
}

func TestPolicyContext_Request_MetadataFillsEmptyFields(t *testing.T) {
	metadata := map[string]any{"tool_name": "m-tool", "approval_token": "m-token", "workflowId": "m-w", "taskId": 7}
	request := aureus.PolicyContext{Action: aureus.Action{Metadata: metadata}, ApprovalToken: "own"}.Request()
	require.Equal(t, "m-tool", request.Tool)
	require.Equal(t, "own", request.ApprovalToken)
	require.Equal(t, "m-w", request.WorkflowID)
	require.Empty(t, request.TaskID, "only strings are read")
}

// Valid accepts exactly the words that Words lists.
func TestWords_Valid_AgreesWithTheList(t *testing.T) {
	for _, v := range []interface{ Words() []string }{
		aureus.Intent(""), aureus.DataZone(""), aureus.PolicyRiskTier(""), aureus.FailureTaxonomy(""),
	} {
		require.NotEmpty(t, v.Words())
		for _, word := range append(v.Words(), "", "no such word") {
			value := reflect.New(reflect.TypeOf(v)).Elem()
			value.SetString(word)
			valid, ok := reflect.TypeAssert[interface{ Valid() bool }](value)
			require.True(t, ok)
			require.Equal(t, word != "" && word != "no such word", valid.Valid(), "%T %q", v, word)
		}
	}
	for _, word := range aureus.FailureTaxonomy("").Words() {
		require.NotEmpty(t, aureus.FailureTaxonomy(word).Remediation())
	}
	require.Less(t, aureus.ZonePublic.Level(), aureus.ZoneRestricted.Level())
	require.Zero(t, aureus.DataZone("secret").Level())
}
