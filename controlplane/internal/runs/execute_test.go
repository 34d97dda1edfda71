package runs

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane/internal/governor"
	"github.com/farmountain/aureus-go/controlplane/internal/web"
)

// The memory of a large response is charged to the request. If there is not enough
// memory, the next identical request gets the result, and only that one.
func TestExecute_NoRoomForTheResult_NextRequestGetsIt(t *testing.T) {
	s := newService(t, map[string]Tool{"large": {RiskTier: aureus.TierLow, Run: func(context.Context, ToolCall) (any, error) {
		return strings.Repeat("x", 200<<10), nil
	}}})
	spec := aureus.WorkflowSpec{ID: "w", Name: "w", Tasks: []aureus.TaskSpec{{ID: "a", Name: "a", Type: "action", ToolName: "large"}}}
	first := runOnce(t, s, spec)
	answer := func(r *run, free int64) int { // free is how many bytes of memory the key has left
		owner, bytes := governor.Owner{Tenant: "default", Key: ownKeyID}, s.config.Governor.Bytes
		taken := bytes.Room(false) - governor.RequestBytes - free
		require.NoError(t, bytes.Take(owner, taken, false))
		defer bytes.Give(owner, taken)
		return serve(t, s, http.MethodPost, "/result", web.Route{Pattern: "POST /result", Role: web.Service, Handler: func(w http.ResponseWriter, request *http.Request, _ web.Caller) error {
			return s.writeResult(w, request, r, false, "", nil)
		}}).Code
	}
	require.Equal(t, http.StatusTooManyRequests, answer(first, 300<<10))

	again := runOnce(t, s, spec)
	require.Equal(t, first.stored.ID, again.stored.ID)
	require.Equal(t, first.state.Tasks["a"].Result, again.state.Tasks["a"].Result)
	require.Equal(t, http.StatusOK, answer(again, 500<<10))
	require.NotEqual(t, first.stored.ID, runOnce(t, s, spec).stored.ID, "the result was received, so that a new run starts")
}
