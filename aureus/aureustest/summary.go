package aureustest

import (
	"cmp"
	"encoding/json"
	"net/http"
	"regexp"
	"strconv"
	"time"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/internal/wire"
)

var rangeForm = regexp.MustCompile(`^(\d{1,9})([dhm])$`)

// firstSecond is the beginning of the year 1.
const firstSecond = -62135596800

// summarize serves GET /observability/summary: docs/spec/telemetry.md#summary.
func (s *Server) summarize(q *request) (any, error) {
	query := q.URL.Query()
	w, err := q.window()
	if err != nil {
		return nil, err
	}
	summary := aureus.Summary{StartTime: aureus.Timestamp(query.Get("start_time")), EndTime: aureus.Timestamp(query.Get("end_time"))}
	if text := query.Get("range"); text != "" && text != "0" {
		m := rangeForm.FindStringSubmatch(text)
		if m == nil || summary.StartTime != "" || summary.EndTime != "" {
			return nil, refuse(http.StatusBadRequest, wire.CodeValidation, "the query parameter range must be a whole number and d, h or m, and excludes the times")
		}
		minutes, _ := strconv.Atoi(m[1]) // nine digits fit
		minutes *= map[string]int{"d": 24 * 60, "h": 60, "m": 1}[m[2]]
		w.end = s.Clock.Now()
		w.start = time.Unix(max(w.end.Unix()-60*int64(minutes), firstSecond), int64(w.end.Nanosecond()))
		summary.StartTime, summary.EndTime = aureus.TimestampOf(w.start), aureus.TimestampOf(w.end)
	}
	events := selected(s, &s.requests.events, func(e aureus.TelemetryEvent) bool { return w.has(e.Timestamp) })
	derive(&summary, byTime(events, func(e aureus.TelemetryEvent) aureus.Timestamp { return e.Timestamp }))
	return summary, nil
}

// figures are the sums over the events of a summary.
type figures struct {
	good, all         map[string]float64 // steps by task type
	failed            map[task]time.Time // time of the first failure since the last success
	checks, escalated float64            // that the server made itself
	reported          float64
	reportedEscalated float64
	successes         float64
	duration          float64 // of the successes, milliseconds
	recoveries        float64
	recovering        float64 // milliseconds
}

type task struct{ workflow, id string }

// derive sets the figures of the summary; events are in order of time.
func derive(summary *aureus.Summary, events []aureus.TelemetryEvent) {
	f := figures{good: map[string]float64{}, all: map[string]float64{}, failed: map[task]time.Time{}}
	for _, e := range events {
		if e.Type == aureus.EventPolicyCheck {
			checks, escalated := &f.reported, &f.reportedEscalated
			if e.Source != "" {
				checks, escalated = &f.checks, &f.escalated
			}
			*checks++
			if isTrue(e.Data["requiresHumanApproval"]) || isTrue(e.Data["requires_human_approval"]) {
				*escalated++
			}
		}
		if e.Type == aureus.EventStepEnd {
			f.step(e)
		}
	}
	summary.TaskSuccessRateByType = map[string]float64{}
	for kind, n := range f.all {
		summary.TaskSuccessRateByType[kind] = f.good[kind] / n
	}
	summary.MTTRMS, summary.CostPerSuccessMS = ratio(f.recovering, f.recoveries), ratio(f.duration, f.successes)
	summary.HumanEscalationRate, summary.TotalEvents = ratio(f.reportedEscalated, f.reported), int64(len(events))
	if f.checks > 0 {
		summary.HumanEscalationRate = ratio(f.escalated, f.checks)
		summary.PolicyChecks, summary.PolicyChecksReported = int64(f.checks), int64(f.reported)
	}
}

// step counts a step that ended.
func (f *figures) step(e aureus.TelemetryEvent) {
	kind := cmp.Or(e.TaskType, "unknown")
	f.all[kind]++
	success := isTrue(e.Data["success"])
	if success {
		f.good[kind]++
		f.successes++
		if n, ok := e.Data["duration"].(json.Number); ok {
			ms, _ := n.Float64() // infinite for a number that is too large
			f.duration += ms
		}
	}
	of := task{e.WorkflowID, e.TaskID}
	at, ok := e.Timestamp.Time()
	if !ok || of.workflow == "" || of.id == "" {
		return // without a task or a time there is no recovery
	}
	since, before := f.failed[of]
	switch {
	case !success && !before:
		f.failed[of] = at
	case success && before:
		f.recoveries++
		f.recovering += float64(at.Sub(since)) / float64(time.Millisecond)
		delete(f.failed, of)
	}
}

func isTrue(value any) bool {
	isTrue, ok := value.(bool)
	return ok && isTrue
}

func ratio(sum, of float64) float64 {
	if of == 0 {
		return 0
	}
	return sum / of
}
