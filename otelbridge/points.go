package otelbridge

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"

	"github.com/farmountain/aureus-go/aureus"
)

// points gathers the flat values of one export, and what has no flat form.
// Values of one measurement share a map of tags, which nobody changes afterwards.
type points struct {
	metrics  []aureus.Metric
	places   []int // of each metric, among all that was to be sent
	rejected []aureus.Rejection
}

// number is a value with its exact digits where float64 may have rounded it.
type number struct {
	value float64
	exact string
}

// exactLimit is where float64 stops telling neighbouring integers apart.
const exactLimit = 1 << 53

func numberOf[N int64 | float64](n N) number {
	if i, isInt := any(n).(int64); isInt && (i > exactLimit || i < -exactLimit) {
		return number{float64(n), strconv.FormatInt(i, 10)}
	}
	return number{value: float64(n)}
}

func countOf(n uint64) number {
	if n > exactLimit {
		return number{float64(n), strconv.FormatUint(n, 10)}
	}
	return number{value: float64(n)}
}

// add appends a value. NaN and the infinities have no JSON form: they are
// counted as rejected and leave the rest alone.
func (p *points) add(name string, n number, at aureus.Timestamp, tags map[string]string) {
	if math.IsNaN(n.value) || math.IsInf(n.value, 0) {
		p.reject(fmt.Sprintf("%.100q: the value %v has no JSON form", name, n.value))
		return
	}
	if n.exact != "" {
		tags = with(tags, tagMetricIntValue, n.exact)
	}
	p.places = append(p.places, len(p.places)+len(p.rejected))
	p.metrics = append(p.metrics, aureus.Metric{Name: name, Value: n.value, Timestamp: at, Tags: tags})
}

func (p *points) reject(reason string) {
	p.rejected = append(p.rejected, aureus.Rejection{Index: len(p.places) + len(p.rejected), Reason: reason})
}

// outcome joins what became of the report with what could not be reported.
// Indexes count everything that was to be sent.
func (p *points) outcome(err error) error {
	if len(p.rejected) == 0 {
		return err
	}
	all := &aureus.PartialError{Op: "ReportMetrics", Accepted: len(p.metrics), Rejected: p.rejected}
	partial, ok := errors.AsType[*aureus.PartialError](err)
	switch {
	case err == nil:
		return all
	case !ok:
		all.Accepted = 0 // as far as is known
		return fmt.Errorf("%w; and %w", err, all)
	}
	all.Accepted = partial.Accepted
	for _, r := range partial.Rejected {
		if r.Index >= 0 && r.Index < len(p.places) {
			r.Index = p.places[r.Index]
		}
		all.Rejected = append(all.Rejected, r)
	}
	slices.SortStableFunc(all.Rejected, func(a, b aureus.Rejection) int { return cmp.Compare(a.Index, b.Index) })
	return all
}

func with(tags map[string]string, key, value string) map[string]string {
	tags = maps.Clone(tags)
	tags[key] = value
	return tags
}
