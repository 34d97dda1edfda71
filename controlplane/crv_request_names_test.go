package controlplane_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
)

// A threshold or a previous state under a misspelt name would have no effect, and
// the commit would pass: the request is refused.
func TestValidateCommit_MisspeltName_IsRefused(t *testing.T) {
	t.Parallel()
	s := newSite(t, open(t))
	ask := func(commit, gate string) string {
		return `{"commit":{"id":"c","data":{"version":1}` + commit + `},"gate_config":{"name":"g","validators":["monotonic"],"block_on_failure":true` + gate + `}}`
	}
	for pointer, body := range map[string]string{
		"/gate_config/required_confidnce": ask("", `,"required_confidnce":0.95`),
		"/gate_config/requiredConfidence": ask("", `,"requiredConfidence":0.95`),
		"/gate_config/threshold":          ask("", `,"threshold":0.95`),
		"/gate_config/recoveryStrategy":   ask("", `,"recoveryStrategy":{}`),
		"/commit/previousState":           ask(`,"previousState":{"version":2}`, ""),
	} {
		refusal := s.post(t, "/api/v1/crv/validate", body).refusal(t, http.StatusUnprocessableEntity, "VALIDATION_ERROR")
		details, _ := refusal["details"].([]any)
		require.Len(t, details, 1, pointer)
		require.Equal(t, pointer, details[0].(map[string]any)["pointer"])
	}
	for reason, row := range map[string]struct {
		body   string
		passes bool
	}{
		"all declared names":              {ask(`,"previous_state":{"version":0},"metadata":null`, `,"required_confidence":0.9,"recovery_strategy":null`), true},
		"the threshold is read":           {ask(`,"previous_state":{"version":0}`, `,"required_confidence":0.95`), false},
		"the previous state is read":      {ask(`,"previous_state":{"version":2}`, ""), false},
		"null means absent":               {ask(`,"previous_state":null`, `,"required_confidence":0.95`), true},
		"a version of 0":                  {`{"commit":{"id":"c","data":{"version":0},"previous_state":{"version":2}},"gate_config":{"name":"g","validators":["monotonic"],"block_on_failure":true}}`, false},
		"an unknown member of the commit": {ask(`,"comment":"x"`, ""), true},
	} {
		require.Equal(t, row.passes, s.post(t, "/api/v1/crv/validate", row.body).ok(t).json(t)["passed"], reason)
	}
}

// Numbers in the previous state reach a validator with the digits that were sent.
func TestValidateCommit_PreviousState_ExactNumbers(t *testing.T) {
	t.Parallel()
	s := newSite(t, open(t))
	s.post(t, "/api/v1/crv/validators", `{"validator_id":"same","config":{"type":"cel","parameters":{"expression":"previous != null && previous.n == 9007199254740993 && string(previous.n) == '9007199254740993' && data == previous"}}}`).ok(t)
	ask := func(data, previous string) bool {
		passed, _ := s.post(t, "/api/v1/crv/validate", `{"commit":{"id":"c","data":`+data+`,"previous_state":`+previous+`},"gate_config":{"name":"g","validators":["same"],"block_on_failure":true}}`).ok(t).json(t)["passed"].(bool)
		return passed
	}
	require.True(t, ask(`{"n":9007199254740993,"w":123456789012345678901234567890}`, `{"n":9007199254740993.0,"w":123456789012345678901234567890}`))
	require.False(t, ask(`{"n":9007199254740993,"w":123456789012345678901234567890}`, `{"n":9007199254740993,"w":123456789012345678901234567891}`))
	require.False(t, ask(`{"n":9007199254740992}`, `{"n":9007199254740993}`))
	require.False(t, ask(`{"n":9007199254740993}`, `null`))
}
