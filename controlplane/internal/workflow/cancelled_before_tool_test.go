package workflow

import (
	"context"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
)

type cancelsWhileAdmitting struct {
	*scripted

	cancel context.CancelCauseFunc
	began  chan struct{}
}

func (h cancelsWhileAdmitting) Admit(context.Context, Call) (Admission, error) {
	h.cancel(ErrCancelled)
	return Admission{Allowed: true}, nil
}

func (h cancelsWhileAdmitting) Execute(context.Context, Call) (any, error) {
	h.began <- struct{}{}
	return nil, nil
}

// A run that is cancelled before its task has begun does not begin it: neither
// in its place nor left behind, while what came before is being undone.
func TestNoTaskBeginsAfterACancellation(t *testing.T) {
	for range 100 {
		ctx, cancel := context.WithCancelCause(t.Context())
		host := cancelsWhileAdmitting{hostFor(nil), cancel, make(chan struct{}, 1)}
		state := NewState()
		require.NoError(t, Run(ctx, t.Context(), &aureus.WorkflowSpec{ID: "w", Tasks: []aureus.TaskSpec{{ID: "a"}}}, state, host))
		for range 100 {
			runtime.Gosched()
		}
		require.Empty(t, host.began, "the tool began, and the run is %s", state.Status)
	}
}
