package workflow

import (
	"slices"

	"github.com/farmountain/aureus-go/aureus"
)

// The words for a task while it is interpreted. They are the original's;
// [TaskState.Word] gives those of the API.
const (
	TaskPending   = "pending"
	TaskRunning   = "running"
	TaskCompleted = "completed"
	TaskFailed    = "failed"
	TaskTimeout   = "timeout"
	TaskSkipped   = "skipped"
	TaskBlocked   = "blocked" // until a person approves
)

// TaskWaiting is the wire's word for a task that is blocked.
const TaskWaiting = "waiting"

// The words for a run. Those from Success on are ends. See
// docs/spec/workflows.md#states.
const (
	Running          = "running"
	AwaitingApproval = "awaiting_approval"
	Parked           = "parked" // its API key was revoked: nothing of it runs until somebody else takes it up
	Success          = "success"
	Failed           = "failed"
	Partial          = "partial"
	Cancelled        = "cancelled"
)

// Ended reports whether a run with that word is over for good.
func Ended(status string) bool {
	return status != Running && status != AwaitingApproval && status != Parked
}

// State is how far a run is. It is what is kept, and all that a later process
// needs to go on.
type State struct {
	Status      string                `json:"status"`
	Tasks       map[string]*TaskState `json:"tasks,omitzero"`
	Current     string                `json:"current,omitzero"`
	Error       string                `json:"error,omitzero"`
	CancelAsked bool                  `json:"cancel_asked,omitzero"`
	CompletedAt int64                 `json:"completed_at,omitzero"` // Unix nanoseconds
	ByItself    bool                  `json:"by_itself,omitzero"`    // it went on without a call, and no call has been told its end
}

// TaskState is how far a task is.
type TaskState struct {
	Status      string                  `json:"status"`
	Attempt     int                     `json:"attempt,omitzero"`  // the one under way, or the last one
	Made        int                     `json:"made,omitzero"`     // attempts that have failed, where another one is due
	Failure     string                  `json:"failure,omitzero"`  // the word for the task if there were no other attempt
	RetryAt     int64                   `json:"retry_at,omitzero"` // Unix nanoseconds: the next attempt begins no earlier
	Result      any                     `json:"result,omitzero"`
	Error       string                  `json:"error,omitzero"`
	DurationMS  float64                 `json:"duration_ms,omitzero"`
	Compensated bool                    `json:"compensated,omitzero"`
	Reused      bool                    `json:"reused,omitzero"`   // it was done before, under the same idempotency key
	Approval    *aureus.PendingApproval `json:"approval,omitzero"` // what it waits for
}

// NewState is the state of a run that has not begun.
func NewState() *State { return &State{Status: Running, Tasks: map[string]*TaskState{}} }

// Resume makes a state that waited for an approval, or was parked, ready to go
// on: what is over stays as it is, and what was blocked, or skipped for that, is
// looked at anew. Attempts that were made stay made.
func (s *State) Resume() {
	for id, task := range s.Tasks {
		switch {
		case task.completed(), task.failed():
		case task.Made > 0:
			task.Status, task.Attempt, task.Approval = TaskPending, task.Made, nil
		default:
			delete(s.Tasks, id)
		}
	}
	s.Status, s.Error, s.Current = Running, "", ""
}

// Park makes the state one that nothing goes on from until somebody takes the run
// up again. A task under way is interrupted: its attempt will be made again. One
// that waited for an approval will ask anew.
func (s *State) Park(why string) {
	for _, task := range s.Tasks {
		switch {
		case task.Status == TaskRunning:
			task.Status = TaskPending
		case task.blocked():
			task.Status, task.Approval, task.Error = TaskPending, nil, ""
		}
	}
	s.Status, s.Error, s.Current = Parked, why, ""
}

// Waits are the approvals that a waiting run waits for, by task. It is empty, and
// not nil, for every other run.
func (s *State) Waits() map[string]string {
	waits := map[string]string{}
	for id, task := range s.Tasks {
		if s.Status == AwaitingApproval && task.blocked() && task.Approval != nil {
			waits[id] = task.Approval.ApprovalToken
		}
	}
	return waits
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
	case TaskSkipped:
		return "skipped"
	case TaskBlocked:
		return TaskWaiting
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
