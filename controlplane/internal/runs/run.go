package runs

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane/internal/storage"
	"github.com/farmountain/aureus-go/controlplane/internal/web"
	"github.com/farmountain/aureus-go/controlplane/internal/workflow"
	"github.com/farmountain/aureus-go/internal/jsonvalue"
	"github.com/farmountain/aureus-go/internal/strictjson"
)

// run is a run in memory. While it is under way it belongs to its goroutine;
// before and after that nobody changes it.
type run struct {
	stored  storage.Run // as it was read or added; its JSON texts may be older than the fields below
	caller  web.Caller  // the caller whose key it runs with
	request request
	state   *workflow.State

	saved map[string]workflow.TaskState // the tasks as they are stored, without their results
	asked []string                      // the approvals that it has asked for

	// The size of all task results. They are atomic because a tool that did not end
	// in time may still add its result.
	resultBytes, resultValues atomic.Int64
}

// loadRun parses a stored run.
func loadRun(stored storage.Run) (*run, error) {
	var caller storedCaller
	r := &run{stored: stored, state: &workflow.State{}}
	if err := errors.Join(
		strictjson.Unmarshal([]byte(stored.Caller), &caller),
		strictjson.Unmarshal([]byte(stored.Request), &r.request),
		strictjson.Unmarshal([]byte(stored.State), r.state),
	); err != nil {
		return nil, fmt.Errorf("reading the run %s: %w", stored.ID, err)
	}
	r.caller = caller.in(stored.Tenant)
	r.state.Tasks, r.saved = map[string]*workflow.TaskState{}, map[string]workflow.TaskState{}
	for id, text := range stored.Tasks {
		task := &workflow.TaskState{}
		if err := strictjson.Unmarshal([]byte(text), task); err != nil {
			return nil, fmt.Errorf("reading the task %s of the run %s: %w", id, stored.ID, err)
		}
		values, _ := jsonvalue.Weight(task.Result)
		r.resultValues.Add(int64(values))
		r.resultBytes.Add(int64(len(text)))
		r.state.Tasks[id], r.saved[id] = task, withoutResult(task)
		if task.Approval != nil {
			r.asked = append(r.asked, task.Approval.ApprovalToken)
		}
	}
	return r, nil
}

// latest returns the latest run of the workflow that the subject started, or, if
// subject is empty, of any subject of the tenant. It fails with storage.ErrNotFound
// if there is none.
func (s *Service) latest(ctx context.Context, tenant, subject, workflowID string) (*run, error) {
	stored, err := s.latestStored(ctx, tenant, subject, workflowID)
	if err != nil {
		return nil, err
	}
	return loadRun(stored)
}

func (s *Service) latestStored(ctx context.Context, tenant, subject, workflowID string) (stored storage.Run, err error) {
	err = s.config.Store.View(ctx, func(t storage.Tx) (err error) {
		if subject == "" {
			stored, err = t.Runs().Latest(tenant, workflowID)
		} else {
			stored, err = t.Runs().LatestOf(tenant, workflowID, subject)
		}
		return err
	})
	return stored, err
}

// setUnreported stores, for a run that has ended, whether no request has received its
// result yet. A failure is only logged; then the next request for the same workflow
// may get this result again, or miss it.
func (s *Service) setUnreported(ctx context.Context, r *run, unreported bool) {
	if !workflow.Ended(r.state.Status) {
		return
	}
	head := *r.state // others may read the state at the same time
	head.Tasks, head.ByItself = nil, unreported
	text, err := strictjson.MarshalText(head)
	if err == nil {
		err = s.config.Store.Update(context.WithoutCancel(ctx), func(t storage.Tx) error {
			return t.Runs().Save(r.caller.Tenant, r.stored.ID, string(text), true, nil)
		})
	}
	if err != nil {
		s.config.Log.WarnContext(ctx, "whether the result of a workflow was received could not be stored", runID(r.stored.ID), errorAttr(err))
	}
}

// principal returns the principal that the run acts for.
func (r *run) principal() aureus.Principal { return principalOf(r.caller, r.request.Context) }

// principalOf returns the principal that the context names in principal_id, or the
// subject of the key. Its permissions are those that the context claims, like those
// in the body of POST /policy/evaluate. See docs/spec/workflows.md#who-acts.
func principalOf(c web.Caller, context map[string]any) aureus.Principal {
	principal := aureus.Principal{ID: c.Subject, Type: "service", Permissions: []aureus.Permission{}}
	if id, ok := context["principal_id"].(string); ok && id != "" {
		principal.ID, principal.Type = id, "agent"
	}
	if claimed, ok := context["principal_permissions"]; ok {
		principal.Permissions, _ = permissionsOf(claimed) // checked before the run was stored
	}
	return principal
}

func permissionsOf(claimed any) (list []aureus.Permission, err error) {
	text, err := strictjson.MarshalText(claimed)
	if err == nil {
		err = strictjson.Unmarshal(text, &list)
	}
	return list, err
}

// auditEntry returns an audit entry about the run, or about one of its tasks, in the
// name of the run's key. It adds the ids to details, which must not be nil.
func (r *run) auditEntry(kind string, task *aureus.TaskSpec, details map[string]any) aureus.AuditRecord {
	details["workflow_id"], details["run_id"] = r.request.Workflow.ID, r.stored.ID
	entry := aureus.AuditRecord{Kind: kind, Principal: r.principal().ID, By: r.caller.Subject, KeyID: r.caller.KeyID, Details: details}
	if task != nil {
		entry.Action, details["task_id"] = task.ID, task.ID
	}
	return entry
}

// storedCaller is the part of the caller that is stored with a run, so that the run
// can continue with the same rights after a restart.
type storedCaller struct {
	KeyID     string   `json:"key_id"`
	Subject   string   `json:"subject"`
	Role      string   `json:"role"`
	SpeaksFor []string `json:"speaks_for,omitzero"`
}

func storedCallerOf(c web.Caller) storedCaller {
	return storedCaller{KeyID: c.KeyID, Subject: c.Subject, Role: string(c.Role), SpeaksFor: c.SpeaksFor}
}

func (c storedCaller) in(tenant string) web.Caller {
	return web.Caller{KeyID: c.KeyID, Subject: c.Subject, Tenant: tenant, Role: web.Role(c.Role), SpeaksFor: c.SpeaksFor}
}

// withoutResult returns the task state without its result, for comparison with the
// stored one. A result changes only together with the status.
func withoutResult(task *workflow.TaskState) workflow.TaskState {
	short := *task
	short.Result = nil
	return short
}
