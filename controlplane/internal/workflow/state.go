package workflow

import (
	"slices"

	"github.com/farmountain/aureus-go/aureus"
)

// The words for a task while it is interpreted. They are the original's;
// [TaskState.Word] gives those of the wire (SPEC 6.4).
const (
	TaskPending   = "pending"
	TaskRunning   = "running"
	TaskCompleted = "completed"
	TaskFailed    = "failed"
	TaskTimeout   = "timeout"
	TaskSkipped   = "skipped"
	TaskBlocked   = "blocked" // until a person approves
)

// The words for a run. Those from Success on are ends.
const (
	Running          = "running"
	AwaitingApproval = "awaiting_approval"
	Success          = "success"
	Failed           = "failed"
	Partial          = "partial"
	Cancelled        = "cancelled"
)

// Ended reports whether a run with that word is over for good.
func Ended(status string) bool { return status != Running && status != AwaitingApproval }

// State is how far a run is. It is what is kept, and all that a later process
// needs to go on.
type State struct {
	Status      string                `json:"status"`
	Tasks       map[string]*TaskState `json:"tasks,omitzero"`
	Current     string                `json:"current,omitzero"`
	Error       string                `json:"error,omitzero"`
	CancelAsked bool                  `json:"cancel_asked,omitzero"`
	CompletedAt int64                 `json:"completed_at,omitzero"` // Unix nanoseconds
}

// TaskState is how far a task is.
type TaskState struct {
	Status      string                  `json:"status"`
	Attempt     int                     `json:"attempt,omitzero"`
	Result      any                     `json:"result,omitzero"`
	Error       string                  `json:"error,omitzero"`
	DurationMS  float64                 `json:"duration_ms,omitzero"`
	Compensated bool                    `json:"compensated,omitzero"`
	Reused      bool                    `json:"reused,omitzero"`   // it was done before, under the same idempotency key
	Approval    *aureus.PendingApproval `json:"approval,omitzero"` // what it waits for
}

// NewState is the state of a run that has not begun.
func NewState() *State { return &State{Status: Running, Tasks: map[string]*TaskState{}} }

// Resume makes a state that waited for an approval ready to go on: what is over
// stays as it is, and what was blocked, or skipped for that, is looked at anew.
func (s *State) Resume() {
	for id, task := range s.Tasks {
		if task.Status != TaskCompleted && !task.failed() {
			delete(s.Tasks, id)
		}
	}
	s.Status, s.Error, s.Current, s.CancelAsked = Running, "", "", false
}

// UnderWay reports whether the task has begun and not ended.
func (s *State) UnderWay(id string) bool { return s.Tasks[id] != nil && !s.Tasks[id].over() }

// Word is the wire's word for the task.
func (t *TaskState) Word() string {
	switch t.Status {
	case TaskCompleted:
		return "success"
	case TaskFailed, TaskTimeout:
		return "failed"
	case TaskSkipped, TaskBlocked:
		return "skipped"
	}
	return t.Status
}

func (t *TaskState) over() bool {
	return t != nil && t.Status != TaskPending && t.Status != TaskRunning
}

func (t *TaskState) failed() bool {
	return t != nil && (t.Status == TaskFailed || t.Status == TaskTimeout)
}

func (t *TaskState) skipped() bool { return t != nil && t.Status == TaskSkipped }

func (t *TaskState) blocked() bool { return t != nil && t.Status == TaskBlocked }

func (t *TaskState) completed() bool { return t != nil && t.Status == TaskCompleted }

// Progress is the part of the spec's tasks that is over for good, from 0 to 1;
// tasks that only a hook starts do not count.
func (s *State) Progress(spec *aureus.WorkflowSpec) float64 {
	sorted := order(spec)
	if len(sorted) == 0 {
		return 1
	}
	over, waiting := 0, map[string]bool{} // what waits, and what is skipped for that
	for _, task := range sorted {
		state := s.Tasks[task.ID]
		waiting[task.ID] = state.blocked() || state.skipped() &&
			slices.ContainsFunc(spec.Dependencies[task.ID], func(id string) bool { return waiting[id] })
		if state.over() && !waiting[task.ID] {
			over++
		}
	}
	return float64(over) / float64(len(sorted))
}
