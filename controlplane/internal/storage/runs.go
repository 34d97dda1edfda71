package storage

import (
	"fmt"
	"time"
)

// The bounds of what is kept of ended runs.
const (
	KeptRuns         = 100     // of one subject's workflow, those that have not ended counted too
	KeptRunsOfTenant = 10_000  // of all workflows of a tenant
	KeptRunBytes     = 1 << 30 // that the requests, states and tasks of a tenant's take
)

// The limits of the results of tasks with an idempotency key. Together they keep
// those of one subject below 1 GiB, since a result is at most 1 MiB.
const (
	TaskResultLife       = 7 * 24 * time.Hour // how long one is known
	KeptTaskResults      = 10_000             // of one subject
	KeptLargeTaskResults = 256                // of one subject, those larger than LargeTaskResult
	LargeTaskResult      = 64 << 10           // bytes of JSON
)

// Run is a run of a workflow. Caller, Request, State and the values of Tasks,
// whose keys are the ids of the tasks, are JSON texts of the server's.
//
// A run belongs to the tenant, the subject and the workflow's id together: two
// subjects may use one id.
type Run struct {
	ID         string
	Tenant     string
	Subject    string // who started it
	KeyID      string // the API key that it runs with
	WorkflowID string
	Ended      bool
	Caller     string
	Request    string
	State      string
	Tasks      map[string]string
	StartedAt  time.Time
}

// RunRef names a run and the API key that it runs with.
type RunRef struct{ Tenant, ID, KeyID string }

// RunQuota bounds the runs that have not ended: those under way, those that wait
// for a person, and those that are parked. A subject counts its own only, so that
// none can fill another's; beyond the tenant's bound, every subject has room for
// Beyond.
type RunQuota struct {
	Subject int64 // runs of one subject
	Bytes   int64 // bytes of the requests of one subject's runs
	Tenant  int64 // runs in a tenant
	Beyond  int64 // runs of one subject where the tenant has Tenant
}

// OpenRuns is how many runs have not ended.
type OpenRuns struct {
	Tenant  int64 // in the tenant
	Subject int64 // of the subject
	Bytes   int64 // that the requests of the subject's take
}

// Room is nil where the subject may have one more run whose request takes so many
// bytes, and otherwise an error that matches ErrTooManyRuns and names the bound.
func (q RunQuota) Room(open OpenRuns, size int) error {
	switch {
	case open.Subject >= q.Subject:
		return fmt.Errorf("%w: this service has %d already", ErrTooManyRuns, open.Subject)
	case open.Bytes+int64(size) > q.Bytes:
		return fmt.Errorf("%w: the requests of this service's take %d bytes already, and %d are their bound", ErrTooManyRuns, open.Bytes, q.Bytes)
	case open.Tenant >= q.Tenant && open.Subject >= q.Beyond:
		return fmt.Errorf("%w: the tenant has %d already", ErrTooManyRuns, open.Tenant)
	}
	return nil
}

// TaskAdmission is the approval that a task of a run has asked for.
type TaskAdmission struct {
	ApprovalID string
	Attempt    int // the last attempt that was begun with it; 0 before the first
}

// TaskKey is an idempotency key of a task, and whose it is.
type TaskKey struct{ Tenant, Subject, Principal, Key string }

// TaskResult is what a task with an idempotency key came to.
type TaskResult struct {
	TaskKey

	Content     []byte // digest of what was done
	Result      string // JSON
	RunID       string
	TaskID      string
	CommittedAt time.Time
}

// Runs are the runs of workflows, the approvals that they wait for, and the
// results of their tasks.
type Runs interface {
	// CountOpen counts the runs that have not ended, see [RunQuota.Room].
	CountOpen(tenant, subject string) (OpenRuns, error)
	// Add stores a new run, without tasks. Then it deletes ended runs with their
	// tasks: those of the same subject's workflow that are not among its latest
	// [KeptRuns], and, while the tenant has more ended runs than [KeptRunsOfTenant]
	// or they take more than [KeptRunBytes], the oldest one of the subject that has
	// most of what is exceeded. The latest run is the one that was added last.
	Add(r Run) error
	// Save stores how far a run is. tasks are the states of the tasks that have
	// changed; an empty text deletes one. Where the run ends, its admissions are
	// deleted, and so are other ended runs beyond the bounds of the tenant, as in
	// Add. ErrNotFound: there is no such run.
	Save(tenant, id, state string, ended bool, tasks map[string]string) error
	// Take lets a run that has not ended go on with another key of the subject that
	// started it. caller is as in [Run]. ErrNotFound: there is no such run.
	Take(tenant, id, keyID, caller string) error
	// Get is the run, or ErrNotFound.
	Get(tenant, id string) (Run, error)
	// Latest is the latest run of a workflow, whoever started it, or ErrNotFound.
	Latest(tenant, workflow string) (Run, error)
	// LatestOf is the latest run of a workflow that the subject started, or
	// ErrNotFound.
	LatestOf(tenant, workflow, subject string) (Run, error)
	// ListOpen gives the runs of every tenant that have not ended, oldest first.
	ListOpen() ([]Run, error)

	// SetWaits stores the approvals that a run waits for, by task, and forgets those
	// that it waited for before.
	SetWaits(tenant, id string, approvals map[string]string) error
	// ToWake gives, in random order, at most limit of the runs that SetWaits stored
	// approvals for, that have not ended, and that can go on: at least one of those
	// approvals is not pending at that time, or is gone, or the key of the run has
	// been revoked. A run is given once. next is the earliest end of those approvals
	// that are pending at that time, and zero where there is none.
	ToWake(now time.Time, limit int) (list []RunRef, next time.Time, err error)

	// Admission is the approval that the task of the run has asked for, or
	// ErrNotFound.
	Admission(tenant, runID, taskID string) (TaskAdmission, error)
	// SetAdmission stores the approval that a task of a run has asked for, or has
	// begun an attempt with.
	SetAdmission(tenant, runID, taskID string, a TaskAdmission) error
	// ForgetAdmissions deletes the admissions of a run: each of its tasks asks anew.
	ForgetAdmissions(tenant, runID string) error

	// Result is what was done under the key, or ErrNotFound, also where that is
	// longer ago than [TaskResultLife].
	Result(key TaskKey, now time.Time) (TaskResult, error)
	// AddResult stores the result of a task in the place of the one that the key has,
	// and deletes results of every tenant that are [TaskResultLife] older than this
	// one, or more. Of the subject's results it keeps the [KeptTaskResults] that were
	// stored last, and of the large ones the last [KeptLargeTaskResults].
	AddResult(r TaskResult) error
	// ForgetResult deletes what a task of a run came to, since it was undone.
	ForgetResult(runID, taskID string) error
}
