package console

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane/internal/storage"
	"github.com/farmountain/aureus-go/controlplane/internal/web"
	"github.com/farmountain/aureus-go/internal/jsonvalue"
	"github.com/farmountain/aureus-go/internal/strictjson"
)

// Runs reads the runs of workflows.
type Runs interface {
	// List returns the selected runs of the tenant, the newest first, without their tasks,
	// and the Before of the next page, or 0 if no run is left.
	List(ctx context.Context, tenant string, f storage.RunFilter) (list []aureus.WorkflowStatus, next int64, err error)
	// Run returns the workflow and the progress of one run, or an error response.
	Run(r *http.Request, tenant, id string) (aureus.WorkflowSpec, aureus.WorkflowStatus, error)
}

const (
	runsPage     = 50      // runs on one page
	maxTasks     = 1000    // tasks of a run on its page
	maxTaskText  = 2 << 10 // bytes of a task's result or error
	runsNotEnded = "open"
)

func (s *Service) runRoutes() []web.Route {
	return []web.Route{
		{Pattern: "GET " + Root + "runs", Query: parameters("workflow", "by", "show", "before"), Handler: s.runs},
		{Pattern: "GET " + Root + "runs/{id}", Handler: s.run},
	}
}

// runsData is the data of the page runs.
type runsData struct {
	Runs               []aureus.WorkflowStatus
	Workflow, By, Show string // what the list is filtered by
	Filtered           bool
	Pager              pager
}

// runs answers GET runs with a page of the runs, the newest first.
func (s *Service) runs(w http.ResponseWriter, r *http.Request, c web.Caller) error {
	data := runsData{Workflow: queryText(r, "workflow"), By: queryText(r, "by"), Show: queryText(r, "show")}
	if data.Show != "" && data.Show != runsNotEnded {
		return web.BadQuery("show", "must be "+runsNotEnded)
	}
	before, err := numberIn(r, "before")
	if err != nil {
		return err
	}
	filter := storage.RunFilter{Workflow: data.Workflow, Subject: data.By, Open: data.Show == runsNotEnded, Before: before, Limit: runsPage}
	var next int64
	if data.Runs, next, err = s.Runs.List(r.Context(), c.Tenant, filter); err != nil {
		return err
	}
	data.Filtered = data.Workflow+data.By+data.Show != ""
	link := func(before int64) string {
		query := url.Values{"workflow": {data.Workflow}, "by": {data.By}, "show": {data.Show}}
		if before > 0 {
			query.Set("before", strconv.FormatInt(before, 10))
		}
		return "?" + query.Encode()
	}
	data.Pager = pager{BeforeName: "From the newest", NextName: "Older runs"}
	if before > 0 {
		data.Pager.Before = link(0)
	}
	if next > 0 {
		data.Pager.After = link(next)
	}
	return s.show(w, r, http.StatusOK, "runs", view{Title: "Runs", Section: "runs", Caller: c, Data: data})
}

// runData is the data of the page run.
type runData struct {
	aureus.WorkflowStatus

	Name, Goal string
	Percent    int
	Tasks      []taskRow
	MoreTasks  int
	Waits      []aureus.PendingApproval
}

// taskRow is a task of a run.
type taskRow struct {
	ID, Name, Tool, Tier string
	After                []string // the tasks that must run before it
	MoreAfter            int
	Status               string
	Took                 string
	Result, Error        string
	Compensated, Reused  bool
	Approval             string // the id of the approval that it waits for
}

// run answers GET runs/{id} with a run and its tasks.
func (s *Service) run(w http.ResponseWriter, r *http.Request, c web.Caller) error {
	spec, status, err := s.Runs.Run(r, c.Tenant, r.PathValue("id"))
	if err != nil {
		return err
	}
	data := runData{WorkflowStatus: status, Name: spec.Name, Goal: spec.Goal, Percent: int(status.Progress * 100), Waits: status.PendingApprovals}
	waits := map[string]string{}
	for _, pending := range status.PendingApprovals {
		waits[pending.TaskID] = pending.ApprovalToken
	}
	for i := range spec.Tasks {
		if i == maxTasks {
			data.MoreTasks = len(spec.Tasks) - maxTasks
			break
		}
		task := &spec.Tasks[i]
		row, err := taskRowOf(r, task, status.Tasks[task.ID])
		if err != nil {
			return err
		}
		row.After, row.MoreAfter = firstOf(spec.Dependencies[task.ID])
		row.Approval = waits[task.ID]
		data.Tasks = append(data.Tasks, row)
	}
	return s.show(w, r, http.StatusOK, "run", view{Title: "Run of " + status.WorkflowID, Section: "runs", Caller: c, Data: data})
}

func taskRowOf(r *http.Request, task *aureus.TaskSpec, result aureus.TaskResult) (taskRow, error) {
	row := taskRow{
		ID: task.ID, Name: task.Name, Tool: task.ToolName, Tier: strings.ToLower(string(task.RiskTier)), Status: result.Status,
		Error: jsonvalue.Clip(result.Error, maxTaskText), Compensated: result.Compensated, Reused: result.Reused,
	}
	if result.DurationMS != nil {
		row.Took = strconv.FormatFloat(*result.DurationMS, 'f', 0, 64) + " ms"
	}
	if result.Result == nil {
		return row, nil
	}
	text, err := strictjson.MarshalText(result.Result)
	if err != nil {
		return row, err
	}
	if err := web.CapacityError(web.Account(r).Charge(2 * maxTaskText)); err != nil {
		return row, err
	}
	row.Result = jsonvalue.Clip(string(text), maxTaskText)
	return row, nil
}
