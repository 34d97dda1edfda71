package workflow

import (
	"slices"

	"github.com/farmountain/aureus-go/aureus"
)

// The status of a task, in the words of the original implementation.
// [TaskState.Word] returns those of the API.
const (
	TaskPending   = "pending"
	TaskRunning   = "running"
	TaskCompleted = "completed"
	TaskFailed    = "failed"
	TaskTimeout   = "timeout"
	TaskSkipped   = "skipped"
	TaskBlocked   = "blocked" // until a person approves
)

// TaskWaiting is the word of the API for a blocked task.
const TaskWaiting = "waiting"

// The status of a run. A run with one of the last four has ended. See
// docs/spec/workflows.md#states.
const (
	Running          = "running"
	AwaitingApproval = "awaiting_approval"
	Parked           = "parked" // its API key was revoked; it does not run until another key of its subject continues it
	Success          = "success"
	Failed           = "failed"
	Partial          = "partial"
	Cancelled        = "cancelled"
)

// Ended reports whether a run with that status has ended.
func Ended(status string) bool {
	return status != Running && status != AwaitingApproval && status != Parked
}

// State is the state of a run. It is stored, and contains all that a later
// process needs to continue the run.
type State struct {
	Status      string                `json:"status"`
	Tasks       map[string]*TaskState `json:"tasks,omitzero"`
	Current     string                `json:"current,omitzero"`
	Error       string                `json:"error,omitzero"`
	CancelAsked bool                  `json:"cancel_asked,omitzero"`
	CompletedAt int64                 `json:"completed_at,omitzero"` // Unix nanoseconds
	ByItself    bool                  `json:"by_itself,omitzero"`    // it continued without a request, and no request has received its end
}

// TaskState is the state of a task.
type TaskState struct {
	Status      string                  `json:"status"`
	Attempt     int                     `json:"attempt,omitzero"`  // the number of the running or the last attempt
	Made        int                     `json:"made,omitzero"`     // failed attempts, while another one is due
	Failure     string                  `json:"failure,omitzero"`  // the status that the task would have without another attempt
	RetryAt     int64                   `json:"retry_at,omitzero"` // Unix nanoseconds: the earliest start of the next attempt
	Result      any                     `json:"result,omitzero"`
	Error       string                  `json:"error,omitzero"`
	DurationMS  float64                 `json:"duration_ms,omitzero"`
	Compensated bool                    `json:"compensated,omitzero"`
	Reused      bool                    `json:"reused,omitzero"`   // the result is from an earlier run with the same idempotency key
	Approval    *aureus.PendingApproval `json:"approval,omitzero"` // the approval that it waits for
}

// NewState returns the state of a run that has not started.
func NewState() *State { return &State{Status: Running, Tasks: map[string]*TaskState{}} }

// Resume prepares a state that waited for an approval or was parked for another
// [Run]. Ended tasks stay ended; tasks that were blocked, and those skipped
// because of them, are decided again. Failed attempts still count.
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

// Park stops the run until another key continues it. A running task is
// interrupted, and its attempt is repeated later. A task that waited for an
// approval requests one again later.
func (s *State) Park(reason string) {
	for _, task := range s.Tasks {
		switch {
		case task.Status == TaskRunning:
			task.Status = TaskPending
		case task.blocked():
			task.Status, task.Approval, task.Error = TaskPending, nil, ""
		}
	}
	s.Status, s.Error, s.Current = Parked, reason, ""
}

// Waits returns the ids of the approvals that a waiting run waits for, by task.
// For other runs it is empty, not nil.
func (s *State) Waits() map[string]string {
	waits := map[string]string{}
	for id, task := range s.Tasks {
		if s.Status == AwaitingApproval && task.blocked() && task.Approval != nil {
			waits[id] = task.Approval.ApprovalToken
		}
	}
	return waits
}

// UnderWay reports whether the task has started and not ended.
func (s *State) UnderWay(id string) bool { return s.Tasks[id] != nil && !s.Tasks[id].ended() }

// Word returns the word of the API for the status of the task.
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

func (t *TaskState) ended() bool {
	return t != nil && t.Status != TaskPending && t.Status != TaskRunning
}

func (t *TaskState) failed() bool {
	return t != nil && (t.Status == TaskFailed || t.Status == TaskTimeout)
}

func (t *TaskState) skipped() bool { return t != nil && t.Status == TaskSkipped }

func (t *TaskState) blocked() bool { return t != nil && t.Status == TaskBlocked }

func (t *TaskState) completed() bool { return t != nil && t.Status == TaskCompleted }

// Progress returns the fraction of tasks that have ended, from 0 to 1. Tasks
// that only a hook starts do not count.
func (s *State) Progress(spec *aureus.WorkflowSpec) float64 {
	sorted := executionOrder(spec)
	if len(sorted) == 0 {
		return 1
	}
	ended, waiting := 0, map[string]bool{} // tasks that wait, and tasks that are skipped because of them
	for _, task := range sorted {
		state := s.Tasks[task.ID]
		waiting[task.ID] = state.blocked() || state.skipped() &&
			slices.ContainsFunc(spec.Dependencies[task.ID], func(id string) bool { return waiting[id] })
		if state.ended() && !waiting[task.ID] {
			ended++
		}
	}
	return float64(ended) / float64(len(sorted))
}
