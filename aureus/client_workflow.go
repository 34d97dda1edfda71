package aureus

import (
	"context"
	"encoding/json"
	"net/http"

	"github.com/farmountain/aureus-go/internal/strictjson"
	"github.com/farmountain/aureus-go/internal/wire"
)

// RunOption is an option of [Client.ExecuteWorkflow].
type RunOption interface{ applyRun(*executeRequest) }

type runOptionFunc func(*executeRequest)

func (f runOptionFunc) applyRun(r *executeRequest) { f(r) }

type executeRequest = wire.RunRequest[WorkflowSpec]

// WithRunContext gives the workflow's tasks a free-form context. Some of its members
// have a meaning, such as principal_id: docs/spec/workflows.md#who-acts.
func WithRunContext(values map[string]any) RunOption {
	return runOptionFunc(func(r *executeRequest) { r.Context = values })
}

// WithCorrelationID sets the correlation id of every telemetry event of the run.
func WithCorrelationID(id string) RunOption {
	return runOptionFunc(func(r *executeRequest) { r.CorrelationID = id })
}

// ExecuteWorkflow runs the workflow and waits until it ends or waits for an approval. A
// failed workflow is a result, not an error: look at its Status. The context limits
// the run; the client's timeout limits the time without data from the server.
// POST /api/v1/workflows/execute.
func (c *Client) ExecuteWorkflow(ctx context.Context, workflow WorkflowSpec, options ...RunOption) (WorkflowExecutionResult, error) {
	const op = "ExecuteWorkflow"
	request := executeRequest{Workflow: workflow}
	for _, option := range options {
		option.applyRun(&request)
	}
	var result WorkflowExecutionResult
	body, err := encode(op, request)
	if err != nil {
		return result, err
	}
	err = c.invoke(ctx, call{op: op, class: classChanges, keyed: true, method: http.MethodPost, path: "/workflows/execute", body: body, idleTimeout: true}, &result)
	return result, err
}

// WorkflowStatus is the state of a workflow's run. The published contract allows any
// JSON here: Raw is the whole body, and the other fields are set if the body has them.
type WorkflowStatus struct {
	WorkflowID    string                `json:"workflow_id" aureus:"optional"`
	RunID         string                `json:"run_id" aureus:"optional"`
	Status        string                `json:"status" aureus:"optional"`
	Progress      float64               `json:"progress" aureus:"optional"` // 0 to 1
	CurrentTask   string                `json:"current_task,omitzero"`
	Tasks         map[string]TaskResult `json:"tasks" aureus:"optional"`
	StartedAt     Timestamp             `json:"started_at" aureus:"optional"`
	CompletedAt   Timestamp             `json:"completed_at,omitzero"`
	Error         string                `json:"error,omitzero"`
	CorrelationID string                `json:"correlation_id" aureus:"optional"`
	Subject       string                `json:"subject" aureus:"optional"` // the subject whose key started the run

	PendingApprovals []PendingApproval `json:"pending_approvals,omitzero"` // for which the run waits

	Raw json.RawMessage `json:"-"`
}

// WorkflowStatus returns the state of the latest run of the workflow with the id of that
// spec. GET /api/v1/workflows/{id}/status.
func (c *Client) WorkflowStatus(ctx context.Context, id string) (WorkflowStatus, error) {
	var status WorkflowStatus
	raw, err := c.workflowCall(ctx, "WorkflowStatus", http.MethodGet, id, "/status", classReads, &status)
	status.Raw = raw
	return status, err
}

// WorkflowCancellation is the response to CancelWorkflow; Raw is its whole body.
type WorkflowCancellation struct {
	WorkflowID string `json:"workflow_id" aureus:"optional"`
	RunID      string `json:"run_id" aureus:"optional"`
	Cancelled  bool   `json:"cancelled" aureus:"optional"` // false: it had ended before
	Status     string `json:"status" aureus:"optional"`

	Raw json.RawMessage `json:"-"`
}

// CancelWorkflow cancels the latest run of the workflow with the id of that spec.
// POST /api/v1/workflows/{id}/cancel, without a body.
func (c *Client) CancelWorkflow(ctx context.Context, id string) (WorkflowCancellation, error) {
	var cancellation WorkflowCancellation
	raw, err := c.workflowCall(ctx, "CancelWorkflow", http.MethodPost, id, "/cancel", classChanges, &cancellation)
	cancellation.Raw = raw
	return cancellation, err
}

func (c *Client) workflowCall(ctx context.Context, op, method, id, verb string, class class, out any) (json.RawMessage, error) {
	escaped, err := segment(op, "workflow id", id)
	if err != nil {
		return nil, err
	}
	raw, err := c.send(ctx, call{op: op, method: method, path: "/workflows/" + escaped + verb, class: class, keyed: class == classChanges})
	if err != nil {
		return nil, err
	}
	return anyJSON(op, raw, out)
}

// anyJSON returns raw if it is one JSON value, and decodes it into out. A value that
// does not fit leaves out empty, since the contract allows any JSON.
func anyJSON(op string, raw []byte, out any) (json.RawMessage, error) {
	if _, err := strictjson.Parse(raw); err != nil {
		return nil, malformed(op, err)
	}
	_ = strictjson.Unmarshal(raw, out) // see above
	return raw, nil
}
