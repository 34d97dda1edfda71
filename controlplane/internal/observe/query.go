package observe

import (
	"bufio"
	"log/slog"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane/internal/storage"
	"github.com/farmountain/aureus-go/controlplane/internal/telemetry"
	"github.com/farmountain/aureus-go/controlplane/internal/web"
	"github.com/farmountain/aureus-go/internal/strictjson"
	"github.com/farmountain/aureus-go/internal/vocab"
)

// MaxQueryTags bounds the tags of one query: each is a search in every row.
const MaxQueryTags = 32

// listMetrics answers GET metrics with a bare array, ordered by time.
func (s *Service) listMetrics(w http.ResponseWriter, r *http.Request, c web.Caller) error {
	q, err := readQuery(r)
	if err != nil {
		return err
	}
	within, err := q.times()
	if err != nil {
		return err
	}
	tags, err := q.tags()
	if err != nil {
		return err
	}
	page, err := s.Telemetry.Metrics(r.Context(), c.Tenant, telemetry.MetricQuery{Name: q.values.Get("name"), Range: within, Tags: tags}, q.paging)
	return s.stream(w, r, page, err)
}

// listEvents answers GET events with a bare array, ordered by time.
func (s *Service) listEvents(w http.ResponseWriter, r *http.Request, c web.Caller) error {
	q, err := readQuery(r)
	if err != nil {
		return err
	}
	within, err := q.times()
	if err != nil {
		return err
	}
	kind := aureus.TelemetryEventType(q.values.Get("type"))
	if words := kind.Words(); kind != "" && !slices.Contains(words, string(kind)) {
		return web.BadQuery("type", "must be one of "+strings.Join(words, ", "))
	}
	own, err := q.source()
	if err != nil {
		return err
	}
	page, err := s.Telemetry.Events(r.Context(), c.Tenant, telemetry.EventQuery{
		Type: kind, WorkflowID: q.values.Get("workflow_id"), TaskID: q.values.Get("task_id"), Own: own, Range: within,
	}, q.paging)
	return s.stream(w, r, page, err)
}

// listTrace answers GET traces/{trace_id} with a bare array, ordered by start
// time. It is empty for an unknown trace.
func (s *Service) listTrace(w http.ResponseWriter, r *http.Request, c web.Caller) error {
	q, err := readQuery(r)
	if err != nil {
		return err
	}
	page, err := s.Telemetry.Trace(r.Context(), c.Tenant, r.PathValue("trace_id"), q.paging)
	return s.stream(w, r, page, err)
}

// summarize answers GET summary. See docs/spec/telemetry.md#summary.
func (s *Service) summarize(w http.ResponseWriter, r *http.Request, c web.Caller) error {
	q, err := readQuery(r)
	if err != nil {
		return err
	}
	within, start, end, err := q.span(s.Now())
	if err != nil {
		return err
	}
	summary, err := s.Telemetry.Summary(r.Context(), c.Tenant, within)
	if err != nil {
		return telemetryProblem(err)
	}
	summary.StartTime, summary.EndTime = start, end
	web.WriteJSON(w, http.StatusOK, summary)
	return nil
}

// patience is how long a reader of a streamed answer may take for each part of
// it.
const patience = 30 * time.Second

// stream answers with the items of a page, as they were reported, while they are
// read. What fails before the first byte is an ordinary error; what fails later
// ends the connection, so that half an answer is never taken for a whole one.
func (s *Service) stream(w http.ResponseWriter, r *http.Request, page *telemetry.Page, err error) error {
	if err != nil {
		return telemetryProblem(err)
	}
	w.Header().Set("Content-Type", "application/json")
	if page.Next != "" {
		web.SetNext(w, r, page.Next)
	}
	// A patient writer: what takes its deadline from the server as a whole would
	// cut long answers, however fast they are read.
	out := bufio.NewWriterSize(&patientWriter{w: w, control: http.NewResponseController(w)}, 32<<10)
	separator := "["
	for body, err := range page.Bodies(r.Context()) {
		if err == nil {
			_, _ = out.WriteString(separator) // the writer keeps its first error
			_, err = out.WriteString(body)
			separator = ","
		}
		if err != nil {
			web.Logger(r).WarnContext(r.Context(), "an answer broke off", slog.Any("error", err))
			panic(http.ErrAbortHandler)
		}
	}
	if separator == "[" {
		_, _ = out.WriteString(separator)
	}
	_, _ = out.WriteString("]\n")
	if err := out.Flush(); err != nil {
		panic(http.ErrAbortHandler)
	}
	return nil
}

