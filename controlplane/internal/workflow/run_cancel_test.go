package workflow

import (
	"context"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
)

type cancellingHost struct {
	*scriptedHost

	cancel  context.CancelCauseFunc
	started chan struct{}
}

func (h cancellingHost) Admit(context.Context, Call) (Admission, error) {
	h.cancel(ErrCancelled)
	return Admission{Allowed: true}, nil
}

func (h cancellingHost) Execute(context.Context, Call) (any, error) {
	h.started <- struct{}{}
	return nil, nil
}

// A task of a run that is cancelled before the task has started is never
// started, not even in the background.
func TestRun_CancelledDuringAdmission_StartsNoTask(t *testing.T) {
	t.Parallel()
	for range 100 {
		ctx, cancel := context.WithCancelCause(t.Context())
		host := cancellingHost{hostFor(nil), cancel, make(chan struct{}, 1)}
		state := NewState()
		require.NoError(t, Run(ctx, t.Context(), &aureus.WorkflowSpec{ID: "w", Tasks: []aureus.TaskSpec{{ID: "a"}}}, state, host))
		for range 100 {
			runtime.Gosched()
		}
		require.Empty(t, host.started, "the tool was started, and the run is %s", state.Status)
	}
}
