package controlplane_test

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// A gate whose commit names its workflow and task reports one crv_result event, with
// the gate's name and result and without the data.
func TestGate_CommitOfATask_ReportsOneEvent(t *testing.T) {
	t.Parallel()
	s := newSite(t, open(t))
	judge := func(gate, data, metadata string) {
		s.post(t, "/api/v1/crv/validate", `{"commit":{"id":"c","data":`+data+`,"previous_state":null,"metadata":`+metadata+`},
			"gate_config":{"name":"`+gate+`","validators":["not_null","balance_positive"],"block_on_failure":true,"required_confidence":null,"recovery_strategy":null}}`).ok(t)
	}
	for _, metadata := range []string{"null", "{}", `{"workflowId":"w"}`, `{"workflowId":"w","taskId":null}`, `{"workflowId":"w","taskId":7}`, `{"workflow_id":"w","task_id":"t"}`} {
		judge("nameless", "null", metadata)
	}
	require.Empty(t, s.get(t, "/api/v1/observability/events").ok(t).list(t), "without both ids there is no event")

	judge("bad", `{"balance":-1,"note":"private"}`, `{"workflowId":"w","taskId":"t","more":1}`)
	judge("good", `{"balance":1}`, `{"workflowId":"w","taskId":"t"}`)
	told := s.get(t, "/api/v1/observability/events?type=crv_result&workflow_id=w&task_id=t").ok(t)
	require.NotContains(t, told.body, "private")
	events := told.list(t)
	require.Len(t, events, 2)
	require.Equal(t, map[string]any{"gateName": "bad", "passed": false, "blocked": true, "failureCode": "OUT_OF_SCOPE"}, object(events[0])["data"])
	require.Equal(t, map[string]any{"gateName": "good", "passed": true, "blocked": false}, object(events[1])["data"])
}