type patientWriter struct {
	w       http.ResponseWriter
	control *http.ResponseController
}

func (p *patientWriter) Write(b []byte) (int, error) {
	_ = p.control.SetWriteDeadline(time.Now().Add(patience)) // not every writer has one
	return p.w.Write(b)
}

// query is the query string of a list or a summary. An empty parameter is as
// good as none, and one that stands twice is refused.
type query struct {
	values url.Values
	paging telemetry.Paging
}

func readQuery(r *http.Request) (query, error) {
	values, err := web.Query(r)
	if err != nil {
		return query{}, err
	}
	limit, cursor, err := web.Paging(r, 0, telemetry.MaxLimit)
	return query{values: values, paging: telemetry.Paging{Limit: limit, Cursor: cursor}}, err
}

// times reads start_time and end_time, both inclusive.
func (q query) times() (within telemetry.Range, err error) {
	if err = q.time("start_time", &within.Start); err == nil {
		err = q.time("end_time", &within.End)
	}
	return within, err
}

// time reads the parameter into bound, which stays nil where there is none.
func (q query) time(name string, bound **time.Time) error {
	text := q.values.Get(name)
	if text == "" {
		return nil
	}
	at, ok := web.ParseTime(text)
	if !ok {
		return web.BadQuery(name, web.TimeForms)
	}
	*bound = &at
	return nil
}

// source reads which events are meant: the control plane's own, those that keys
// have reported, or, as nil, both.
func (q query) source() (own *bool, err error) {
	switch q.values.Get("source") {
	case "":
		return nil, nil //nolint:nilnil // both are meant, and that is no error
	case vocab.SourceServer:
		return new(true), nil
	case storage.SourceReported:
		return new(false), nil
	}
	return nil, web.BadQuery("source", "must be server or reported")
}

// tags reads the JSON text of the parameter tags.
func (q query) tags() (map[string]string, error) {
	tags := map[string]string{}
	text := q.values.Get("tags")
	if text == "" {
		return tags, nil
	}
	if err := strictjson.Unmarshal([]byte(text), &tags); err != nil {
		return nil, web.BadQuery("tags", `must be the JSON text of an object of texts, such as {"env":"prod"}: `+err.Error())
	}
	if len(tags) > MaxQueryTags {
		return nil, web.BadQuery("tags", "must name "+strconv.Itoa(MaxQueryTags)+" tags at most")
	}
	return tags, nil
}

// span reads what a summary covers: a range back from now, or explicit times.
// start and end are what the answer says.
func (q query) span(now time.Time) (within telemetry.Range, start, end aureus.Timestamp, err error) {
	start, end = aureus.Timestamp(q.values.Get("start_time")), aureus.Timestamp(q.values.Get("end_time"))
	text := q.values.Get("range")
	if text == "" {
		within, err = q.times()
		return within, start, end, err
	}
	if start != "" || end != "" {
		return within, "", "", web.BadQuery("range", "excludes start_time and end_time")
	}
	seconds, ok := parseRange(text)
	if !ok {
		return within, "", "", web.BadQuery("range", "must be a whole number and d, h or m, such as 7d, 24h or 90m, or 0 for everything")
	}
	if seconds == 0 {
		return within, "", "", nil
	}
	within.End, end = &now, aureus.TimestampOf(now)
	if from := now.Unix() - seconds; from >= firstSecond { // else it reaches back beyond all time
		at := time.Unix(from, int64(now.Nanosecond())).UTC()
		within.Start, start = &at, aureus.TimestampOf(at)
	}
	return within, start, end, nil
}

// firstSecond is the beginning of the year 1; Timestamp cannot write much before
// it.
const firstSecond = -62135596800

// parseRange reads a text such as 7d, 24h or 90m as seconds; 0 is everything. A
// range too large to count is the largest.
func parseRange(text string) (seconds int64, ok bool) {
	if text == "0" {
		return 0, true
	}
	if text == "" {
		return 0, false
	}
	digits, unit := text[:len(text)-1], int64(0)
	switch text[len(text)-1] {
	case 'd':
		unit = 24 * 60 * 60
	case 'h':
		unit = 60 * 60
	case 'm':
		unit = 60
	}
	if unit == 0 || digits == "" || strings.ContainsFunc(digits, func(r rune) bool { return r < '0' || r > '9' }) {
		return 0, false
	}
	const most = math.MaxInt64 / 4 // can be taken from any time of today
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || n > most/unit {
		return most, true
	}
	return n * unit, true
}
