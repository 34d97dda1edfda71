package telemetry

import (
	"math"

	"github.com/farmountain/aureus-go/aureus"
)

// MaxTaskTypes bounds the success rates of one summary.
const MaxTaskTypes = 10_000

// Checks counts the policy_check events of a summary.
type Checks struct {
	Own, OwnEscalated int64 // of the control plane itself: all, and those that asked a person
	All, Escalated    int64 // of everybody
}

// Fill writes what the checks say into the summary. If the control plane has made
// some itself, what was reported says nothing of what was decided here.
func (c Checks) Fill(summary *aureus.Summary) {
	escalated, all := c.Escalated, c.All
	if c.Own > 0 {
		summary.PolicyChecks, summary.PolicyChecksReported = c.Own, c.All-c.Own
		escalated, all = c.OwnEscalated, c.Own
	}
	summary.HumanEscalationRate = ratio(float64(escalated), all)
}

// Steps gathers what the step_end events of a summary tell. The zero value has none.
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

// Add counts a step. The steps come grouped by workflow and task, and in the order
// of time and arrival within: a recovery then needs no more memory than the failure
// before it. It fails with ErrTooManyTypes beyond [MaxTaskTypes].
func (f *Steps) Add(s Step) error {
	if f.failed != nil && (f.failed.Workflow != s.Workflow || f.failed.Task != s.Task) {
		f.failed = nil
	}
	if err := f.count(s); err != nil {
		return err
	}
	switch {
	case s.Workflow == "" || s.Task == "" || s.At == Untimed: // nothing to recover, or no telling when
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

// Fill writes what the steps say into the summary.
func (f *Steps) Fill(summary *aureus.Summary) {
	summary.TaskSuccessRateByType = make(map[string]float64, len(f.types))
	for name, o := range f.types {
		summary.TaskSuccessRateByType[name] = ratio(float64(o.good), o.all)
	}
	summary.MTTRMS = ratio(f.recovering, f.recoveries)
	summary.CostPerSuccessMS = ratio(f.duration, f.successes)
}

// ratio is 0 of none, and always a number that JSON can write.
func ratio(sum float64, of int64) float64 {
	r := sum / float64(of)
	if of == 0 || math.IsNaN(r) {
		return 0
	}
	return max(-math.MaxFloat64, min(r, math.MaxFloat64))
}
