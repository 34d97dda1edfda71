package telemetry

import (
	"math"

	"github.com/farmountain/aureus-go/aureus"
)

// MaxTaskTypes is how many task types a summary can have success rates of.
const MaxTaskTypes = 10_000

// Checks counts the policy_check events of a summary.
type Checks struct {
	Own, OwnEscalated int64 // made by the control plane: all, and those that required an approval
	All, Escalated    int64 // all events, and those that required an approval
}

// Fill sets the figures of the checks in the summary. If the control plane has made
// checks itself, only these count, because reported ones were decided elsewhere.
func (c Checks) Fill(summary *aureus.Summary) {
	escalated, all := c.Escalated, c.All
	if c.Own > 0 {
		summary.PolicyChecks, summary.PolicyChecksReported = c.Own, c.All-c.Own
		escalated, all = c.OwnEscalated, c.Own
	}
	summary.HumanEscalationRate = ratio(float64(escalated), all)
}

// Steps computes the figures of the step_end events of a summary. The zero value has
// no events.
type Steps struct {
	types      map[string]*outcomes
	failed     *Step // the first failure since the last success of the same task
	successes  int64
	duration   float64 // of the successes, milliseconds
	recoveries int64
	recovering float64 // milliseconds
}

type outcomes struct{ all, good int64 }

// Step is one step_end event.
type Step struct {
	Workflow, Task, TaskType string
	Success                  bool
	Duration                 float64 // milliseconds
	At                       Instant
}

// Add counts a step. The steps must be added grouped by workflow and task, and within
// a group by time and arrival, so that finding a recovery needs only the failure before
// it. Add fails with ErrTooManyTypes if there are more than [MaxTaskTypes] types.
func (f *Steps) Add(s Step) error {
	if f.failed != nil && (f.failed.Workflow != s.Workflow || f.failed.Task != s.Task) {
		f.failed = nil
	}
	if err := f.count(s); err != nil {
		return err
	}
	switch {
	case s.Workflow == "" || s.Task == "" || s.At == Untimed: // without a task or a time there is no recovery
	case !s.Success && f.failed == nil:
		f.failed = &s
	case s.Success && f.failed != nil:
		f.recoveries++
		f.recovering += s.At.MillisSince(f.failed.At)
		f.failed = nil
	}
	return nil
}

func (f *Steps) count(s Step) error {
	name := s.TaskType
	if name == "" {
		name = "unknown"
	}
	if f.types == nil {
		f.types = map[string]*outcomes{}
	}
	o := f.types[name]
	if o == nil {
		if len(f.types) == MaxTaskTypes {
			return ErrTooManyTypes
		}
		o = &outcomes{}
		f.types[name] = o
	}
	o.all++
	if s.Success {
		o.good++
		f.successes++
		f.duration += s.Duration
	}
	return nil
}

// Fill sets the figures of the steps in the summary.
func (f *Steps) Fill(summary *aureus.Summary) {
	summary.TaskSuccessRateByType = make(map[string]float64, len(f.types))
	for name, o := range f.types {
		summary.TaskSuccessRateByType[name] = ratio(float64(o.good), o.all)
	}
	summary.MTTRMS = ratio(f.recovering, f.recoveries)
	summary.CostPerSuccessMS = ratio(f.duration, f.successes)
}

// ratio returns sum divided by of, or 0 if of is 0. The result is always finite, as
// JSON requires.
func ratio(sum float64, of int64) float64 {
	r := sum / float64(of)
	if of == 0 || math.IsNaN(r) {
		return 0
	}
	return max(-math.MaxFloat64, min(r, math.MaxFloat64))
}
