package controlplane

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane/internal/approvals"
	"github.com/farmountain/aureus-go/controlplane/internal/crv"
	"github.com/farmountain/aureus-go/controlplane/internal/policy"
	"github.com/farmountain/aureus-go/internal/jsonscan"
	"github.com/farmountain/aureus-go/internal/strictjson"
	"github.com/farmountain/aureus-go/internal/wire"
)

const (
	plainValidation = `{"commit":{"id":"c","data":{"balance":12.50},"previous_state":null,"metadata":{"workflowId":"w"}},
		"gate_config":{"name":"g","validators":["not_null"],"block_on_failure":true,"required_confidence":0.5},"x":1}`
	plainCheck = `{"principal":{"id":"p","type":"agent","permissions":[{"action":"a","resource":"r","intent":"read"}]},
		"action":{"id":"a","name":"A","risk_tier":"HIGH","required_permissions":[]},"tool_name":"t"}`
)

// agree compares jsonscan with strictjson: both must accept the same texts with the
// same values.
func agree[T any](t *testing.T, body []byte) {
	t.Helper()
	var quick, general, none T
	taken := jsonscan.Scan(body, &quick)
	err := strictjson.Unmarshal(body, &general)
	require.Equal(t, err == nil, taken, "%s: %v", body, err)
	if !taken {
		general = none // a refused value may be decoded in part
	}
	require.Equal(t, general, quick)
}

// forms returns valid and invalid variants of the body.
func forms(body string) []string {
	return []string{
		body, " " + body + "\n", body + "x", "[" + body + "]", "null", "{}", "", body[:len(body)/2],
		strings.Replace(body, "{", `{"ключ":[{"a":null}],`, 1), strings.Replace(body, "{", `{"ключ":{"a":1,"a":2},`, 1),
		strings.Replace(body, "{", `{"ACTION":1,"Commit":2,`, 1), strings.Replace(body, "{", `{"commit":{},"action":{},`, 1),
		strings.Replace(body, `"id"`, `"\u0069d"`, 1), strings.Replace(body, `"id"`, `"ID"`, 1), strings.ReplaceAll(body, `"id"`, `"jd"`),
		strings.ReplaceAll(body, "HIGH", "high"), strings.ReplaceAll(body, "HIGH", "severe"), strings.ReplaceAll(body, `"read"`, `null`),
		strings.ReplaceAll(body, "0.5}", "1.5}"), strings.ReplaceAll(body, "true", "null"), strings.ReplaceAll(body, `"t"`, "null"),
		strings.ReplaceAll(body, `{"balance":12.50}`, "null"), strings.ReplaceAll(body, `{"balance":12.50}`, "1e400"),
	}
}

// vectors returns the inputs of the conformance vectors in a file, as request bodies.
func vectors(tb testing.TB, path string, form func(input map[string]json.RawMessage) any) (bodies [][]byte) {
	tb.Helper()
	text, err := os.ReadFile(path)
	require.NoError(tb, err)
	var file struct {
		Vectors []struct {
			Input map[string]json.RawMessage `json:"input"`
		} `json:"vectors"`
	}
	require.NoError(tb, json.Unmarshal(text, &file))
	for _, v := range file.Vectors {
		body, err := json.Marshal(form(v.Input))
		require.NoError(tb, err)
		bodies = append(bodies, body)
	}
	require.NotEmpty(tb, bodies)
	return bodies
}

func checkBodies(tb testing.TB) [][]byte {
	tb.Helper()
	bodies := vectors(tb, "testdata/policy.json", func(input map[string]json.RawMessage) any { return input })
	for _, body := range forms(plainCheck) {
		bodies = append(bodies, []byte(body))
	}
	return bodies
}

func validationBodies(tb testing.TB) [][]byte {
	tb.Helper()
	gate := aureus.GateConfig{Name: "g", Validators: []string{"v"}}
	bodies := vectors(tb, "testdata/crv.json", func(input map[string]json.RawMessage) any {
		return map[string]any{"commit": input["commit"], "gate_config": gate}
	})
	for _, body := range forms(plainValidation) {
		bodies = append(bodies, []byte(body))
	}
	return bodies
}

type runRequest = wire.RunRequest[aureus.WorkflowSpec]

func TestScan_RequestBodies_AcceptsWhatStrictjsonAccepts(t *testing.T) {
	t.Parallel()
	for _, body := range checkBodies(t) {
		agree[policy.CheckRequest](t, body)
	}
	for _, body := range validationBodies(t) {
		agree[crv.ValidateRequest](t, body)
	}
	for _, body := range checkBodies(t) {
		agree[approvals.Request](t, []byte(strings.Replace(string(body), "{", `{"reason":"r",`, 1)))
	}
	for _, body := range forms(`{"workflow":{"id":"w","name":"W","tasks":[{"id":"t","name":"T","type":"action","risk_tier":"HIGH","retry":{"max_attempts":1,"backoff_ms":1}}],"dependencies":{"t":[]}}}`) {
		agree[runRequest](t, []byte(body))
		agree[runRequest](t, []byte(strings.Replace(body, `"max_attempts":1`, `"max_attempts":0`, 1)))
	}
}

func FuzzDecodeCheckRequest(f *testing.F) { fuzzAgreement[policy.CheckRequest](f, checkBodies(f)) }

func FuzzDecodeValidateRequest(f *testing.F) {
	fuzzAgreement[crv.ValidateRequest](f, validationBodies(f))
}

func fuzzAgreement[T any](f *testing.F, bodies [][]byte) {
	f.Helper()
	for _, body := range bodies {
		f.Add(body)
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		if len(body) < strictjson.MaxValues { // only strictjson reads longer ones
			agree[T](t, body)
		}
	})
}

// Bodies of requests are read in one pass, without strictjson.
func TestScan_RequestBodies_AreReadInOnePass(t *testing.T) {
	t.Parallel()
	for text, v := range map[string]any{
		plainValidation: new(crv.ValidateRequest),
		plainCheck:      new(policy.CheckRequest),
		`{"current_state":"idle","audit_log":[],` + plainCheck[1:]:                           new(aureus.PolicyContext),
		`{"decision_id":"","principal":"p","action":"a","effect":"allow","reason_code":"r"}`: new(aureus.DecisionRecord),
		`{"decision_id":"","status":"success","duration_ms":1}`:                              new(aureus.Outcome),
		`{"action_digest":"","comment":"c"}`:                                                 new(wire.ApprovalVerdict[aureus.Digest]),
		`{"reason":"r",` + plainCheck[1:]:                                                    new(approvals.Request),
		`{"workflow":{"id":"w","name":"W","tasks":[{"id":"t","name":"T","type":"action","retry":{"max_attempts":1,"backoff_ms":1}}],"dependencies":{"t":[]}}}`: new(runRequest),
	} {
		require.True(t, jsonscan.Scan([]byte(text), v), "%T", v)
	}
}
