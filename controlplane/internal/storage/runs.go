package storage

import (
	"fmt"
	"time"
)

// The limits of ended runs that are kept.
const (
	KeptRuns         = 100     // for one workflow of one subject, including runs that have not ended
	KeptRunsOfTenant = 10_000  // for one tenant
	KeptRunBytes     = 1 << 30 // bytes of the requests, states and tasks of one tenant
)

// The limits of the results of tasks with an idempotency key. A result has at most
// 1 MiB, so these limits keep the results of one subject below 1 GiB.
const (
	TaskResultLife       = 7 * 24 * time.Hour // how long a result is used
	KeptTaskResults      = 10_000             // for one subject
	KeptLargeTaskResults = 256                // for one subject, results larger than LargeTaskResult
	LargeTaskResult      = 64 << 10           // bytes of JSON
)

// Run is a run of a workflow. Caller, Request, State and the values of Tasks, by
// task id, are JSON texts that only package runs reads.
//
// Workflow ids are unique only within a tenant and a subject: two subjects may use
// the same id for different workflows.
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

// RunHead is what a list shows of a run.
type RunHead struct {
	Seq        int64 // increases with each run that is added; set by the database
	ID         string
	Subject    string
	KeyID      string
	WorkflowID string
	Ended      bool
	State      string // JSON, without the tasks
	Tasks      int    // that have a state
	StartedAt  time.Time
}

// RunFilter selects runs. A zero field does not filter.
type RunFilter struct {
	Workflow string // the id of the workflow
	Subject  string
	Open     bool  // only runs that have not ended
	Before   int64 // only runs with a lower Seq
	Limit    int   // at most so many; 0 selects none
}

// RunRef names a run and the API key that it runs with.
type RunRef struct{ Tenant, ID, KeyID string }

// RunQuota limits the runs that have not ended: those under way, those that wait for
// an approval, and those that are parked. Each subject has limits of its own, so that
// one subject cannot use up those of another. If the limit of the tenant is reached,
// each subject may still have Beyond runs.
type RunQuota struct {
	Subject int64 // runs of one subject
	Bytes   int64 // bytes of the requests of one subject's runs
	Tenant  int64 // runs in a tenant
	Beyond  int64 // runs of one subject if the tenant's limit is reached
}

// OpenRuns counts the runs that have not ended.
type OpenRuns struct {
	Tenant  int64 // in the tenant
	Subject int64 // of the subject
	Bytes   int64 // bytes of the requests of the subject's runs
}

// Room returns nil if the subject may have one more run whose request has size
// bytes. Otherwise the error matches ErrTooManyRuns and names the limit.
func (q RunQuota) Room(open OpenRuns, size int) error {
	switch {
	case open.Subject >= q.Subject:
		return fmt.Errorf("%w: this service has %d already", ErrTooManyRuns, open.Subject)
	case open.Bytes+int64(size) > q.Bytes:
		return fmt.Errorf("%w: the requests of this service's runs take %d bytes already, and the limit is %d", ErrTooManyRuns, open.Bytes, q.Bytes)
	case open.Tenant >= q.Tenant && open.Subject >= q.Beyond:
		return fmt.Errorf("%w: the tenant has %d already", ErrTooManyRuns, open.Tenant)
	}
	return nil
}

// TaskAdmission is the approval that a task of a run has asked for.
type TaskAdmission struct {
	ApprovalID string
	Attempt    int // the last attempt that began with the approval; 0 if none has
}

// TaskKey is the idempotency key of a task. Keys are separate for each tenant,
// subject and principal.
type TaskKey struct{ Tenant, Subject, Principal, Key string }

// TaskResult is the stored result of a task with an idempotency key.
type TaskResult struct {
	TaskKey

	Content     []byte // digest of the tool and its inputs
	Result      string // JSON
	RunID       string
	TaskID      string
	CommittedAt time.Time
}

// Runs reads and stores workflow runs, the approvals that they wait for, and the
// results of tasks with an idempotency key.
type Runs interface {
	// CountOpen counts the runs that have not ended, see [RunQuota.Room].
	CountOpen(tenant, subject string) (OpenRuns, error)
	// Add stores a new run, without tasks. Then it deletes ended runs with their
	// tasks: those of the same workflow and subject that are not among the latest
	// [KeptRuns]; and, while the ended runs of the tenant exceed [KeptRunsOfTenant] or
	// [KeptRunBytes], the oldest one of the subject that has the most runs or bytes.
	// The latest run is the one that was added last.
	Add(r Run) error
	// Save stores the state of a run. tasks holds the states of the tasks that have
	// changed, by id; an empty text deletes the task. If the run ends, its admissions
	// are deleted, and so are other ended runs beyond the limits of the tenant, as in
	// Add. Save fails with ErrNotFound if there is no such run.
	Save(tenant, id, state string, ended bool, tasks map[string]string) error
	// SetKey replaces the key and the caller, see [Run], of a run that has not ended.
	// It fails with ErrNotFound if there is no such run.
	SetKey(tenant, id, keyID, caller string) error
	// Get returns the run, or ErrNotFound.
	Get(tenant, id string) (Run, error)
	// List returns the heads of the selected runs of the tenant, the newest first.
	List(tenant string, f RunFilter) ([]RunHead, error)
	// Latest returns the latest run of a workflow, of any subject, or ErrNotFound.
	Latest(tenant, workflow string) (Run, error)
	// LatestOf returns the latest run of a workflow that the subject started, or
	// ErrNotFound.
	LatestOf(tenant, workflow, subject string) (Run, error)
	// ListOpen returns the runs of all tenants that have not ended, the oldest first.
	ListOpen() ([]Run, error)

	// SetWaits stores the ids of the approvals that a run waits for, by task, in
	// place of those stored before.
	SetWaits(tenant, id string, approvals map[string]string) error
	// ToWake returns at most limit waiting runs that can continue, in random order
	// and without duplicates. A run waits if it has not ended and SetWaits has
	// stored approvals for it. It can continue if at least one of these approvals
	// is no longer pending at now or does not exist, or if the key of the run is
	// revoked. next is the earliest end of the approvals that are pending at now,
	// or zero if there is none.
	ToWake(now time.Time, limit int) (list []RunRef, next time.Time, err error)

	// Admission returns the admission of the task, or ErrNotFound.
	Admission(tenant, runID, taskID string) (TaskAdmission, error)
	// SetAdmission stores the admission of the task, in place of an earlier one.
	SetAdmission(tenant, runID, taskID string, a TaskAdmission) error
	// ForgetAdmissions deletes the admissions of a run, so that each of its tasks asks
	// for a new approval.
	ForgetAdmissions(tenant, runID string) error

	// Result returns the result stored under the key. It fails with ErrNotFound if
	// there is none, or if it is older than [TaskResultLife].
	Result(key TaskKey, now time.Time) (TaskResult, error)
	// AddResult stores the result of a task, in place of an earlier one with the same
	// key, and deletes the results of all tenants that are older than this one by
	// [TaskResultLife] or more. For the subject it keeps only the [KeptTaskResults]
	// results that were stored last, and only the last [KeptLargeTaskResults] large
	// ones.
	AddResult(r TaskResult) error
	// ForgetResult deletes the result of a task that was undone.
	ForgetResult(runID, taskID string) error
}
