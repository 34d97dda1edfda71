// Package examples_test runs the small examples and compares their output with the
// expected one.
package examples_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

var outputs = map[string]string{
	"guard-handler": "\"agent-7\": 200 OK\n\"agent-8\": 403 Forbidden\n\"\": 401 Unauthorized\n",
	"policy-file": "ROUTE              ACTION       TIER  WHO MAY    ARGUMENTS\n" +
		"GET /healthz       health       OPEN  EVERYBODY  no decision, no record\n" +
		"GET /reports/{id}  report.read  low   reader     path\n" +
		"2 routes, 1 OPEN, 0 NOT BOUND\n\n" +
		"/reports/q3 by \"agent-7\": 200 OK\n/reports/q4 by \"agent-7\": 200 OK\n/reports/q5 by \"agent-7\": 429 Too Many Requests\n" +
		"/reports/q3 by \"agent-8\": 403 Forbidden\n/reports/q3 by \"\": 401 Unauthorized\n/healthz by \"\": 200 OK\n",
	"gate-function": "set to 450\nblocked: OUT_OF_SCOPE - Check the allowed range or scope of the operation and bring the value inside it.\nstill 450\n",
	"export-traces": "order false\npay true\n",
	"gate-transaction": "a transfer of 30: committed\n  acme 70, zeta 30\n" +
		"a transfer of 500: rolled back, OUT_OF_SCOPE\n  acme 70, zeta 30\n" +
		"a transfer to an unknown account: rolled back, CONFLICT\n  acme 70, zeta 30\n",
	"workflow-approval": "  reserve the goods of A-17\n" +
		"started: partial the task \"pay\" waits for an approval\n  reserve: success\n  pay: waiting\n  ship: skipped\n" +
		"olga approves pay\n" +
		"  take the money for A-17\n  ship, attempt 1\n  ship, attempt 2\n" +
		"  give the money back for A-17\n  release the goods of A-17\n" +
		"ended: failed the task \"ship\" failed: the carrier takes no parcels today\n" +
		"  reserve: success, undone\n  pay: success, undone\n  ship: failed\n",
	"approval-chat": "the agent: require_approval\nin the chat: agent-1 asks for refund (high)\n" +
		"approving without a session: 403 Forbidden\nthe page shows a pending refund: true\n" +
		"approving with olga's session: 200 OK\nin the chat: approve by olga: refund\n",
	"embed-controlplane": "not yet: require_approval\napproved, first time: <nil>\napproved, second time: true\n",
}

func TestExamples_Output_IsAsDocumented(t *testing.T) {
	folders, err := filepath.Glob("*/main.go")
	require.NoError(t, err)
	require.Len(t, folders, len(outputs)+1, "every example except quickstart, which has its own test, must have an expected output here")
	for name, want := range outputs {
		t.Run(name, func(t *testing.T) {
			command := exec.CommandContext(t.Context(), "go", "run", "./"+name)
			command.Stderr = os.Stderr
			got, err := command.Output()
			require.NoError(t, err)
			require.Equal(t, want, string(got))
		})
	}
}
